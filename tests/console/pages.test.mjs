// Console and wallet as people use them: in a real browser, on a shop with a year behind it.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { accessible, account, adminKey, aliceToken, api, browser, entries, go, merchant, open, shoot, signIn, someone, storeKey, url } from './browser.mjs';

after(() => browser.close());

const dialog = (page) => page.getByRole('dialog');

test('the first view is small', async () => {
  const page = await open();
  let bytes = 0;
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  session.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; });
  const begun = performance.now();
  await page.goto(`${url}/console`);
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  console.log(`first view: ${(bytes / 1000).toFixed(0)} kB in ${(performance.now() - begun).toFixed(0)} ms`);
  assert.ok(bytes > 1_000 && bytes < 200_000, `${bytes} bytes`);
  await accessible(page, 'sign-in');
  await shoot(page, 'sign-in');
  await page.close_();
});

test('what the merchant grants, the customer sees', async () => {
  const customer = await someone('seen', null);
  const page = await merchant(`/customers/${customer}`);
  await page.getByRole('link', { name: 'Give credit', exact: true }).click();
  await dialog(page).getByLabel('Amount').fill('12,50');
  await dialog(page).getByText('$12.50').waitFor();
  await dialog(page).getByLabel('Note to the customer').fill('<b onmouseover=alert(1)>sorry</b>');
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await page.getByText('$12.50 given, as USD-1. Available now: $12.50.').waitFor();
  assert.equal((await account(customer)).balance, '12.50');

  const own = await open({ phone: true });
  await own.goto(`${url}/wallet`);
  await own.getByRole('button', { name: 'Sign in', exact: true }).click();
  await own.getByLabel(/customer/i).last().fill(customer);
  await own.keyboard.press('Enter');
  await own.getByText('<b onmouseover=alert(1)>sorry</b>').waitFor();
  assert.match(await own.getByRole('region', { name: 'USD' }).innerText(), /\$12\.50/);
  await accessible(own, 'wallet');
  await shoot(own, 'wallet-of-one');
  await own.close_();
  await page.close_();
});

test('a request is asked for, approved in one click, and is in the balance', async () => {
  const before = await account('alice');
  const own = await open({ phone: true });
  await signIn(own, 'wallet', 'alice');
  await own.getByRole('heading', { name: /Store credit of/ }).waitFor();
  await shoot(own, 'wallet');
  const asking = own.getByRole('region', { name: 'Top up' });
  await asking.getByLabel('Amount').fill('33.00');
  const method = asking.getByLabel('Paid by');
  if ((await method.evaluate((element) => element.tagName)) === 'INPUT') await method.fill('cash');
  await asking.getByRole('button', { name: 'Ask for it' }).click();
  await own.getByText('$33.00 requested. It is credited once the shop has approved it.').waitFor();

  const page = await merchant('/requests');
  await page.getByRole('link', { name: /Requests/ }).getByText(/\d+/).waitFor();
  const request = page.getByRole('listitem').filter({ hasText: '$33.00' }).filter({ hasText: 'alice' }).first();
  await accessible(page, 'requests');
  await shoot(page, 'requests');
  await request.getByRole('button', { name: 'Approve' }).first().click();
  await page.getByText('$33.00 credited to alice.').waitFor();
  const now = await account('alice');
  assert.equal(Math.round((Number(now.balance) - Number(before.balance)) * 100), 3300);

  // Another one, cancelled by its owner; and one that is approved for less, and one that is rejected.
  await asking.getByLabel('Amount').fill('34.00');
  if ((await method.evaluate((element) => element.tagName)) === 'INPUT') await method.fill('cash');
  await asking.getByRole('button', { name: 'Ask for it' }).click();
  await own.getByText('$34.00 requested.').waitFor();
  await own.getByRole('listitem').filter({ hasText: '$34.00' }).getByRole('button', { name: 'Cancel request' }).click();
  await own.getByText('The request is cancelled.').waitFor();
  const customer = await someone('asks', null);
  for (const [key, amount] of [['one', '20.00'], ['two', '21.00']]) {
    await api('POST', `customers/${customer}/topups`, { amount, payment: { mode: 'offline', method: 'cash' } }, { key, bearer: storeKey });
  }
  await go(page, `/customers/${customer}/topups`);
  const waiting = (amount) => page.getByRole('listitem').filter({ hasText: amount });
  await waiting('$20.00').getByText('Less…').click();
  await waiting('$20.00').getByLabel('What was really paid').fill('15');
  await waiting('$20.00').getByRole('group').getByRole('button', { name: 'Approve this amount' }).click();
  await page.getByText(`$15.00 credited to ${customer}.`).waitFor();
  await waiting('$21.00').getByText('Reject').first().click();
  await waiting('$21.00').getByLabel('Reason').fill('Nothing came.');
  await waiting('$21.00').getByRole('button', { name: 'Reject' }).click();
  await page.getByText(`The request of ${customer} is rejected.`).waitFor();
  assert.equal((await account(customer)).balance, '15.00');
  await own.close_();
  await page.close_();
});

