// The store's settings in plain words, and what an order would use under them before they are saved.

import { html, nothing } from './lit-html.js';
import { call, FIRST_LINE, get, Refusal } from './ledger.js';
import { t } from './words.js';
import { isZero, money, moment, typed, useZone } from './show.js';
import { notice } from './form.js';
import { figures } from './parts.js';
import { policyFields, settingsForm, settingsOf } from './policy.js';
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

  /** The settings; only what is touched is another than what is in force. */
  rules() {
    const { settings, version } = this.data;
    const form = this.form('settings', {
      keyed: false, values: settingsForm(settings), currency: settings.currency,
      send: async () => {
        try {
          return await call('PUT', 'settings', { body: settingsOf(form, settings), version });
        } catch (error) {
          // What somebody else wrote is shown beside what was typed here.
          if (error instanceof Refusal && error.code === 'conflict') this.read();
          throw error;
        }
      },
      done: (told) => {
        useZone(told.settings.time_zone);
        this.data = told;
        this.tell(t('saved'));
      },
    });
    return form;
  }

  /** The order that is asked about: no part of the settings. */
  order() {
    return this.form('order', { values: { order: '140.00', credit: '500.00' }, currency: this.rules().currency });
  }

  /** Asks what the order would use, once nobody types any more. */
  quoteSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.quote, PAUSE);
  }

  quote = async () => {
    if (!this.data || this.signal.aborted) return;
    const [rules, { values: { order, credit } }] = [this.rules(), this.order()];
    let mine;
    try {
      const settings = settingsOf(rules, this.data.settings);
      const body = { settings, credit: typed(credit), order: { currency: rules.currency, lines: [{ code: 'sub_total', amount: typed(order), sort_order: FIRST_LINE }] } };
      mine = JSON.stringify(body);
      this.asked = mine;
      const terms = await call('POST', 'settings/quote', { body, signal: this.signal });
      if (this.asked === mine) this.quoted = { terms, currency: rules.currency };
    } catch (error) {
      if (this.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      if (this.asked === mine) this.quoted = { error, currency: rules.currency };
    }
    this.draw();
  };

  content({ version, reach_back: reach }) {
    const [form, order] = [this.rules(), this.order()];
    const { currency } = this.data.settings;
    const input = (event) => { if (event.target.name) this.quoteSoon(); };
    return html`<h1>${t('menu.settings')}</h1>
      ${this.saying()}
      ${reach ? html`<p class="notice" role="status">${t(`reach.${reach.status}`, { dated: reach.dated, accounts: reach.accounts, at: reach.finished_at ? moment(reach.finished_at) : '' })}</p>` : nothing}
      <div class="split" @input=${input}><div>${form.show(policyFields(form, { currency }), t('save'))}<p><small>${t('settings.version', { version })}</small></p></div>
      <aside class="card"><h2>${t('quote.what')}</h2><form @input=${order.input} @submit=${(event) => event.preventDefault()}>${order.amount('order', t('quote.order'))}${order.amount('credit', t('quote.credit'))}</form>
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
