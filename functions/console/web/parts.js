// What several screens show: notices, lists with pages, lots, histories.

import { html, nothing } from './lit-html.js';
import { choose, language, LANGUAGES, t } from './words.js';
import { daysLeft, isNegative, isZero, lastDay, moment, money, movement, word } from './show.js';
import { notice } from './form.js';

/** Whose page it is: name, id, address, group; and `more` beside them. */
export const person = ({ customer, name, email, group, frozen }, more) => html`<h1 class="name">${name ?? customer} ${frozen ? html`<span class="badge frozen">${t('frozen')}</span>` : nothing}</h1>
  <p class="about">${[customer, email, group && t('in.group', { group })].filter(Boolean).join(' · ')}${more ? html` · ${more}` : nothing}</p>`;

/** To choose another language. */
export const languages = () => html`<label class="language"><span class="hidden">${t('language')}</span>
  <select @change=${(event) => choose(event.target.value)}>${Object.entries(LANGUAGES).map(([tag, name]) => html`<option value=${tag} ?selected=${tag === language}>${name}</option>`)}</select></label>`;

/** While something is read. */
export const reading = () => html`<p class="reading" role="status">${t('reading')}</p>`;

/** What could not be read, and a way to try it again. */
export function failed(error, again) {
  return html`${notice(error)}<p><button type="button" class="plain" @click=${again}>${t('form.retry')}</button></p>`;
}

/** A status or category, as a small label. */
export const badge = (kind, name) => html`<span class="badge ${kind}-${name}">${word(kind, name)}</span>`;

/** A cell with an amount. */
export const cell = (amount, currency, { signed = false } = {}) =>
  html`<td class="number ${isNegative(amount) ? 'minus' : ''}">${signed ? movement(amount, currency) : money(amount, currency)}</td>`;

/** The links from a page of a list to the one before and the next. */
export function pager(next, { first, more }) {
  return html`<nav class="pager" aria-label=${t('pages')}>
    ${first ? html`<a href=${first}>${t('pages.first')}</a>` : nothing}
    ${next ? html`<a href=${more}>${t('pages.next')}</a>` : nothing}</nav>`;
}

/** Figures, each with what it is. */
export const figures = (rows) =>
  html`<dl class="figures">${rows.filter(Boolean).map(([label, value, kind]) => html`<div class=${kind ?? ''}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;

/** A share of the largest, in percent, for a bar. Pixels, not money. */
const share = (amount, largest) => Math.max(1, Math.min(100, (100 * Number(amount)) / Number(largest)));

/** The lots of an account: what is left of each and until when, the soonest first, with `actions` for each; to `staff` with their names. */
export function lots(account, { actions, staff = true } = {}) {
  const open = account.lots.filter((lot) => !isZero(lot.remaining));
  if (!open.length) return html`<p class="empty">${t('lots.none')}</p>`;
  const end = (lot) => (lot.expires_at ? new Date(lot.expires_at).getTime() : Infinity);
  const sorted = open.toSorted((a, b) => end(a) - end(b) || new Date(a.granted_at) - new Date(b.granted_at));
  const largest = open.map((lot) => lot.remaining).reduce((a, b) => (Number(a) > Number(b) ? a : b));
  return html`<ol class="lots" aria-label=${t('lots')}>${sorted.map((lot) => {
    const left = lot.expires_at ? daysLeft(lot.expires_at) : null;
    const over = lot.expires_at && new Date(lot.expires_at) <= new Date();
    const soon = over ? 'over' : left === null ? '' : left < 7 ? 'week' : left < 30 ? 'month' : '';
    return html`<li class=${soon}>
      <span class="when">${over ? t('lots.over') : lastDay(lot.expires_at)}${left !== null && !over ? html`<small>${t('days.left', { count: left })}</small>` : nothing}</span>
      <span class="bar" aria-hidden="true"><svg viewBox="0 0 100 8" preserveAspectRatio="none"><rect class="category-${lot.category}" width=${share(lot.remaining, largest)} height="8" rx="1"></rect></svg></span>
      <strong class="number">${money(lot.remaining, account.currency)}</strong>
      <span>${badge('category', lot.category)} <small>${staff ? `${lot.id} · ` : ''}${moment(lot.granted_at)}</small></span>
      ${actions ? html`<span class="actions">${actions(lot)}</span>` : nothing}</li>`;
  })}</ol>`;
}

