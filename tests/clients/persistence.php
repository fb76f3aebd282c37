<?php
// The snippet behind a line that loses answers (`tests/clients/run` makes it), and before whoever is no Scrip.
declare(strict_types=1);

[$line, $key] = [getenv('line'), getenv('store_key')];
$order = ['id' => '1', 'lines' => [['code' => 'sub_total', 'amount' => '4.00', 'sort_order' => 1]]];

function refused(callable $call): ScripError
{
    try {
        $call();
    } catch (ScripError $error) {
        return $error;
    }
    throw new LogicException('it was not refused');
}

function same(mixed $told, mixed $due): void
{
    $told === $due or throw new LogicException(json_encode($told) . ' is not ' . json_encode($due));
}

// The first answer is lost, or says "not now": the same call is sent again, and spends once. carol has 10.00.
foreach (['lost' => '6.00', 'busy' => '2.00'] as $fault => $left) {
    $spent = (new Scrip("$line/$fault", $key))->redeem('carol', $order, "php-$fault");
    same([$spent['applied'], $spent['account']['available']], ['4.00', $left]);
}
// What ends before its end is no answer either.
same((new Scrip("$line/cut", $key))->redeem('carol', $order, 'php-busy')['account']['available'], '2.00');
same((new Scrip("$line/lost", $key))->customer('carol')['accounts'][0]['balance'], '2.00');
// What has no key is sent once.
same(refused(fn () => (new Scrip("$line/lost", $key))->quote('carol', $order))->status, 0);

$scrip = new Scrip("$line/as-is", $key);
$held = $scrip->redeem('carol', $order, 'php-hold', '2.00', true);
same($held['account'], ['currency' => 'USD', 'balance' => '2.00', 'held' => '2.00', 'available' => '0.00']);
same($scrip->void('carol', $held['entry']['id'], 'php-void')['account']['available'], '2.00');
$held = $scrip->redeem('carol', $order, 'php-hold-2', null, true);
$taken = $scrip->capture('carol', $held['entry']['id'], 'php-capture', '1.50');
same($taken['account']['available'], '0.50');
same($scrip->refund('carol', $taken['entry']['id'], 'php-refund')['account']['available'], '2.00');

$error = refused(fn () => $scrip->redeem('carol', $order, 'php-refused', '3.00'));
same([$error->status, $error->problem, $error->figures['available']], [422, 'insufficient_credit', '2.00']);
$error = refused(fn () => $scrip->redeem('', $order, 'php-nobody'));
same([$error->status, $error->problem, $error->figures['errors'][0]['field']], [400, 'invalid_request', 'customer']);
same(refused(fn () => (new Scrip("$line/as-is", 'sk_wrong'))->customer('carol'))->problem, 'unauthenticated');
same(refused(fn () => (new Scrip("$line/broken", $key))->redeem('carol', $order, 'php-broken'))->problem, 'unknown');
same(refused(fn () => (new Scrip("$line/silent", $key, 0.2))->redeem('carol', $order, 'php-silent'))->status, 0);

$totals = [
    ['code' => 'sub_total', 'value' => 0.1 + 0.2, 'sort_order' => '1'],
    ['code' => 'coupon', 'value' => '-0.0010', 'sort_order' => 2],
    ['code' => 'coupon', 'value' => -1234.565, 'sort_order' => 4],
    ['code' => 'credit', 'value' => -5, 'sort_order' => 7],
    ['code' => 'total', 'value' => 1, 'sort_order' => 9],
];
same(array_column(Scrip::lines($totals), 'amount'), ['0.30', '0.00', '-1234.57']);
same(array_column(Scrip::lines($totals, 0), 'amount'), ['0', '0', '-1235']);
