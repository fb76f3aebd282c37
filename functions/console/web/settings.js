// The store's settings in plain words, and what an order would use under them before they are saved.

import { html, nothing } from './lit-html.js';
import { call, FIRST_LINE, get } from './ledger.js';
import { t } from './words.js';
import { moment, typed, useZone } from './show.js';
import { notice } from './form.js';
import { policyFields, settingsForm, settingsOf } from './policy.js';
import { Quote, terms } from './quote.js';
import { View } from './view.js';

export class Settings extends View {
  async load(signal) {
    const told = await get('settings', {}, signal);
    useZone(told.settings.time_zone);
    this.quote.soon();
    return told;
  }

  /** The settings; only what is touched is another than what is in force. */
  rules() {
    const { settings, version } = this.data;
    const form = this.form('settings', {
      keyed: false, values: settingsForm(settings), currency: settings.currency,
      send: () => this.write('settings', version, settingsOf(form, settings)),
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

  /** What the order would use under the rules as they are typed. */
  quote = new Quote(this, {
    body: () => {
      const [{ values: { order, credit } }, rules] = [this.order(), this.rules()];
      return { settings: settingsOf(rules, this.data.settings), credit: typed(credit), order: { currency: rules.currency, lines: [{ code: 'sub_total', amount: typed(order), sort_order: FIRST_LINE }] } };
    },
    send: (body) => call('POST', 'settings/quote', { body, signal: this.signal }),
  });

  content({ version, reach_back: reach }) {
    const [form, order] = [this.rules(), this.order()];
    const { currency } = this.data.settings;
    const input = (event) => { if (event.target.name) this.quote.soon(); };
    return html`<h1>${t('menu.settings')}</h1>
      ${this.saying()}
      ${reach ? html`<p class="notice" role="status">${t(`reach.${reach.status}`, { dated: reach.dated, accounts: reach.accounts, at: reach.finished_at ? moment(reach.finished_at) : '' })}</p>` : nothing}
      <div class="split" @input=${input}><div>${form.show(policyFields(form, { currency }), t('save'))}<p><small>${t('settings.version', { version })}</small></p></div>
      <aside class="card"><h2>${t('quote.what')}</h2><form @input=${order.input} @submit=${(event) => event.preventDefault()}>${order.amount('order', t('quote.order'))}${order.amount('credit', t('quote.credit'))}</form>
        <div aria-live="polite">${this.answer()}</div></aside></div>`;
  }

  answer() {
    const { error, terms: answered } = this.quote.answer ?? {};
    const { currency } = this.rules();
    return error ? notice(error, currency) : answered ? terms(answered, currency) : nothing;
  }

  leave() {
    this.quote.stop();
    super.leave();
  }
}