/** Entries as rows, newest first, with the balance after each, and `actions` for each. */
export function history(entries, { actions, staff = false } = {}) {
  if (!entries.length) return html`<p class="empty">${t('history.none')}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t('history')}><table>
    <thead><tr><th scope="col">${t('history.at')}</th><th scope="col">${t('history.what')}</th><th scope="col" class="number">${t('amount')}</th>
      <th scope="col" class="number">${t('balance')}</th>${actions ? html`<th scope="col"><span class="hidden">${t('actions')}</span></th>` : nothing}</tr></thead>
    <tbody>${entries.map((entry) => html`<tr>
      <td><time datetime=${entry.at}>${moment(entry.at)}</time>${staff ? html`<small>${entry.id}</small>` : nothing}</td>
      <td>${what(entry, staff)}</td>
      ${entry.held && isZero(entry.amount) ? html`<td class="number">${t(`held.${entry.type}`, { amount: money(entry.held, entry.currency) })}</td>` : cell(entry.amount, entry.currency, { signed: true })}
      ${cell(entry.balance_after, entry.currency)}
      ${actions ? html`<td class="actions">${actions(entry)}</td>` : nothing}</tr>`)}</tbody></table></div>`;
}

/** Entries as a list for a narrow screen: what, when, how much, and the balance after each. */
export function movements(entries) {
  if (!entries.length) return html`<p class="empty">${t('history.none')}</p>`;
  return html`<ol class="movements">${entries.map((entry) => html`<li>
    <div class="what">${what(entry, false)}<small><time datetime=${entry.at}>${moment(entry.at)}</time></small></div>
    <div class="number"><strong class=${isNegative(entry.amount) ? 'minus' : ''}>${entry.held && isZero(entry.amount) ? t(`held.${entry.type}`, { amount: money(entry.held, entry.currency) }) : movement(entry.amount, entry.currency)}</strong>
      <small>${t('balance')} ${money(entry.balance_after, entry.currency)}</small></div></li>`)}</ol>`;
}

/** What an entry is, with all that says why. */
function what(entry, staff) {
  const told = [
    entry.order && t('entry.order', { order: entry.order }),
    staff && entry.redemption && t('entry.of', { entry: entry.redemption }),
    staff && entry.lot && t('entry.lot', { lot: entry.lot }),
    entry.journal && t('entry.journal', { journal: entry.journal }),
    entry.payment && [word('mode', entry.payment.mode), entry.payment.method, entry.payment.reference].filter(Boolean).join(' · '),
    entry.reference,
    entry.expires_at && t('entry.until', { day: lastDay(entry.expires_at) }),
    entry.reason,
    entry.note,
    entry.internal_note && t('entry.internal', { note: entry.internal_note }),
    staff && t('entry.by', { role: word('role', entry.actor.role), id: entry.actor.id }),
  ].filter(Boolean);
  const from = entry.allocations.length && isNegative(entry.amount) && staff
    ? t('entry.from', { lots: entry.allocations.map((part) => `${part.lot} ${money(part.amount, entry.currency)}`).join(', ') }) : null;
  return html`${badge('type', entry.type)} ${entry.category ? badge('category', entry.category) : nothing}
    ${told.map((text) => html`<small>${text}</small>`)}${from ? html`<small>${from}</small>` : nothing}`;
}

/** Saves a text as a file. */
export function save(text, name, type) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Shows a dialog when it is put into the page; `close` is where it leads when it is left. */
export function dialog(title, content, close) {
  return html`<dialog aria-label=${title} @close=${close} @cancel=${close}>
    <header><h2>${title}</h2><button type="button" class="plain" @click=${close} aria-label=${t('close')}>✕</button></header>${content}</dialog>`;
}