test('whoever asked cannot approve', async () => {
  const customer = await someone('own', null);
  const page = await merchant(`/customers/${customer}/do/topup`);
  await dialog(page).getByLabel('Amount').fill('25');
  await dialog(page).getByLabel('Paid by').fill('cash');
  await dialog(page).getByRole('button', { name: 'Top up' }).click();
  await page.getByText('$25.00 requested.').waitFor();
  await go(page, `/customers/${customer}/topups`);
  await page.getByRole('button', { name: 'Approve' }).first().click();
  await page.getByText('Whoever asked for a top-up cannot approve it.').waitFor();
  await page.close_();
});

test('the till takes a part of a sale, and prints a receipt', async () => {
  const customer = await someone('till', '30.00');
  const page = await merchant('/till');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText('Pick a customer first').waitFor();
  await page.getByLabel('Who is it?').fill('Test till');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByRole('listitem').filter({ hasText: customer }).getByRole('link').click();
  await page.getByLabel('Number of the sale').fill('till-1');
  await page.getByLabel('Total').fill('100.00');
  await page.getByRole('button', { name: /Take \$/ }).waitFor();
  await page.getByLabel('Of it by store credit').fill('12.34');
  await page.getByRole('button', { name: 'Take $12.34' }).waitFor();
  await accessible(page, 'till');
  await shoot(page, 'till');
  await page.getByRole('button', { name: 'Take $12.34' }).click();
  const receipt = page.getByRole('article', { name: 'Receipt' });
  await receipt.waitFor();
  for (const text of ['$12.34', '$87.66', '$17.66', 'till-1']) await receipt.getByText(text).waitFor();
  await page.reload();
  await receipt.getByText('$87.66').waitFor();
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.getByRole('button', { name: 'Print' }).isVisible(), false);
  await shoot(page, 'receipt');
  await page.emulateMedia({ media: 'screen' });
  assert.deepEqual((await entries(customer)).map(({ type, amount }) => [type, amount]), [['redeem', '-12.34'], ['grant', '30.00']]);

  // What was shown is taken, or nothing: somebody else spent meanwhile.
  await page.getByRole('button', { name: 'Next customer' }).click();
  await go(page, `/till/${customer}`);
  await page.getByLabel('Number of the sale').fill('till-late');
  await page.getByLabel('Total').fill('1000');
  const shown = page.getByRole('button', { name: /^Take \$/ });
  await shown.waitFor();
  const available = (await account(customer)).available;
  await page.getByRole('button', { name: `Take $${available}` }).waitFor();
  await api('POST', `customers/${customer}/debits`, { amount: '0.01', reason: 'a test' }, { key: 'late' });
  await shown.click();
  await page.getByText('There is not as much.').waitFor();
  await api('POST', `customers/${customer}/grants`, { amount: '0.01', category: 'paid', expires: 'never' }, { key: 'back' });
  await go(page, `/till/${customer}/receipt`);
  await page.getByText('There is no receipt any more.').waitFor();
  await go(page, '/till');

  // Held, captured in part, refunded.
  await go(page, `/till/${customer}`);
  await page.getByLabel('Number of the sale').fill('till-2');
  await page.getByLabel('Total').fill('10');
  await page.getByLabel('Hold it only').check();
  await page.getByLabel('Of it by store credit').fill('5');
  await page.getByRole('button', { name: 'Hold $5.00' }).click();
  await page.getByRole('article').getByText('Store credit held').waitFor();
  await page.getByRole('button', { name: 'All about this customer' }).click();
  await page.getByRole('link', { name: 'Capture' }).click();
  await dialog(page).getByLabel('Amount').fill('4');
  await dialog(page).getByRole('button', { name: 'Capture' }).click();
  await page.getByText('$4.00 captured').waitFor();
  await page.getByRole('row').filter({ hasText: 'till-2' }).getByRole('link', { name: 'Refund' }).first().click();
  await dialog(page).getByRole('button', { name: 'Refund' }).click();
  await page.getByText('$4.00 given back').waitFor();
  assert.equal((await account(customer)).balance, '17.66');
  await page.close_();
});

