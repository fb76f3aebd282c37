// The rules that a merchant sets: as fields that people can read, and back into the document that the API takes. The store's settings
// give each; a group and a customer may give their own, and have what is above them otherwise.

import { html, nothing } from './lit-html.js';
import { Refusal } from './ledger.js';
import { t } from './words.js';
import { count, money, percent, understood, word } from './show.js';

/** Amounts by currency as one text, such as `50.00 USD, 40.00 EUR`. */
const amountsText = (amounts) => Object.entries(amounts ?? {}).map(([currency, amount]) => `${amount} ${currency}`).join(', ');

/** Refuses what nobody can read, before it is sent. */
function refuse(name, message) {
  throw new Refusal(400, { code: 'invalid_request', errors: [{ field: t(`setting.${name}`), message }] });
}

/** The reverse of `amountsText`, each with its currency once; what has none is of the store's. Nothing where it cannot be read. */
function amountsOf(text, currency) {
  const parts = (text ?? '').split(/[;,]\s+|[;\n]/).map((part) => part.trim()).filter(Boolean);
  const found = {};
  for (const part of parts) {
    const [, amount, named] = part.match(/^(\d+(?:[.,]\d+)?)(?:\s+([A-Za-z]{3}))?$/) ?? [];
    const of = (named ?? currency).toUpperCase();
    if (amount === undefined || Object.hasOwn(found, of)) return undefined;
    found[of] = amount.replace(',', '.');
  }
  return found;
}

/** As the document has them, or a refusal. */
function limits(name, text, currency) {
  const found = amountsOf(text, currency);
  if (!found) refuse(name, t('amounts.wrong', { currency }));
  return Object.keys(found).length ? found : null;
}

/** What typed amounts are taken for. */
function amountsHint(text, currency) {
  const found = Object.entries(amountsOf(text, currency) ?? {}).map(([of, amount]) => understood(amount, of));
  return found.length && found.every(Boolean) ? found.join(', ') : t('amounts.hint', { currency });
}

const numberOf = (text) => (/^-?\d+$/.test(String(text).trim()) ? Number(text) : text);
const listOf = (text) => (text ?? '').split(/[,\n]/).map((part) => part.trim()).filter(Boolean);

const amounts = {
  read: amountsText, write: (text, { currency, name }) => limits(name, text, currency),
  field: (form, name, { currency }) => form.text(name, t(`setting.${name}`), { max: 500, hint: amountsHint(form.values[name], currency) }),
  show: (value) => Object.entries(value ?? {}).map(([currency, amount]) => money(amount, currency)).join(', ') || t('none'),
};
const number = {
  read: (value) => String(value ?? ''), write: numberOf,
  field: (form, name) => form.text(name, t(`setting.${name}`), { max: 20, hint: t(`hint.${name}`) }),
  show: (value) => count(value),
};
const flag = {
  read: Boolean, write: Boolean,
  field: (form, name) => form.check(name, t(`setting.${name}`)),
  show: (value) => t(value ? 'yes' : 'no'),
};
const choice = (...options) => ({
  read: (value) => value, write: (value) => value,
  field: (form, name) => form.choice(name, t(`setting.${name}`), options.map((option) => [option, t(`${name}.${option}`)])),
  show: (value, name) => t(`${name}.${value}`),
});
const list = (empty, each = (part) => part) => ({
  read: (value) => (value ?? []).join(', '), write: (text) => (listOf(text).length ? listOf(text).map(each) : empty),
  field: (form, name) => form.text(name, t(`setting.${name}`), { max: 500, hint: t(`hint.${name}`) }),
  show: (value) => (value ?? []).join(', ') || t('none'),
});

