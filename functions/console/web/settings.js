// The store's settings in plain words, and what an order would use under them before they are saved.

import { html, nothing } from './lit-html.js';
import { call, get, Refusal } from './ledger.js';
import { t } from './words.js';
import { isZero, money, moment, typed, useZone } from './show.js';
import { notice } from './form.js';
import { figures } from './parts.js';
import { policyFields, policyForm, policyOf } from './policy.js';
import { View } from './view.js';

/** How long nobody types before the quote is asked for, in milliseconds. */
const PAUSE = 300;

export class Settings extends View {
  async load(signal) {
    const told = await get('settings', {}, signal);
    useZone(told.settings.time_zone);
    this.quoteSoon();
    return told;
  }

  form_() {
    const { settings, version } = this.data;
    return this.form('settings', () => ({
      values: { version, ...policyForm(settings), order: '140.00', credit: '500.00' }, currency: settings.currency,
      send: (values) => call('PUT', 'settings', { body: policyOf(values, { currency: settings.currency }), version: values.version }),
      done: () => {
        this.drop('settings');
        this.told = t('saved');
        this.read();
      },
    }));
  }

  /** Asks what the order would use, once nobody types any more. */
  quoteSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.quote, PAUSE);
  }

  quote = async () => {
    if (!this.data || this.signal.aborted) return;
    const { values } = this.form_();
    const asked = {};
    try {
      asked.body = { settings: policyOf(values, { currency: this.data.settings.currency }), credit: typed(values.credit),
        order: { currency: values.currency, lines: [{ code: 'sub_total', amount: typed(values.order), sort_order: 1 }] } };
    } catch {
      return;
    }
    const mine = JSON.stringify(asked.body);
    this.asked = mine;
    try {
      const terms = await call('POST', 'settings/quote', { body: asked.body, signal: this.signal });
      if (this.asked === mine) this.quoted = { terms, currency: values.currency };
    } catch (error) {
      if (this.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      if (this.asked === mine) this.quoted = { error, currency: values.currency };
    }
    this.draw();
  };

  content({ version, reach_back: reach }) {
    const form = this.form_();
    const { currency } = this.data.settings;
    const input = (event) => { if (event.target.name) this.quoteSoon(); };
    return html`<h1>${t('menu.settings')}</h1>
      ${this.told ? html`<p class="notice good" role="status">${this.told}</p>` : nothing}
      ${reach ? html`<p class="notice" role="status">${t(`reach.${reach.status}`, { dated: reach.dated, accounts: reach.accounts, at: reach.finished_at ? moment(reach.finished_at) : '' })}</p>` : nothing}
      <div class="split" @input=${input}><div>${form.show(policyFields(form, { currency }), t('save'))}<p><small>${t('settings.version', { version })}</small></p></div>
      <aside class="card"><h2>${t('quote.what')}</h2><form @input=${form.input} @submit=${(event) => event.preventDefault()}>${form.amount('order', t('quote.order'), { currency: form.values.currency })}${form.amount('credit', t('quote.credit'), { currency: form.values.currency })}</form>
        <div aria-live="polite">${this.answer()}</div></aside></div>`;
  }

  answer() {
    const { terms, error, currency } = this.quoted ?? {};
    if (error) return notice(error, currency);
    if (!terms) return nothing;
    return html`${figures([[t('quote.applied'), money(terms.applied, currency), 'large'], [t('quote.due'), money(terms.remaining_due, currency)]])}
      <p>${t(isZero(terms.applied) ? 'quote.none' : 'quote.bound', { why: t(`bound.${terms.bound_by}`) })}</p>`;
  }

  leave() {
    clearTimeout(this.timer);
    super.leave();
  }
}