test('a till signs in with its key, and sees no more than the till may', async () => {
  const customer = await someone('key', '10.00');
  const page = await open();
  await page.goto(`${url}/console`);
  await page.getByText('Sign in with an API key').click();
  await page.getByLabel('API key').fill('sk_wrong');
  await page.getByRole('button', { name: 'Use this key' }).click();
  await page.getByText('Nobody knows this key').waitFor();
  await page.getByLabel('API key').fill(storeKey);
  await page.getByRole('button', { name: 'Use this key' }).click();
  await page.getByRole('navigation', { name: 'Menu' }).waitFor();
  assert.deepEqual(await page.getByRole('navigation', { name: 'Menu' }).getByRole('link').allInnerTexts(), ['Till']);
  await page.getByLabel('Who is it?').fill(customer);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText('$10.00').first().waitFor();
  await go(page, '/settings');
  await page.getByText('This key is for the till alone.').waitFor();
  await go(page, '/till/nobody-at-all');
  await page.getByText('Nobody knows the customer nobody-at-all').waitFor();
  await page.close_();
});

test('every refusal says why and what to do', async () => {
  const customer = await someone('refused', '10.00');
  const page = await merchant(`/till/${customer}`);
  await page.getByLabel('Number of the sale').fill('1');
  await page.getByLabel('Total').fill('40.00');
  await page.getByLabel('Of it by store credit').fill('11');
  await page.getByText('There is not as much. Available: $10.00.').first().waitFor();
  await page.getByLabel('Of it by store credit').fill('1.234');
  await page.getByRole('button', { name: /^Take/ }).click();
  await page.getByRole('alert').filter({ hasText: 'Amount:' }).first().waitFor();
  assert.equal((await entries(customer)).length, 1);

  const post = `**/v1/customers/${customer}/debits`;
  await go(page, `/customers/${customer}/do/debit`);
  await dialog(page).getByLabel('Amount').fill('3');
  await dialog(page).getByLabel('Reason').fill('a test');
  const send = () => dialog(page).locator('form .actions button').first().click();
  const seen = [];
  let fault;
  await page.route(post, async (route) => {
    seen.push(route.request().headers()['idempotency-key']);
    await fault(route);
  });
  const problem = (status, code, headers = {}) => (route) => route.fulfill({ status, contentType: 'application/problem+json', headers, body: JSON.stringify({ code, status, detail: code }) });
  for (const [answer, words] of [
    [problem(409, 'conflict', { 'retry-after': '0' }), 'Somebody else was at it at the same time'],
    [problem(422, 'amount_out_of_range'), 'That is more than an account can hold.'],
    [problem(429, 'throttled', { 'retry-after': '0' }), 'Too many calls at once.'],
    [problem(503, 'unavailable', { 'retry-after': '0' }), 'The ledger could not be reached.'],
    [problem(403, 'forbidden'), 'You may not do this.'],
    [(route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad Gateway</h1>' }), 'something that is not its own'],
    [(route) => route.abort(), 'Nobody answered'],
  ]) {
    fault = answer;
    await send();
    await dialog(page).getByRole('alert').getByText(words).waitFor();
    assert.equal(await dialog(page).getByLabel('Amount').inputValue(), '3');
  }
  // The answer is lost, and the same is sent again with the same key: once.
  fault = async (route) => {
    await route.fetch();
    await route.abort();
  };
  await page.unroute(post);
  let lost = 0;
  await page.route(post, async (route) => {
    seen.push(route.request().headers()['idempotency-key']);
    if (lost++) return route.continue();
    return fault(route);
  });
  await send();
  await page.getByText('$3.00 taken off').waitFor();
  assert.equal(new Set(seen).size, 1);
  assert.deepEqual((await entries(customer)).map(({ type }) => type), ['debit', 'grant']);
  await page.close_();
});

test('a double click acts once', async () => {
  const customer = await someone('double', null);
  const page = await merchant(`/customers/${customer}/do/grant`);
  await dialog(page).getByLabel('Amount').fill('7');
  await dialog(page).getByRole('button', { name: 'Give credit' }).dblclick();
  await page.getByText('$7.00 given').waitFor();
  assert.equal((await entries(customer)).length, 1);
  // The next one is another.
  await page.getByRole('link', { name: 'Give credit', exact: true }).click();
  assert.equal(await dialog(page).getByLabel('Amount').inputValue(), '');
  await dialog(page).getByLabel('Amount').fill('7');
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await page.getByText('as USD-2').waitFor();
  assert.equal((await entries(customer)).length, 2);
  await page.close_();
});

test('a page that is loaded again in the middle acts once', async () => {
  const customer = await someone('reload', null);
  const page = await merchant(`/customers/${customer}/do/grant`);
  await dialog(page).getByLabel('Amount').fill('8');
  await dialog(page).getByLabel('Reference').fill('kept');
  await page.reload();
  assert.equal(await dialog(page).getByLabel('Amount').inputValue(), '8');
  // Another customer's form is another.
  await go(page, `/customers/${await someone('other', null)}/do/grant`);
  await page.getByRole('heading', { name: 'Test other' }).waitFor();
  assert.equal(await dialog(page).getByLabel('Amount').inputValue(), '');
  await go(page, `/customers/${customer}/do/grant`);
  await page.getByRole('heading', { name: 'Test reload' }).waitFor();
  assert.equal(await dialog(page).getByLabel('Amount').inputValue(), '8');
  // It is sent, it is done, and the page is gone before the answer.
  await page.route('**/grants', async (route) => {
    await route.fetch();
    await page.reload();
  });
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await dialog(page).getByText('This was sent before the page was loaded again').waitFor();
  await page.unroute('**/grants');
  assert.equal(await dialog(page).getByLabel('Reference').inputValue(), 'kept');
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await page.getByText('$8.00 given, as USD-1').waitFor();
  assert.equal((await entries(customer)).length, 1);
  await page.close_();
});

test('a sign-in that ends in the middle keeps what was typed', async () => {
  const customer = await someone('ends', null);
  const page = await merchant(`/customers/${customer}/do/grant`);
  await dialog(page).getByLabel('Amount').fill('9');
  // Neither the token nor what renews it is taken any more.
  await page.route('**/v1/**', (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: JSON.stringify({ code: 'unauthenticated', status: 401 }) }));
  await page.route('**/_local/issuer/token', (route) => route.fulfill({ status: 400, contentType: 'application/json', body: '{"error":"invalid_grant"}' }));
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await dialog(page).getByText('Your sign-in has ended.').waitFor();
  await page.unrouteAll();
  await dialog(page).getByRole('button', { name: 'Sign in again' }).click();
  await page.getByRole('button', { name: /^Merchant/ }).click();
  await dialog(page).waitFor();
  assert.equal(await dialog(page).getByLabel('Amount').inputValue(), '9');
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await page.getByText('$9.00 given').waitFor();
  await page.close_();
});

test('a customer has no place in the console, and none in another’s wallet', async () => {
  const page = await open();
  await signIn(page, 'wallet', 'alice');
  const token = await page.evaluate(() => JSON.parse(sessionStorage.getItem('scrip:wallet:session')).bearer);
  assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
  const response = await fetch(`${url}/v1/customers/bob`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(response.status, 404);
  // The wallet's token, handed to the console.
  await page.evaluate((bearer) => sessionStorage.setItem('scrip:console:session', JSON.stringify({ kind: 'token', bearer, owner: 'alice' })), token);
  await page.goto(`${url}/console`);
  await page.getByText('not as staff of this shop').waitFor();
  await page.close_();
});

test('a group gets credit, and the page follows it', async () => {
  const group = `group-${crypto.randomUUID().slice(0, 8)}`;
  const page = await merchant('/groups');
  await page.getByLabel('Open or make a group').fill(group);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByText('There is no such group yet.').waitFor();
  await page.getByLabel('Own: Credit may pay of an order').check();
  await page.getByLabel('Credit may pay of an order', { exact: true }).selectOption('at most a share, in percent');
  await page.getByLabel('At most', { exact: true }).fill('25');
  await page.getByRole('button', { name: 'Make the group' }).click();
  await page.getByText('Saved.').waitFor();
  for (let member = 0; member < 5; member += 1) await api('PUT', `customers/${await someone(`member-${member}`, null)}`, { name: `Member ${member}`, group });
  await page.getByRole('link', { name: 'Give credit to all members' }).click();
  await dialog(page).getByLabel('Amount for each member').fill('2.50');
  await dialog(page).getByRole('button', { name: 'Give credit to all members' }).click();
  await page.getByRole('status').filter({ hasText: 'Done' }).waitFor();
  await page.getByRole('main').getByText('5', { exact: true }).waitFor();
  await shoot(page, 'progress');
  const { effective } = await api('GET', `groups/${group}`);
  assert.deepEqual(effective.usage_limit, { value: { type: 'percent', maximum: '25' }, from: 'group' });
  await go(page, `/groups/${group}`);
  await page.getByRole('link', { name: 'Member 0' }).waitFor();
  await accessible(page, 'group');
  await shoot(page, 'group');
  await go(page, '/groups');
  await page.getByRole('link', { name: group }).waitFor();
  await accessible(page, 'groups');
  await shoot(page, 'groups');
  await page.close_();
});

test('settings say what an order would use before they are saved, and who changed what', async () => {
  const { settings, version } = await api('GET', 'settings');
  const page = await merchant('/settings');
  await page.getByLabel('Credit may pay of an order', { exact: true }).selectOption('at most a share, in percent');
  await page.getByLabel('At most', { exact: true }).fill('30');
  await page.getByText('$42.00').waitFor();
  await page.getByText('the share of an order that credit may pay').waitFor();
  await page.getByLabel('At most', { exact: true }).fill('1000');
  await page.getByRole('complementary').getByRole('alert').waitFor();
  await page.getByLabel('At most', { exact: true }).fill('30');
  await page.getByText('$42.00').waitFor();
  await accessible(page, 'settings');
  await shoot(page, 'settings');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  const now = await api('GET', 'settings');
  assert.deepEqual(now.settings, { ...settings, usage_limit: { type: 'percent', maximum: '30' } });
  await page.getByRole('link', { name: 'Changes' }).click();
  await page.getByRole('listitem').filter({ hasText: '30 %' }).first().waitFor();
  await accessible(page, 'changes');
  await shoot(page, 'changes');
  // Somebody else writes meanwhile: nothing of theirs is lost.
  await go(page, '/settings');
  await page.getByLabel('A balance is at most').fill('900.00');
  await api('PUT', 'settings', settings);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Somebody else was at it at the same time').waitFor();
  assert.equal((await api('GET', 'settings')).version, version + 2);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  assert.deepEqual((await api('GET', 'settings')).settings, { ...settings, balance_limit: { USD: '900.00' } });
  await api('PUT', 'settings', settings);
  await page.close_();
});

test('what nobody touched is saved as it was', async () => {
  const { settings } = await api('GET', 'settings');
  const odd = { ...settings, topup_methods: ['a, b', 'c d'], expiry_days: { promotional: 90, goodwill: 30 }, sort_order: -3, remind_days: [30, 7], topup_approval: { manual_above: { EUR: '5.00', USD: '100.00' } }, withdrawable: [] };
  await api('PUT', 'settings', odd);
  const page = await merchant('/settings');
  await page.getByLabel('A request lapses after days').fill('29');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  assert.deepEqual((await api('GET', 'settings')).settings, { ...odd, topup_pending_days: 29 });
  // What cannot be read is refused before it is sent.
  await page.getByLabel('A request is at most').fill('50.00, 40.00');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('write each as 50.00 USD').first().waitFor();
  await page.getByLabel('A request is at most').fill('50.00, 40.00 EUR');
  await page.getByText('$50.00, €40.00').waitFor();
  await page.getByLabel('Names of accounts in the journal').fill('{');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('is not JSON').first().waitFor();
  await api('PUT', 'settings', settings);
  const group = `group-${crypto.randomUUID().slice(0, 8)}`;
  const joining = { amount: '5.00', currency: 'USD', category: 'goodwill', expires_at: '2100-01-01T12:34:56Z', note: 'welcome' };
  await api('PUT', `groups/${group}`, { policy: { topup_methods: ['a, b'] }, joining_grant: joining });
  const { joining_grant: kept } = await api('GET', `groups/${group}`);
  await go(page, `/groups/${group}`);
  await page.getByLabel('Own: The share is of').check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  const now = await api('GET', `groups/${group}`);
  assert.deepEqual([now.policy, now.joining_grant], [{ topup_methods: ['a, b'], usage_base: settings.usage_base }, kept]);
  await page.close_();
});

test('a form that is left before the answer is known is the same when it is opened again', async () => {
  const customer = await someone('left', null);
  const page = await merchant(`/customers/${customer}/do/grant`);
  await dialog(page).getByLabel('Amount').fill('10');
  let lost = 0;
  await page.route('**/grants', async (route) => {
    if (!lost++) await route.fetch();
    await route.abort();
  });
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await dialog(page).getByText('Nobody answered').waitFor();
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  await page.unroute('**/grants');
  await page.getByRole('link', { name: 'Give credit', exact: true }).click();
  await dialog(page).getByRole('button', { name: /Try again|Give credit/ }).click();
  await page.getByText('$10.00 given, as USD-1').waitFor();
  assert.equal((await entries(customer)).length, 1);
  // The first try is done and lost, and the next is sent away: what became of it is as unknown.
  let tries = 0;
  await page.route('**/grants', async (route) => {
    tries += 1;
    if (tries === 1) await route.fetch();
    if (tries === 1) return route.abort();
    return route.fulfill({ status: 429, contentType: 'application/json', body: '{"message":"Too Many Requests"}' });
  });
  await page.getByRole('link', { name: 'Give credit', exact: true }).click();
  await dialog(page).getByLabel('Amount').fill('3');
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await dialog(page).getByText('It is not known whether it was done.').waitFor();
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  await page.unroute('**/grants');
  await page.getByRole('link', { name: 'Give credit', exact: true }).click();
  assert.equal(await dialog(page).getByLabel('Amount').inputValue(), '3');
  await dialog(page).getByRole('button', { name: /Try again|Give credit/ }).click();
  await page.getByText('$3.00 given, as USD-2').waitFor();
  assert.equal((await entries(customer)).length, 2);
  // Left while it is being sent: the answer closes nothing else, and is told.
  await page.route('**/grants', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await route.continue();
  });
  await page.getByRole('link', { name: 'Give credit', exact: true }).click();
  await dialog(page).getByLabel('Amount').fill('11');
  await dialog(page).getByRole('button', { name: 'Give credit' }).click();
  await go(page, '/customers');
  await page.getByText(`${customer}: $11.00 given, as USD-3`).waitFor();
  assert.equal((await entries(customer)).length, 3);
  await page.close_();
});

test('a double click approves one request, and nothing slides under the pointer', async () => {
  const customers = [];
  for (const name of ['slide-a', 'slide-b', 'slide-c']) {
    const customer = await someone(name, null);
    customers.push(customer);
    await api('POST', `customers/${customer}/topups`, { amount: '29.99', payment: { mode: 'offline', method: 'cash' } }, { key: 'ask', bearer: storeKey });
  }
  const page = await merchant('/requests');
  const approve = page.getByRole('listitem').filter({ hasText: customers[0] }).getByRole('button', { name: 'Approve' }).first();
  await approve.scrollIntoViewIfNeeded();
  const { x, y } = await approve.boundingBox();
  await page.mouse.click(x + 5, y + 5, { clickCount: 1 });
  await page.getByText(`$29.99 credited to ${customers[0]}.`).waitFor();
  // It is where it was.
  assert.equal((await page.getByRole('listitem').filter({ hasText: customers[0] }).getByText('Answered.').boundingBox()).y - y < 40, true);
  await page.mouse.click(x + 5, y + 5, { clickCount: 1 });
  await page.waitForTimeout(500);
  const balances = await Promise.all(customers.map(async (customer) => (await api('GET', `customers/${customer}`)).accounts.map(({ balance }) => balance)));
  assert.deepEqual(balances.map(([balance]) => balance ?? '0.00'), ['29.99', '0.00', '0.00']);
  // Requests of one name are each their customer's.
  assert.equal(await page.getByRole('listitem').filter({ hasText: customers[1] }).getByRole('button', { name: 'Approve' }).first().isVisible(), true);
  await page.getByRole('button', { name: 'Load again' }).click();
  await page.getByRole('listitem').filter({ hasText: customers[0] }).waitFor({ state: 'detached' });
  await page.close_();
});

test('the till takes nothing that it did not show', async () => {
  const customer = await someone('shown', '500.00');
  const page = await merchant(`/till/${customer}`);
  await page.getByLabel('Number of the sale').fill('1');
  await page.getByLabel('Total').fill('40');
  await page.getByRole('button', { name: /^Take \$/ }).waitFor();
  // Changed, and sent before anybody could see what that comes to.
  await page.getByLabel('Total').fill('400');
  await page.getByLabel('Total').press('Enter');
  assert.equal((await entries(customer)).length, 1);
  // A sale whose answer is lost, not done; then another one: it is what is shown then.
  await page.getByLabel('Total').fill('20');
  await page.getByRole('button', { name: /^Take \$/ }).waitFor();
  await page.route('**/redemptions', (route) => route.abort());
  await page.getByRole('button', { name: /^Take \$/ }).click();
  await page.getByText('Nobody answered').first().waitFor();
  await page.unroute('**/redemptions');
  await page.getByLabel('Total').fill('60');
  const { applied } = await api('POST', `customers/${customer}/redemptions/quote`, { order: { currency: 'USD', lines: [{ code: 'sub_total', amount: '60', sort_order: 1 }] } });
  await page.getByText(`$${applied}`).first().waitFor();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('article').waitFor();
  assert.equal((await entries(customer))[0].amount, `-${applied}`);
  // Nobody can say what the rules allow: nothing is taken, unless it is said how much.
  await go(page, `/till/${customer}`);
  await page.route('**/quote', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"code":"unavailable","status":503}' }));
  await page.getByLabel('Number of the sale').fill('2');
  await page.getByLabel('Total').fill('70');
  await page.getByText('The ledger could not be reached.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Take credit' }).isEnabled(), false);
  await page.unroute('**/quote');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('button', { name: /^Take \$/ }).waitFor();
  await page.goBack();
  await page.getByRole('article').waitFor();
  // Back from the receipt, the balance is today's.
  await page.goBack();
  await page.getByText(`$${(await account(customer)).available}`).first().waitFor();
  await page.close_();
});

