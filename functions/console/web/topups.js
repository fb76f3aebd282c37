// Requests for a top-up, and what becomes of them.

import { html, nothing } from './lit-html.js';
import { call, customerPath, part } from './ledger.js';
import { t } from './words.js';
import { moment, money, typed, word } from './show.js';
import { deed, given } from './form.js';
import { badge } from './parts.js';
import { link } from './view.js';

/** Requests as a list, with `actions` for each that waits; with `customers`, whose each is; where they
 * are the reader's `own`, without who asked. */
export function topups(list, { actions, customers = false, own = false } = {}) {
  if (!list.length) return html`<p class="empty">${t('topups.none')}</p>`;
  return html`<ul class="topups">${list.map((topup) => html`<li>
    <div class="what"><strong class="number">${money(topup.amount, topup.currency)}</strong> ${badge('status', topup.status)}
      ${customers ? html`<a href=${link(['customers', topup.customer])}>${topup.customer}</a>` : nothing}
      <small>${[word('mode', topup.payment.mode), topup.payment.method, topup.payment.reference, topup.reference].filter(Boolean).join(' · ')}</small>
      <small>${own ? moment(topup.requested_at) : t('topup.asked', { at: moment(topup.requested_at), role: word('role', topup.requested_by.role), id: topup.requested_by.id })}</small>
      ${topup.status === 'pending' && topup.lapses_at ? html`<small>${t('topup.lapses', { at: moment(topup.lapses_at) })}</small>` : nothing}
      ${topup.credited ? html`<small>${own ? t('topup.credited.own', { amount: money(topup.credited, topup.currency) }) : t('topup.credited', { amount: money(topup.credited, topup.currency), entry: topup.entry })}</small>` : nothing}
      ${topup.reason ? html`<small>${topup.reason}</small>` : nothing}</div>
    ${actions && topup.status === 'pending' ? html`<div class="actions">${actions(topup)}</div>` : nothing}</li>`)}</ul>`;
}

/** To approve a request whole by one click, or less, or to reject it. */
export function topupActions(view, topup, done) {
  const path = (rest) => customerPath(topup.customer, `/topups/${part(topup.id)}/${rest}`);
  const name = `topup:${topup.customer}:${topup.id}`;
  const approved = ({ topup: { currency }, entry }) => done(t('told.approve', { amount: money(entry.amount, currency), customer: topup.customer }), topup);
  const approve = view.form(`${name}:approve`, { currency: topup.currency, send: (_, key, waiting) => call('POST', path('approve'), { body: {}, key, waiting }), done: approved });
  const less = view.form(`${name}:less`, { currency: topup.currency, send: ({ amount }, key, waiting) => call('POST', path('approve'), { body: { amount: typed(amount) }, key, waiting }), done: approved });
  const reject = view.form(`${name}:reject`, { send: ({ reason }) => call('POST', path('reject'), { body: { reason: given(reason) } }), done: () => done(t('told.reject', { customer: topup.customer }), topup) });
  return html`${deed(approve, t('do.approve'), { main: true })}
    <details><summary>${t('do.less')}</summary>${less.show(less.amount('amount', t('topup.paid')), t('do.approve.less'))}</details>
    <details><summary>${t('do.reject')}</summary>${reject.show(reject.text('reason', t('reason'), { required: true }), t('do.reject'), { danger: true })}</details>`;
}
