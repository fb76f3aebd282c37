// How amounts, days and the ledger's words are shown. An amount stays the text that the ledger gave: `Intl` takes decimals as they
// are, so that none passes through a float.

import { language, known, t } from './words.js';

const formats = new Map();

function format(kind, options) {
  const name = JSON.stringify([kind.name, options]);
  if (!formats.has(name)) formats.set(name, new kind(language, options));
  return formats.get(name);
}

/** An amount, such as `$12.50`. */
export function money(amount, currency) {
  return format(Intl.NumberFormat, { style: 'currency', currency }).format(amount);
}

/** An amount with its sign, as a movement. */
export function movement(amount, currency) {
  return format(Intl.NumberFormat, { style: 'currency', currency, signDisplay: 'exceptZero' }).format(amount);
}

/** A whole number. */
export function count(number) {
  return format(Intl.NumberFormat, {}).format(number);
}

/** A share, given as a decimal in percent. */
export function percent(share) {
  return `${format(Intl.NumberFormat, { maximumFractionDigits: 2 }).format(share)} %`;
}

/** The day of a moment, here. */
export function day(moment) {
  return format(Intl.DateTimeFormat, { dateStyle: 'medium' }).format(new Date(moment));
}

/** A moment, here. */
export function moment(at) {
  return format(Intl.DateTimeFormat, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at));
}

/** A month, such as `2026-11`. */
export function month(text) {
  return format(Intl.DateTimeFormat, { month: 'short', year: 'numeric', timeZone: 'UTC' }).format(new Date(`${text}-15T00:00:00Z`));
}

/** The last day on which credit can be used that ends at this moment; nothing if it never does. */
export function lastDay(ends) {
  return ends ? day(new Date(ends).getTime() - 1) : t('never');
}

/** How many whole days are left until this moment, at least none. */
export function daysLeft(ends) {
  return Math.max(0, Math.floor((new Date(ends).getTime() - Date.now()) / 86_400_000));
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
 * What somebody typed as an amount, as the ledger takes it: digits and one point. A comma is a point; both in one are refused by the
 * ledger, since nobody can tell thousands from cents.
 */
export function typed(text) {
  const plain = text.trim().replace(/[\s\u00a0\u202f']/g, '');
  return /^\d+,\d+$/.test(plain) ? plain.replace(',', '.') : plain;
}

/** What a typed amount will be taken for; nothing while it is none. */
export function understood(text, currency) {
  const amount = typed(text ?? '');
  return /^\d{1,12}(\.\d{1,4})?$/.test(amount) && /^[A-Z]{3}$/.test(currency ?? '') ? money(amount, currency) : '';
}