test('a customer’s rules tell where each comes from, and the entries verify', async () => {
  const customer = await someone('rules', '20.00');
  const page = await merchant(`/customers/${customer}/profile`);
  await page.getByText('Rules of this customer alone').click();
  await page.getByLabel('Own: At most of one order').check();
  await page.getByLabel('At most of one order', { exact: true }).fill('5.00');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  await page.getByRole('row').filter({ hasText: 'At most of one order' }).getByText('customer').waitFor();
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('Sound: the one entry follows.').waitFor();
  await accessible(page, 'profile');
  await shoot(page, 'profile');
  await go(page, `/customers/${customer}`);
  await page.getByRole('link', { name: 'Change last day' }).click();
  await dialog(page).getByLabel('Last day').fill('2099-12-31');
  await accessible(page, 'dialog');
  await shoot(page, 'dialog');
  await dialog(page).getByRole('button', { name: 'Change last day' }).click();
  await page.getByText('can be used until Dec 31, 2099.').waitFor();
  await page.getByRole('link', { name: 'Void' }).click();
  await dialog(page).getByLabel('Reason').fill('a test');
  await page.keyboard.press('Escape');
  assert.equal((await account(customer)).balance, '20.00');
  await page.getByRole('link', { name: 'Pay out' }).click();
  await dialog(page).getByLabel('Amount').fill('1.50');
  await dialog(page).getByLabel('Paid out by').fill('cash');
  await dialog(page).getByRole('button', { name: 'Pay out' }).click();
  await page.getByText('$1.50 paid out').waitFor();
  await page.getByRole('link', { name: 'Void' }).click();
  await dialog(page).getByLabel('Reason').fill('a test');
  await dialog(page).getByRole('button', { name: 'Void' }).click();
  await page.getByText('$18.50 voided').waitFor();
  await page.close_();
});

