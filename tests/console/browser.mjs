// A browser on the pages, and what every page is held to: nothing but its own scripts, no error, nothing that axe finds serious.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const { url, admin_key: adminKey, store_key: storeKey, customer_token: aliceToken } = JSON.parse(process.env.SCRIP_RUNNING);
const shots = process.env.SCRIP_SHOTS;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** How long anything may take to be seen, in milliseconds. */
const PATIENCE = 15_000;
/** What the browser itself says of an answer that is a refusal: meant, where a test asks for one. */
const REFUSED = /^Failed to load resource: (the server responded with a status of (400|401|403|404|409|422|429|502|503)|net::ERR_)/;

export const browser = await chromium.launch({ executablePath: process.env.SCRIP_CHROMIUM, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });

/** A page of somebody's own, held to all that every page is held to when `close` is called. */
export async function open({ phone = false, dark = false, language = 'en-US', zone = 'UTC' } = {}) {
  const context = await browser.newContext({
    viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 900 }, colorScheme: dark ? 'dark' : 'light', locale: language, timezoneId: zone, acceptDownloads: true,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const wrong = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type()) && !REFUSED.test(message.text())) wrong.push(message.text()); });
  page.on('pageerror', (error) => wrong.push(error.stack));
  page.on('dialog', (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (request) => { if (!request.url().startsWith(url) && !/^(data|blob|about):/.test(request.url()) && !page.shop) wrong.push(`it asked ${request.url()}`); });
  page.close_ = async () => {
    assert.deepEqual(wrong, []);
    await context.close();
  };
  return page;
}

/** Signs in at the local issuer's page as this one, by how a button there begins or ends. */
export async function signIn(page, where, who) {
  await page.goto(`${url}/${where}`);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('button', { name: new RegExp(`^${who}|${who}$`) }).first().click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  assert.ok(!/code=|state=|token|eyJ/.test(page.url()), `the address is ${page.url()}`);
}

/** The merchant's console, at this place. */
export async function merchant(place = '/customers', options) {
  const page = await open(options);
  await signIn(page, 'console', 'Merchant');
  await go(page, place);
  return page;
}

/** Goes to a place within the pages. */
export async function go(page, place) {
  await page.evaluate((hash) => { location.hash = hash; }, place);
}

/** Calls the API as the shop does, beside the pages. */
export async function api(method, path, body, { key, bearer = adminKey } = {}) {
  const headers = { authorization: `Bearer ${bearer}`, ...(key ? { 'idempotency-key': key } : {}) };
  const response = await fetch(`${url}/v1/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path} answered ${response.status}: ${response.ok ? '' : await response.text()}`);
  return response.status === 204 ? null : response.json();
}

/** What a customer has in the first of its accounts. */
export const account = async (customer, currency = 'USD') => (await api('GET', `customers/${customer}`)).accounts.find((one) => one.currency === currency);

/** The customer's entries, newest first. */
export const entries = async (customer, query = '') => (await api('GET', `customers/${customer}/entries?limit=200${query}`)).data;

/** A customer of this test's own, with so much credit. */
export async function someone(name, amount = '100.00') {
  const customer = `test-${name}-${crypto.randomUUID().slice(0, 8)}`;
  await api('PUT', `customers/${customer}`, { name: `Test ${name}` });
  if (amount) await api('POST', `customers/${customer}/grants`, { amount, category: 'paid', expires: 'never' }, { key: 'begin' });
  return customer;
}

/** A picture of the whole page, kept, and one of what is seen first. */
export async function shoot(page, name) {
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(shots, `${name}-first.png`) });
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** Holds a page to what axe finds of WCAG 2.1 AA. */
export async function accessible(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ').slice(0, 300)}`), [], name);
}