/** A value that is of one of several kinds: the kind is one field, what belongs to it another. */
const either = (kinds) => ({
  read: (value, name) => {
    const [kind, { read }] = Object.entries(kinds).find(([, { is }]) => is(value)) ?? Object.entries(kinds)[0];
    return { [name]: kind, [`${name}.value`]: read?.(value) ?? '' };
  },
  write: (kind, context, values) => kinds[kind].write(values[`${context.name}.value`], context),
  field: (form, name, { currency }) => html`${form.choice(name, t(`setting.${name}`), Object.keys(kinds).map((kind) => [kind, t(`${name}.${kind}`)]))}
    ${kinds[form.values[name]]?.read ? form[kinds[form.values[name]].lines ? 'area' : 'text'](`${name}.value`, t(`${name}.value`), { max: 5000, hint: t(`hint.${name}.${form.values[name]}`, { currency }) }) : nothing}`,
  show: (value) => Object.values(kinds).find(({ is }) => is(value)).show(value),
  several: true,
});

const daysText = (days) => Object.entries(days).map(([category, of]) => `${category} ${of}`).join(', ');
const daysOf = (text) => Object.fromEntries(listOf(text).map((part) => part.split(/[\s:]+/)).map(([category, days]) => [category, numberOf(days)]));

function chart(name, text) {
  try {
    return text.trim() ? JSON.parse(text) : null;
  } catch {
    return refuse(name, t('chart.wrong'));
  }
}

const isMap = (value) => value !== null && typeof value === 'object';

/** Every setting, as it is shown and asked for. `store`: the store's alone. */
const SETTINGS = [
  ['spending', {
    enabled: flag,
    usage_limit: either({
      none: { is: (value) => value === null || value === undefined, write: () => null, show: () => t('none') },
      percent: { is: (value) => value?.type === 'percent', read: ({ maximum }) => maximum, write: (text) => ({ type: 'percent', maximum: String(text).trim().replace('%', '').trim() }), show: ({ maximum }) => percent(maximum) },
      fixed: { is: (value) => value?.type === 'fixed', read: ({ maximum }) => amountsText(maximum), write: (text, { currency, name }) => ({ type: 'fixed', maximum: limits(name, text, currency) }), show: ({ maximum }) => amounts.show(maximum) },
    }),
    usage_base: choice('preceding_lines', 'subtotal_only'),
    sort_order: { ...number, store: true },
    activation_total: amounts, transaction_limit: amounts, overdraft_limit: amounts,
    consumption_order: choice('fifo', 'expiring_first'),
    hold_ttl_seconds: number, refund_grace_days: number,
  }],
  ['topping', {
    topup_min: amounts, topup_max: amounts, topup_limit: amounts, balance_limit: amounts,
    topup_methods: either({
      any: { is: (value) => value === null || value === undefined, write: () => null, show: () => t('topup_methods.any') },
      some: { is: Array.isArray, lines: true, read: (value) => value.join('\n'), write: (text) => (text ?? '').split('\n').map((line) => line.trim()).filter(Boolean), show: (value) => value.join(', ') || t('none') },
    }),
    topup_approval: either({
      manual: { is: (value) => value === 'manual' || value === undefined, write: () => 'manual', show: () => t('topup_approval.manual') },
      automatic: { is: (value) => value === 'automatic', write: () => 'automatic', show: () => t('topup_approval.automatic') },
      manual_above: { is: isMap, read: (value) => amountsText(value.manual_above), write: (text, { currency, name }) => ({ manual_above: limits(name, text, currency) ?? {} }), show: (value) => `${t('topup_approval.manual_above')} ${amounts.show(value.manual_above)}` },
    }),
    topup_pending_days: number,
    withdrawal: flag, withdrawable: list([]),
  }],
  ['expiring', {
    expiry_days: either({
      none: { is: (value) => value === null || value === undefined, write: () => null, show: () => t('never') },
      days: { is: (value) => typeof value === 'number', read: String, write: numberOf, show: (value) => t('days', { count: value }) },
      categories: { is: isMap, read: daysText, write: daysOf, show: (value) => Object.entries(value).map(([category, days]) => `${word('category', category)}: ${t('days', { count: days })}`).join(', ') },
    }),
    apply_to_existing: flag, expiry_exempt: flag,
    remind_days: list([], numberOf),
  }],
  ['books', {
    currency: { ...list(null), read: (value) => value ?? '', write: (text) => text.trim().toUpperCase(), show: (value) => value, store: true },
    time_zone: { ...list(null), read: (value) => value ?? '', write: (text) => text.trim(), show: (value) => value, store: true },
    chart_of_accounts: {
      read: (value) => (value ? JSON.stringify(value, null, 1) : ''), write: (text, { name }) => chart(name, text), store: true,
      field: (form, name) => form.area(name, t(`setting.${name}`), { max: 20_000, rows: 6, hint: t('hint.chart_of_accounts') }),
      show: (value) => JSON.stringify(value),
    },
  }],
];