test('a key is made, shown once, and revoked', async () => {
  const page = await merchant('/keys');
  const name = `till ${crypto.randomUUID().slice(0, 8)}`;
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Make a key' }).click();
  const key = await page.locator('code.secret').innerText();
  assert.match(key, /^sk_/);
  await accessible(page, 'keys');
  await shoot(page, 'keys');
  const row = page.getByRole('row').filter({ hasText: name });
  await row.getByText('Revoke').first().click();
  await row.getByRole('button', { name: 'Revoke' }).click();
  await row.getByText('revoked').waitFor();
  await page.reload();
  assert.equal(await page.locator('code.secret').count(), 0);
  await page.close_();
});

test('reports draw what the ledger says, and the journal comes as a file', async () => {
  const { data } = await api('GET', 'reports/liability');
  const page = await merchant('/reports');
  const usd = data.find(({ currency }) => currency === 'USD');
  await page.getByText(new Intl.NumberFormat('en', { style: 'currency', currency: 'USD' }).format(usd.net)).first().waitFor();
  await accessible(page, 'reports');
  await shoot(page, 'reports');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  const text = await readFile(await download.path(), 'utf8');
  assert.match(text.split('\n')[0], /date/);
  await page.close_();
});

test('a year of customers can be found, sorted and paged', async () => {
  const page = await merchant('/customers');
  await page.getByRole('table').waitFor();
  assert.equal(await page.getByRole('row').count(), 51);
  await accessible(page, 'customers');
  await shoot(page, 'customers');
  await page.getByRole('link', { name: 'Next page' }).click();
  await page.getByRole('link', { name: 'First page' }).waitFor();
  await go(page, '/customers');
  await page.getByLabel('Sort by').selectOption('Most credit');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.waitForURL(/sort=-balance/);
  const first = await api('GET', 'customers?sort=-balance&limit=1');
  await page.getByRole('row').nth(1).getByText(first.data[0].name ?? first.data[0].customer).first().waitFor();
  await go(page, '/customers/alice');
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByRole('row').nth(3).waitFor();
  await accessible(page, 'customer');
  await shoot(page, 'customer');
  await page.getByRole('link', { name: 'History', exact: true }).click();
  await page.getByRole('search').getByLabel('Kind').selectOption('Used');
  await page.getByRole('search').getByRole('button', { name: 'Search' }).click();
  await page.waitForURL(/type=redeem/);
  await shoot(page, 'history');
  await page.getByText('Statement of a period').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'To print' }).click()]);
  assert.match(await readFile(await download.path(), 'utf8'), /<!doctype html>/i);
  await page.close_();
});

