// How amounts, days and the ledger's words are shown. An amount stays the text that the ledger gave: `Intl` takes decimals as they
// are, so that none passes through a float.

import { language, known, t } from './words.js';

const formats = new Map();

/** The store's time zone, in which its days end; the reader's own until it is known. */
let zone;

/** Shows everything in this time zone from now on; in the reader's own, if the browser does not know it. */
export function useZone(name) {
  try {
    zone = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    zone = undefined;
  }
}

function format(kind, options) {
  const name = JSON.stringify([kind.name, options]);
  if (!formats.has(name)) formats.set(name, new kind(language, options));
  return formats.get(name);
}

/** As many decimals as the text of an amount has: the ledger's are ISO's, of which the browser's differ for some currencies. */
function decimals(amount) {
  const digits = amount.split('.')[1]?.length ?? 0;
  return { minimumFractionDigits: digits, maximumFractionDigits: digits };
}

/** An amount, such as `$12.50`. */
export function money(amount, currency) {
  return format(Intl.NumberFormat, { style: 'currency', currency, ...decimals(amount) }).format(amount);
}

/** An amount with its sign, as a movement. */
export function movement(amount, currency) {
  return format(Intl.NumberFormat, { style: 'currency', currency, signDisplay: 'exceptZero', ...decimals(amount) }).format(amount);
}

/** A whole number. */
export function count(number) {
  return format(Intl.NumberFormat, {}).format(number);
}

/** A share, given as a decimal in percent. */
export function percent(share) {
  return `${format(Intl.NumberFormat, { maximumFractionDigits: 4 }).format(share)} %`;
}

/** The day of a moment, in the store. */
export function day(moment) {
  return format(Intl.DateTimeFormat, { dateStyle: 'medium', timeZone: zone }).format(new Date(moment));
}

/** A moment, in the store. */
export function moment(at) {
  return format(Intl.DateTimeFormat, { dateStyle: 'medium', timeStyle: 'short', timeZone: zone }).format(new Date(at));
}

/** A day as a date field has it, such as `2026-11-22`, in the store: of a moment, today unless it says. */
export function isoDay(moment = Date.now()) {
  return new Intl.DateTimeFormat('sv-SE', { timeZone: zone }).format(new Date(moment));
}

/** Whether a text is a day as a date field has it. */
export const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? '') && !Number.isNaN(Date.parse(text));

/** The currency that a form about these accounts begins with: the store's, or the first that there is. */
export const usual = (accounts, currency) => (accounts.length && !accounts.some((account) => account.currency === currency) ? accounts[0].currency : currency);

/** The moment at which a day begins in the store, so many days after it, as the API takes it. */
export function dayBegins(iso, after = 0) {
  const wanted = new Date(`${iso}T00:00:00Z`).getTime() + after * 86_400_000;
  // What the store's clock shows at a moment, as if it were UTC: the difference is the zone's, twice since it may change in between.
  const shown = (at) => new Date(`${new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' }).format(at).replace(' ', 'T')}Z`).getTime();
  let at = wanted;
  for (let round = 0; round < 2; round += 1) at += wanted - shown(at);
  return new Date(at).toISOString();
}

/** A month, such as `2026-11`. */
export function month(text) {
  return format(Intl.DateTimeFormat, { month: 'short', year: 'numeric', timeZone: 'UTC' }).format(new Date(`${text}-15T00:00:00Z`));
}

/** The last day on which credit can be used that ends at this moment; nothing if it never does. */
export function lastDay(ends) {
  return ends ? day(new Date(ends).getTime() - 1) : t('never');
}

/** How many of the store's days follow today up to the last one before this moment; none on that day. */
export function daysLeft(ends, now = Date.now()) {
  return Math.max(0, (Date.parse(isoDay(new Date(ends).getTime() - 1)) - Date.parse(isoDay(now))) / 86_400_000);
}

/** One of the ledger's own words, such as a category or a status, in the reader's. */
export function word(kind, name) {
  return known(`${kind}.${name}`) ? t(`${kind}.${name}`) : name;
}

/** Whether a decimal in a text is zero. */
export function isZero(amount) {
  return !/[1-9]/.test(amount);
}

/** Whether a decimal in a text is below zero. */
export function isNegative(amount) {
  return amount.startsWith('-') && !isZero(amount);
}

/** The negative of a decimal in a text. */
export function negated(amount) {
  return amount.startsWith('-') ? amount.slice(1) : `-${amount}`;
}

/**
 * What somebody typed as an amount, as the ledger takes it: digits and one point. A comma is a point, and what stands before groups of
 * three digits falls away; all else stays as it is, for the ledger to refuse.
 */
export function typed(text) {
  const plain = text.trim();
  const grouped = /^\d{1,3}(?:[ \u00a0\u202f\u2019']\d{3})+(?:[.,]\d+)?$/.test(plain) ? plain.replace(/[ \u00a0\u202f\u2019']/g, '') : plain;
  return /^\d+,\d+$/.test(grouped) ? grouped.replace(',', '.') : grouped;
}

/** What a typed amount will be taken for; nothing while it is none. */
export function understood(text, currency) {
  const amount = typed(text ?? '');
  if (!/^\d{1,12}(\.\d{1,4})?$/.test(amount) || !/^[A-Z]{3}$/.test(currency ?? '')) return '';
  const { maximumFractionDigits: usual } = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions();
  const [whole, decimals = ''] = amount.split('.');
  const digits = decimals.padEnd(usual, '0');
  return money(digits ? `${whole}.${digits}` : whole, currency);
}
