// What credit comes to: outstanding, how old, what expires soon, month by month; and the journal, to take along.

import { html, nothing } from './lit-html.js';
import { call, get, Refusal } from './ledger.js';
import { t } from './words.js';
import { day, dayBegins, isoDay, money, month, negated, percent, useZone, word } from './show.js';
import { columns, stacked } from './chart.js';
import { notice } from './form.js';
import { cell, figures, save } from './parts.js';
import { go, link, View } from './view.js';

const FORMATS = ['csv', 'hledger', 'beancount'];
const ENDINGS = { csv: 'csv', hledger: 'journal', beancount: 'beancount' };
const MOVED = ['issued', 'used', 'refunded', 'expired', 'withdrawn', 'adjusted'];

/** The month so many before that of a day, such as `2026-11`. */
function monthsBefore(months, day) {
  const [year, month] = day.split('-').map(Number);
  return new Date(Date.UTC(year, month - 1 - months, 15)).toISOString().slice(0, 7);
}

export class Reports extends View {
  async load(signal) {
    const { as_of: asOf } = this.place.query;
    const query = { as_of: asOf };
    // Whose days these are, and which is the last, is for the ledger to say: the reader's clock may be ahead of it.
    const liability = await get('reports/liability', query, signal);
    useZone(liability.time_zone);
    const [{ settings }, ageing, expiring, movements] = await Promise.all([
      get('settings', {}, signal), get('reports/ageing', query, signal), get('reports/expiring', query, signal),
      get('reports/movements', { from: monthsBefore(11, liability.as_of), to: monthsBefore(0, liability.as_of) }, signal)]);
    return { currency: settings.currency, liability, ageing, expiring, movements };
  }

  ask = (event) => {
    event.preventDefault();
    go(link(['reports'], Object.fromEntries(new FormData(event.target))).slice(1));
  };

  content({ currency: own, liability, ageing, expiring, movements }) {
    const found = new Set([...liability.data, ...movements.data].map(({ currency }) => currency));
    // The store's own first.
    const currencies = [...found].sort((a, b) => (b === own) - (a === own) || (a < b ? -1 : 1));
    return html`<h1>${t('menu.reports')}</h1>
      <form class="filters" @submit=${this.ask}><label class="field">${t('as.of')}<input type="date" name="as_of" .value=${this.place.query.as_of ?? ''}></label><div class="actions"><button class="main">${t('show')}</button></div></form>
      <p>${t('reports.of', { day: day(dayBegins(liability.as_of)), zone: liability.time_zone })}</p>
      ${currencies.length ? nothing : html`<p class="empty">${t('reports.none')}</p>`}
      ${currencies.map((currency) => {
    const of = ({ data }) => data.find((row) => row.currency === currency);
    const owed = of(liability);
    const months = movements.data.filter((row) => row.currency === currency);
    return html`<section aria-label=${currency}><h2>${currency}</h2>
        ${owed ? html`${figures([[t('reports.liability'), money(owed.liability, currency), 'large'], [t('reports.receivable'), money(owed.receivable, currency)], [t('reports.net'), money(owed.net, currency)]])}
        <div class="charts">${stacked(t('reports.outstanding'), Object.entries(owed.categories).map(([category, total]) => ({ label: word('category', category), categories: { [category]: total }, total })), currency)}
        ${of(ageing) ? stacked(t('reports.ageing'), of(ageing).ages.map(({ days, ...row }) => ({ label: t(`ages.${days}`), ...row })), currency) : nothing}
        ${of(expiring) ? stacked(t('reports.expiring'), of(expiring).expiring.map(({ expires, ...row }) => ({ label: t(`expires.${expires}`), ...row })), currency) : nothing}</div>` : nothing}
        ${months.length ? html`${columns(t('reports.movements'), months.map((row) => ({ label: month(row.month), values: [row.issued.net, negated(row.used.net), negated(row.expired.net)] })), [['issued', t('moved.issued')], ['used', t('moved.used')], ['expired', t('moved.expired')]], currency)}
        <div class="scroll" tabindex="0" role="region" aria-label=${t('reports.movements')}><table><thead><tr><th scope="col">${t('month')}</th><th scope="col" class="number">${t('moved.opening')}</th>${MOVED.map((name) => html`<th scope="col" class="number">${t(`moved.${name}`)}</th>`)}
          <th scope="col" class="number">${t('moved.closing')}</th><th scope="col" class="number">${t('moved.breakage')}</th></tr></thead>
          <tbody>${months.map((row) => html`<tr><th scope="row">${month(row.month)}</th>${['opening', ...MOVED, 'closing'].map((name) => cell(row[name].net, currency, { signed: MOVED.includes(name) }))}<td class="number">${row.breakage_rate === null ? '–' : percent(hundredfold(row.breakage_rate))}</td></tr>`)}</tbody></table></div>` : nothing}</section>`;
  })}
      <h2>${t('journal.books')}</h2>${this.journal()}`;
  }

  /** The journal of a period, all of it, as a file. */
  journal() {
    const { busy, error, pages } = this.taking ?? {};
    const take = async (event) => {
      event.preventDefault();
      const asked = { ...Object.fromEntries(new FormData(event.target)), format: event.submitter.value, limit: 200 };
      const texts = [];
      this.taking = { busy: true, pages: 0 };
      this.draw();
      try {
        let cursor;
        do {
          const response = await call('GET', 'journal', { query: { ...asked, cursor }, as: 'response', signal: this.signal });
          texts.push(await response.text());
          const next = /<([^>]*)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
          cursor = next && new URL(next, location.href).searchParams.get('cursor');
          this.taking = { busy: true, pages: texts.length };
          this.draw();
        } while (cursor);
        save(texts.join(''), `journal-${asked.from}-${asked.to}.${ENDINGS[asked.format]}`, 'text/plain;charset=utf-8');
        this.taking = null;
      } catch (refusal) {
        if (this.signal.aborted) return;
        if (!(refusal instanceof Refusal)) throw refusal;
        this.taking = { error: refusal };
      }
      this.draw();
    };
    const today = isoDay();
    return html`<form class="filters" @submit=${take} aria-busy=${busy ? 'true' : 'false'}><label class="field">${t('from')}<input type="date" name="from" required value="${today.slice(0, 8)}01"></label>
      <label class="field">${t('to')}<input type="date" name="to" required value=${today}></label>
      <div class="actions">${FORMATS.map((format) => html`<button class="plain" value=${format} ?disabled=${busy}>${t(`format.${format}`)}</button>`)}</div></form>
      ${busy ? html`<p role="status">${t('journal.pages', { count: pages })}</p>` : nothing}${notice(error)}`;
  }
}

/** A share of one as one of a hundred, by moving the point of its text. */
export function hundredfold(share) {
  const [whole, decimals = ''] = share.replace('-', '').split('.');
  const digits = decimals.padEnd(2, '0');
  return `${share.startsWith('-') ? '-' : ''}${`${whole}${digits.slice(0, 2)}`.replace(/^0+(?=\d)/, '')}.${digits.slice(2) || '0'}`;
}