test('yen, dinars, twelve digits and very long names are shown as they are', async () => {
  const customer = await someone('wide', null);
  await api('PUT', `customers/${customer}`, { name: `${'Wolfeschlegelsteinhausenbergerdorff'.repeat(3)} <img src=x onerror=alert(1)>`.slice(0, 128) });
  const page = await merchant(`/customers/${customer}`);
  for (const [currency, typed, shown] of [['JPY', '1234', '¥1,234'], ['BHD', '1.234', 'BHD'], ['USD', '999999999999.99', '$999,999,999,999.99']]) {
    await go(page, `/customers/${customer}/do/grant`);
    await dialog(page).getByLabel('Currency').fill(currency);
    await dialog(page).getByLabel('Amount').fill(typed);
    await dialog(page).getByRole('button', { name: 'Give credit' }).click();
    await page.getByRole('region', { name: currency }).getByText(shown).first().waitFor();
  }
  assert.deepEqual(await Promise.all(['JPY', 'BHD', 'USD'].map(async (currency) => (await account(customer, currency)).balance)), ['1234', '1.234', '999999999999.99']);
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => [...document.querySelectorAll('body *')].filter((element) => !element.closest('.scroll, .hidden, header nav') && element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 200)));
  assert.deepEqual(wide, [], 'it is wider than a phone');
  await page.close_();
});

