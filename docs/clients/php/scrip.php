<?php
/**
 * Scrip for a shop in PHP 8 (OpenCart, WooCommerce, anything): one file, no framework, no extension.
 *
 * Amounts are strings of decimals, "12.50", here as in the API: never compute with them as floats.
 */
declare(strict_types=1);

/**
 * The service refused a call, and nothing moved. Where the status is 500 or 503, or 0 because nobody answered, that is not
 * known: the same call with the same key tells, and does it if it was not done.
 */
final class ScripError extends RuntimeException
{
    /** @param string $problem what went wrong, for programs: insufficient_credit, hold_expired … */
    public function __construct(public readonly int $status, public readonly string $problem, string $detail, public readonly array $figures = [])
    {
        parent::__construct("$problem: $detail", $status);
    }
}

final class Scrip
{
    private const TRIES = 4;

    /** @param string $key an API key of role "store"; it belongs into the shop's configuration, never into a page */
    public function __construct(private string $url, private string $key, private float $timeout = 10.0)
    {
    }

    /** What the customer could use on this order: applied, remaining_due, bound_by … */
    public function quote(string $customer, array $order, ?string $amount = null): array
    {
        return $this->post($customer, 'redemptions/quote', null, ['order' => $order] + self::given(['amount' => $amount]));
    }

    /**
     * Spends credit on an order: this amount, or the most that the rules allow. $idempotency names what is done, such as
     * "order-1002": however often it is sent, credit is spent once. With $hold it is reserved, for capture() or void().
     */
    public function redeem(string $customer, array $order, string $idempotency, ?string $amount = null, bool $hold = false): array
    {
        $more = self::given(['amount' => $amount, 'hold' => $hold ?: null]);
        return $this->post($customer, 'redemptions', $idempotency, ['order' => $order] + $more);
    }

    /** Spends what a hold reserved, all of it or this amount; the rest is free again. */
    public function capture(string $customer, string $entry, string $idempotency, ?string $amount = null): array
    {
        return $this->post($customer, "redemptions/$entry/capture", $idempotency, self::given(['amount' => $amount]));
    }

    /** Sets free what a hold reserved. */
    public function void(string $customer, string $entry, string $idempotency): array
    {
        return $this->post($customer, "redemptions/$entry/void", $idempotency, []);
    }

    /** Gives credit back from a redemption or a capture: this amount, or all that is left of it. */
    public function refund(string $customer, string $entry, string $idempotency, ?string $amount = null): array
    {
        return $this->post($customer, "redemptions/$entry/refund", $idempotency, self::given(['amount' => $amount]));
    }

    /** What the customer has: accounts with balance, available, lots and what expires when. */
    public function customer(string $customer): array
    {
        return $this->call('GET', '/v1/customers/' . rawurlencode($customer), null, null);
    }

    /**
     * The lines of an order, of OpenCart's totals: [['code' => 'sub_total', 'value' => 134.0, 'sort_order' => 1], …]. Leave out
     * the total itself and the line of store credit, which is what is asked for.
     */
    public static function lines(array $totals, int $decimals = 2): array
    {
        $paying = array_filter($totals, fn (array $total) => !in_array($total['code'], ['total', 'credit'], true));
        return array_values(array_map(fn (array $total) => [
            'code' => (string) $total['code'],
            'amount' => number_format(round((float) $total['value'], $decimals) + 0.0, $decimals, '.', ''),
            'sort_order' => (int) $total['sort_order'],
        ], $paying));
    }

    private static function given(array $fields): array
    {
        return array_filter($fields, fn ($field) => $field !== null);
    }

    private function post(string $customer, string $what, ?string $idempotency, array $body): array
    {
        return $this->call('POST', '/v1/customers/' . rawurlencode($customer) . "/$what", $idempotency, $body);
    }

    /** Sends it until somebody answers more than "not now": what reads, and what has a key, which each try carries. */
    private function call(string $method, string $path, ?string $idempotency, ?array $body): array
    {
        $headers = ["Authorization: Bearer $this->key", 'Content-Type: application/json'];
        if ($idempotency !== null) {
            $headers[] = "Idempotency-Key: $idempotency";
        }
        $http = ['method' => $method, 'header' => $headers, 'timeout' => $this->timeout, 'ignore_errors' => true,
            'follow_location' => 0] + ($body === null ? [] : ['content' => json_encode((object) $body, JSON_THROW_ON_ERROR)]);
        $repeatable = $idempotency !== null || $method === 'GET';
        for ($left = $repeatable ? self::TRIES : 1; ; $left--) {
            $stream = @fopen($this->url . $path, 'r', false, stream_context_create(['http' => $http]));
            $text = $stream === false ? false : stream_get_contents($stream);
            $head = $stream === false ? [] : stream_get_meta_data($stream)['wrapper_data'];
            preg_match('#^HTTP/\S+ (\d{3})#', $head[0] ?? '', $line);
            $told = json_decode((string) $text, true);
            // What ended before its end is no answer, and every one but "nothing to say" is an object.
            $whole = $text !== false && ($text === '' ? ($line[1] ?? '') === '204' : is_array($told) || (int) ($line[1] ?? 0) >= 400);
            $status = $whole ? (int) ($line[1] ?? 0) : 0;
            $later = preg_grep('/^Retry-After:/i', $head);
            if ($left <= 1 || ($status !== 0 && $status < 500 && !$later)) {
                break;
            }
            usleep(random_int(50_000, 100_000) * 2 ** (self::TRIES - $left));
        }
        $told = is_array($told) ? $told : [];
        if ($status < 200 || $status >= 300) {
            throw new ScripError($status, $told['code'] ?? 'unknown', $told['detail'] ?? 'nobody answered', $told);
        }
        return $told;
    }
}
