// The words of each language, and the plain functions of the pages.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'node:test';

const web = process.env.SCRIP_WEB;
const words = async (language) => (await import(pathToFileURL(join(web, `words-${language}.js`)))).default;
const texts = (value) => (typeof value === 'string' ? [value] : Object.values(value));
const places = (value) => [...new Set(texts(value).join(' ').match(/\{\w+\}/g) ?? [])].sort();

test('each language says all that English says, and leaves the same open', async () => {
  const english = await words('en');
  const others = readdirSync(web).map((name) => /^words-(\w+)\.js$/.exec(name)?.[1]).filter((language) => language && language !== 'en');
  assert.ok(others.length > 0);
  for (const language of others) {
    const other = await words(language);
    assert.deepEqual(Object.keys(other).sort(), Object.keys(english).sort(), language);
    for (const [name, value] of Object.entries(english)) assert.deepEqual(places(other[name]), places(value), `${language}: ${name}`);
  }
});

test('what is said by its whole name has words, and every word is said', async () => {
  const english = await words('en');
  const sources = readdirSync(web).filter((name) => name.endsWith('.js') && !/^(words-|lit-html|oauth4webapi)/.test(name)).map((name) => readFileSync(join(web, name), 'utf8')).join('\n');
  const said = [...sources.matchAll(/\bt\('([^']+)'/g)].map(([, name]) => name);
  assert.ok(said.length > 100);
  assert.deepEqual(said.filter((name) => !Object.hasOwn(english, name)), []);
  // What is put together of parts, as `problem.${code}`, begins so.
  const begins = [...sources.matchAll(/`([a-z_.]+\.)\$\{/g)].map(([, begin]) => begin);
  const by = ['category', 'mode', 'role', 'type', 'status', 'level', 'setting', 'field', 'group', 'hint', 'usage_limit', 'topup_methods', 'usage_base', 'consumption_order', 'topup_approval', 'expiry_days'].map((kind) => `${kind}.`);
  const unsaid = Object.keys(english).filter((name) => !sources.includes(`'${name}'`) && ![...begins, ...by].some((begin) => name.startsWith(begin)));
  assert.deepEqual(unsaid, []);
});

test('every refusal of the API has words', async () => {
  const english = await words('en');
  const document = JSON.parse(readFileSync(join(web, '../../../docs/openapi.json'), 'utf8'));
  const codes = [...JSON.stringify(document).matchAll(/"code":\{"(?:const|enum)":(\[[^\]]*\]|"[^"]*")/g)].flatMap(([, code]) => JSON.parse(code));
  assert.ok(codes.length > 30, `${codes.length} codes`);
  // Those that no screen can meet.
  const elsewhere = ['idempotency_key_required', 'invalid_cursor', 'webhook_not_found', 'invalid_request'];
  assert.deepEqual([...new Set(codes)].filter((code) => !elsewhere.includes(code) && !Object.hasOwn(english, `problem.${code}`)), []);
});

test('what is left are the store’s days, also where one has 25 hours', async () => {
  // What a browser has, as far as these modules look.
  for (const [name, value] of Object.entries({ document: { documentElement: {} }, navigator: { languages: ['en'] } })) Object.defineProperty(globalThis, name, { value });
  const { daysLeft, useZone } = await import(pathToFileURL(join(web, 'show.js')));
  useZone('America/New_York');
  // Until the end of 5 November, four days after the clocks go back.
  const left = (now) => daysLeft('2026-11-06T05:00:00Z', Date.parse(now));
  const days = ['2026-10-31T04:00:00Z', '2026-10-31T04:30:00Z', '2026-11-01T03:59:59Z', '2026-11-01T04:00:00Z', '2026-11-06T04:59:59Z', '2026-11-07T00:00:00Z'];
  assert.deepEqual(days.map(left), [5, 5, 5, 4, 0, 0]);
});