test('days are the store’s, wherever the reader is', async () => {
  const customer = await someone('zone', null);
  const { entry } = await api('POST', `customers/${customer}/grants`, { amount: '5.00', category: 'goodwill', expires_on: '2099-12-31' }, { key: 'zone' });
  // Sweden writes a day as ISO 8601 does.
  const day = new Intl.DateTimeFormat('sv-SE', { timeZone: (await api('GET', 'settings')).settings.time_zone }).format(new Date(entry.at));
  for (const zone of ['Asia/Tokyo', 'America/Los_Angeles']) {
    const page = await merchant(`/customers/${customer}`, { zone });
    await page.getByRole('list', { name: 'Credit and its last days' }).getByText('Dec 31, 2099').waitFor();
    await page.getByRole('link', { name: 'Change last day' }).click();
    assert.equal(await dialog(page).getByLabel('Last day').inputValue(), '2099-12-31');
    await go(page, `/customers/${customer}/history?from=${day}&to=${day}`);
    await page.getByRole('row').nth(1).waitFor();
    await page.close_();
  }
});

test('German, dark, on a phone', async () => {
  const page = await open({ phone: true, dark: true, language: 'de-DE' });
  await page.goto(`${url}/wallet`);
  await page.getByRole('button', { name: 'Anmelden', exact: true }).click();
  await page.getByRole('button', { name: /alice/ }).first().click();
  await page.getByRole('heading', { name: /Guthaben von/ }).waitFor();
  assert.match(await page.getByRole('main').innerText(), /\d,\d\d\s\$/);
  await accessible(page, 'German wallet');
  await shoot(page, 'wallet-german-dark');
  await page.getByLabel('Sprache').selectOption('English');
  await page.getByRole('heading', { name: /Store credit of/ }).waitFor();
  await page.close_();
});