const all = Object.assign({}, ...SETTINGS.map(([, fields]) => fields));
const own = (name) => `own.${name}`;

const read = (name, value) => (all[name].several ? all[name].read(value, name) : { [name]: all[name].read(value) });

/** What a form begins with that shows the store's settings. */
export const settingsForm = (settings) => Object.assign({}, ...Object.keys(all).map((name) => read(name, settings[name])));

/** What a form begins with that shows what is given of its own; where nothing is, what is in force: as told, or else the store's settings. */
export function ownForm(policy, effective, settings) {
  const names = Object.keys(all).filter((name) => !all[name].store);
  return Object.assign({}, ...names.map((name) => {
    const given = Object.hasOwn(policy, name);
    return { [own(name)]: given, ...read(name, given ? policy[name] : effective ? effective[name]?.value : settings?.[name]) };
  }));
}

/** The document that a form makes of the one that it began with: what nobody touched stays as it is, to the letter. */
function changed(form, document, currency, names) {
  const policy = { ...document };
  for (const name of names) {
    const touched = [name, `${name}.value`, own(name)].some((field) => Object.hasOwn(form.touched, field));
    if (touched) policy[name] = all[name].write(form.values[name], { currency, name }, form.values);
  }
  return policy;
}

/** The settings that a form says. */
export const settingsOf = (form, settings) => changed(form, settings, form.values.currency || settings.currency, Object.keys(all));

/** What of its own a form says. */
export function ownOf(form, policy, currency) {
  const names = Object.keys(all).filter((name) => !all[name].store && form.values[own(name)]);
  return Object.fromEntries(Object.entries(changed(form, policy, currency, names)).filter(([name]) => !all[name] || form.values[own(name)]));
}

/** The fields of a policy, by what they are about. */
export function policyFields(form, { inherits = false, currency }) {
  return SETTINGS.map(([about, fields]) => {
    const shown = Object.entries(fields).filter(([, setting]) => !(inherits && setting.store));
    if (!shown.length) return nothing;
    return html`<fieldset><legend>${t(`about.${about}`)}</legend><div class="grid">${shown.map(([name, setting]) => (inherits
      ? html`<div class="own">${form.check(own(name), t('own', { setting: t(`setting.${name}`) }))}${form.values[own(name)] ? setting.field(form, name, { currency }) : nothing}</div>`
      : html`<div>${setting.field(form, name, { currency })}</div>`))}</div></fieldset>`;
  });
}

/** The rules in force, each with where it comes from. */
export function policyTable(policy) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t('policy')}><table><thead><tr><th scope="col">${t('setting')}</th><th scope="col">${t('value')}</th><th scope="col">${t('from.level')}</th></tr></thead>
    <tbody>${Object.keys(all).filter((name) => policy[name] && name !== 'chart_of_accounts').map((name) => [name, policy[name]]).map(([name, { value, from }]) => html`<tr><th scope="row">${t(`setting.${name}`)}</th>
      <td>${all[name].show(value, name)}</td><td><span class="badge level-${from}">${word('level', from)}</span></td></tr>`)}</tbody></table></div>`;
}

/** One setting's value in words. */
export function settingText(name, value) {
  if (name === 'joining_grant' && value) return [value.currency ? money(value.amount, value.currency) : value.amount, word('category', value.category)].join(' ');
  return all[name] ? all[name].show(value, name) : JSON.stringify(value);
}