test('the keyboard is enough', async () => {
  const customer = await someone('keyboard', null);
  const page = await merchant(`/customers/${customer}`);
  await page.getByRole('link', { name: 'Give credit', exact: true }).focus();
  await page.keyboard.press('Enter');
  await dialog(page).waitFor();
  const focused = () => page.evaluate(() => document.activeElement.name || document.activeElement.textContent);
  assert.equal(await focused(), 'amount');
  await page.keyboard.type('4');
  await page.keyboard.press('Escape');
  await dialog(page).waitFor({ state: 'detached' });
  assert.equal(await focused(), 'Give credit');
  await page.keyboard.press('Enter');
  await dialog(page).waitFor();
  await page.keyboard.type('4');
  await page.keyboard.press('Enter');
  await page.getByText('$4.00 given').waitFor();
  await page.close_();
});

test('a shop shows the wallet in its own page by one tag', async () => {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1><script src="${url}/wallet/embed.js" data-token="${aliceToken}"></script>`);
  }).listen(0);
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const page = await open();
    page.shop = true;
    // Another site than the wallet's, to which the browser gives no storage.
    await page.goto(`http://localhost:${server.address().port}/`);
    await page.frameLocator('iframe').getByRole('heading', { name: /Store credit of/ }).waitFor();
    const frame = page.frames()[1];
    assert.ok(!frame.url().includes('eyJ'), frame.url());
    await shoot(page, 'embedded');
    // The shop's customer leaves.
    await page.evaluate(() => { delete document.querySelector('script').dataset.token; });
    await page.frameLocator('iframe').getByRole('heading', { name: /Store credit of/ }).waitFor({ state: 'detached' });
    await page.close_();
    // The console may stand in nobody's frame.
    const response = await fetch(`${url}/console`);
    assert.match(response.headers.get('content-security-policy'), /frame-ancestors 'none'/);
  } finally {
    server.close();
  }
});
