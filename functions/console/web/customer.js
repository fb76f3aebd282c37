// One customer: what it has, why, and all that the merchant can do about it.

import { html, nothing } from './lit-html.js';
import { all, call, customerPath, get, part, Refusal } from './ledger.js';
import { t } from './words.js';
import { count, dayBegins, isDay, isNegative, isoDay, isZero, lastDay, moment, money, typed, usual, useZone, word } from './show.js';
import { amountFields, creditFields, expiry, expiryFields } from './credit.js';
import { given, givenAmount, notice } from './form.js';
import { dialog, figures, history, lots, pager, person, reading, save } from './parts.js';
import { ownForm, ownOf, policyFields, policyTable } from './policy.js';
import { topupActions, topups } from './topups.js';
import { go, link, View } from './view.js';

const CATEGORIES = ['goodwill', 'refund', 'promotional', 'paid'];
/** Groups that a profile offers, at most. */
const MOST_GROUPS = 1_000;
const TABS = ['overview', 'history', 'topups', 'profile'];
const TYPES = ['grant', 'topup', 'redeem', 'hold', 'capture', 'release', 'refund', 'withdraw', 'debit', 'void', 'expire', 'expiry_change', 'import'];
/** What the till's key may do; the merchant may do all. */
const STORE = ['grant', 'redeem', 'refund', 'capture', 'release', 'withdraw', 'topup'];

export class Customer extends View {
  constructor(at, redraw, role) {
    super(at, redraw);
    this.role = role;
    this.tab = 'overview';
    this.entries = null;
    this.requests = null;
    this.groups = null;
    this.settle(at);
  }

  get customer() {
    return this.place.parts[1];
  }

  /** What there is to see: the till's key sees no profile. */
  get tabs() {
    return TABS.filter((tab) => tab !== 'profile' || this.role === 'admin');
  }

  may(deed) {
    return this.role === 'admin' || STORE.includes(deed);
  }

  async load(signal) {
    const known = (customer) => ({ customer, currency: customer.policy.currency.value, zone: customer.policy.time_zone.value });
    const told = await get(customerPath(this.customer), {}, signal).then(known, async (error) => {
      if (!(error instanceof Refusal && error.code === 'customer_not_found')) throw error;
      // Nobody has heard of it yet: that is where its first credit is given, by the store's rules.
      const settings = this.role === 'admin' ? (await get('settings', {}, signal)).settings : undefined;
      return { customer: { customer: this.customer, unknown: true, accounts: [] }, settings, currency: settings?.currency, zone: settings?.time_zone };
    });
    useZone(told.zone);
    this.readTab();
    return told;
  }

  /** The tab or dialog that the address names. */
  settle({ parts, query }) {
    const [, , second, third, fourth] = parts;
    this.doing = second === 'do' ? { name: third, what: fourth } : null;
    if (second !== 'do') {
      const tab = this.tabs.includes(second) ? second : 'overview';
      this.changed = tab !== this.tab || JSON.stringify(query) !== JSON.stringify(this.query);
      this.tab = tab;
      this.query = query;
    }
  }

  move(at) {
    this.place = at;
    const before = this.doing;
    this.settle(at);
    if (before && JSON.stringify(before) !== JSON.stringify(this.doing)) this.drop(JSON.stringify(before));
    if (!this.doing && (this.changed || !before)) this.readTab();
    this.draw();
  }

  readTab = async () => {
    const { tab, query } = this;
    const turn = (this.tabTurn = (this.tabTurn ?? 0) + 1);
    const current = () => turn === this.tabTurn;
    try {
      if (tab === 'overview' || tab === 'history') {
        const { from, to, ...rest } = tab === 'history' ? query : { limit: 10 };
        const filters = { ...rest, from: isDay(from) ? dayBegins(from) : undefined, to: isDay(to) ? dayBegins(to, 1) : undefined };
        const page = await get(customerPath(this.customer, '/entries'), filters, this.signal);
        if (current()) this.entries = page;
      } else if (tab === 'topups') {
        const page = await get(customerPath(this.customer, '/topups'), query, this.signal);
        if (current()) this.requests = page;
      } else {
        const { data } = await all('groups', {}, MOST_GROUPS, this.signal);
        if (current()) this.groups = data;
      }
      if (current()) this.tabError = null;
    } catch (error) {
      if (this.signal.aborted || !current()) return;
      if (!(error instanceof Refusal)) throw error;
      if (error.code === 'customer_not_found') this.entries = this.requests = { data: [], next_cursor: null };
      else Object.assign(this, { tabError: error, entries: null, requests: null, groups: null });
    }
    this.draw();
  };

  back = () => {
    if (this.doing) go(link(['customers', this.customer, ...(this.tab === 'overview' ? [] : [this.tab])], this.query).slice(1));
  };

  /** Something was booked by this dialog, or by none: tells so, and shows what the ledger has now. */
  booked = (text, dialog = null) => {
    if (!this.signal.aborted && dialog && JSON.stringify(this.doing) === dialog) this.back();
    this.tell(text);
    if (!this.signal.aborted) this.read();
    dispatchEvent(new Event('scrip:waiting'));
  };

  link(...parts) {
    return link(['customers', this.customer, ...parts]);
  }

  content({ customer, currency: own }) {
    const { accounts } = customer;
    const currency = usual(accounts, own);
    const deeds = ['grant', 'redeem', 'topup', 'withdraw', 'debit'].filter((deed) => this.may(deed));
    return html`<p class="crumb"><a href=${link([this.role === 'admin' ? 'customers' : 'till'])}>${t(this.role === 'admin' ? 'menu.customers' : 'menu.till')}</a></p>
      ${person(customer)}
      ${customer.unknown ? html`<p class="notice">${t('customer.unknown')}</p>` : nothing}
      ${this.saying()}
      <div class="deeds">${deeds.map((deed, place) => html`<a class="button ${place ? '' : 'main'}" href=${deed === 'redeem' ? link(['till', this.customer]) : this.link('do', deed)}>${t(`do.${deed}`)}</a>`)}</div>
      ${accounts.map((account) => this.account(account))}
      <nav class="tabs" aria-label=${t('customer')}>${this.tabs.map((tab) => html`<a href=${this.link(...(tab === 'overview' ? [] : [tab]))} aria-current=${tab === this.tab ? 'page' : nothing}>${t(`tab.${tab}`)}</a>`)}</nav>
      <section aria-label=${t(`tab.${this.tab}`)}>${notice(this.tabError)}${this[this.tab](this.data)}</section>
      ${this.doing ? this.act(currency) : nothing}`;
  }

  account(account) {
    const { currency } = account;
    const holds = account.holds ?? [];
    return html`<section class="account" aria-label=${currency}>
      ${figures([
        [t('available'), money(account.available, currency), 'large'],
        [t('balance'), money(account.balance, currency), isNegative(account.balance) ? 'minus' : ''],
        [t('held'), money(account.held, currency)],
        account.pending_topups && [t('pending'), money(account.pending_topups, currency)],
        ...['granted', 'topped_up', 'redeemed', 'refunded', 'withdrawn', 'expired'].map((name) => [t(`lifetime.${name}`), money(account.lifetime[name], currency), 'small']),
      ])}
      ${account.lots.length || !isZero(account.balance) ? html`<h2>${t('lots')}</h2>${lots(account, { actions: this.role === 'admin' && ((lot) => html`<a href=${this.link('do', 'extend', lot.id)}>${t('do.extend')}</a> <a href=${this.link('do', 'void', lot.id)}>${t('do.void')}</a>`) })}` : nothing}
      ${holds.length ? html`<h2>${t('holds')}</h2><ul class="holds">${holds.map((hold) => html`<li><strong class="number">${money(hold.amount, currency)}</strong>
        <span>${hold.order ? t('entry.order', { order: hold.order }) : hold.id} <small>${t('hold.until', { at: moment(hold.expires_at) })}</small></span>
        <span class="actions"><a href=${this.link('do', 'capture', hold.id)}>${t('do.capture')}</a> <a href=${this.link('do', 'release', hold.id)}>${t('do.release')}</a></span></li>`)}</ul>` : nothing}
    </section>`;
  }

  again() {
    return html`<p><button type="button" class="plain" @click=${this.readTab}>${t('form.retry')}</button></p>`;
  }

  overview() {
    if (!this.entries) return this.tabError ? this.again() : reading();
    return html`${history(this.entries.data, { staff: true, actions: this.undo })}${this.entries.next_cursor ? html`<p><a href=${this.link('history')}>${t('history.all')}</a></p>` : nothing}`;
  }

  /** What can be undone about an entry. */
  undo = (entry) => (['redeem', 'capture'].includes(entry.type) && !isZero(entry.amount) ? html`<a href=${this.link('do', 'refund', entry.id)}>${t('do.refund')}</a>` : nothing);

  history() {
    const { cursor, ...filters } = this.query;
    const search = (event) => {
      event.preventDefault();
      go(link(['customers', this.customer, 'history'], Object.fromEntries(new FormData(event.target))).slice(1));
    };
    return html`<form class="filters" role="search" @submit=${search}>
      <label class="field">${t('type')}<select name="type"><option value="">${t('all')}</option>${TYPES.map((type) => html`<option value=${type} ?selected=${type === filters.type}>${word('type', type)}</option>`)}</select></label>
      <label class="field">${t('order')}<input name="order" maxlength="128" autocomplete="off" .value=${filters.order ?? ''}></label>
      <label class="field">${t('from')}<input name="from" type="date" .value=${filters.from ?? ''}></label>
      <label class="field">${t('to')}<input name="to" type="date" .value=${filters.to ?? ''}></label>
      <div class="actions"><button class="main">${t('search')}</button></div></form>
      ${this.statement()}
      ${this.entries ? html`${history(this.entries.data, { staff: true, actions: this.undo })}${pager(this.entries.next_cursor, {
    first: cursor ? link(['customers', this.customer, 'history'], filters) : null,
    more: link(['customers', this.customer, 'history'], { ...filters, cursor: this.entries.next_cursor }) })}` : this.tabError ? this.again() : reading()}`;
  }

  /** A statement of a period, as a file. */
  statement() {
    const ask = async (event) => {
      event.preventDefault();
      const query = Object.fromEntries(new FormData(event.target));
      query.format = event.submitter.value;
      this.statementError = null;
      try {
        const response = await call('GET', customerPath(this.customer, '/statement'), { query, as: 'response', signal: this.signal });
        save(await response.text(), `statement-${this.customer}-${query.from}-${query.to}.${query.format}`, response.headers.get('content-type'));
      } catch (error) {
        if (this.signal.aborted) return;
        if (!(error instanceof Refusal)) throw error;
        this.statementError = error;
      }
      this.draw();
    };
    const today = isoDay();
    return html`<details><summary>${t('statement')}</summary><form class="filters" @submit=${ask}>
      <label class="field">${t('from')}<input name="from" type="date" required value="${today.slice(0, 4)}-01-01"></label>
      <label class="field">${t('to')}<input name="to" type="date" required value=${today}></label>
      ${this.data.customer.accounts.length > 1 ? html`<label class="field">${t('currency')}<select name="currency">${this.data.customer.accounts.map(({ currency }) => html`<option>${currency}</option>`)}</select></label>` : nothing}
      <div class="actions"><button class="plain" value="html">${t('statement.html')}</button><button class="plain" value="csv">${t('statement.csv')}</button></div>
      ${notice(this.statementError)}</form></details>`;
  }

  topups() {
    if (!this.requests) return this.tabError ? this.again() : reading();
    return html`${topups(this.requests.data, { actions: this.role === 'admin' && ((topup) => topupActions(this, { ...topup, customer: this.customer }, this.booked)) })}
      ${pager(this.requests.next_cursor, { more: link(['customers', this.customer, 'topups'], { cursor: this.requests.next_cursor }) })}`;
  }

  profile({ customer, settings, currency }) {
    if (!this.groups) return this.tabError ? this.again() : reading();
    const policy = customer.own_policy ?? {};
    const form = this.form('profile', {
      keyed: false, currency,
      values: { name: customer.name ?? '', email: customer.email ?? '', language: customer.language ?? '', group: customer.group ?? '', frozen: customer.frozen ?? false,
        ...ownForm(policy, customer.policy, settings) },
      send: ({ name, email, language, group, frozen }) => this.write(customerPath(this.customer), customer.version ?? 0, {
        name: given(name), email: given(email), language: given(language), group: given(group), frozen, policy: ownOf(form, policy, currency) }),
      done: () => this.booked(t('saved')),
    });
    const fields = html`<div class="grid">${form.text('name', t('field.name'))}${form.text('email', t('field.email'), { type: 'email' })}
      ${form.choice('language', t('language'), [['', t('none')], ['en', 'English'], ['de', 'Deutsch'], ['fr', 'Français'], ['es', 'Español']], { hint: t('language.hint') })}
      ${form.choice('group', t('group'), [['', t('none')], ...this.groups.map(({ group }) => [group, group])])}</div>
      ${form.check('frozen', t('frozen.explained'))}
      <details ?open=${Object.keys(customer.own_policy ?? {}).length > 0}><summary>${t('policy.own')}</summary>${policyFields(form, { inherits: true, currency })}</details>`;
    return html`${form.show(fields, t('save'))}
      ${customer.policy ? html`<h2>${t('policy')}</h2>${policyTable(customer.policy)}` : nothing}
      <h2>${t('audit')}</h2>${this.verification()}${this.erasing(customer)}`;
  }

  /** Whether everything follows from the entries. */
  verification() {
    const verify = async () => {
      this.verified = { busy: true };
      this.draw();
      try {
        this.verified = { answer: await get(customerPath(this.customer, '/verification'), {}, this.signal) };
      } catch (error) {
        if (this.signal.aborted) return;
        if (!(error instanceof Refusal)) throw error;
        this.verified = { error };
      }
      this.draw();
    };
    const { answer, error, busy } = this.verified ?? {};
    return html`<p>${t('audit.why')} <button type="button" class="plain" ?disabled=${busy} @click=${verify}>${t('audit.verify')}</button></p>${notice(error)}
      ${answer ? html`<p class="notice ${answer.sound ? 'good' : 'bad'}" role="status">${t(answer.sound ? 'audit.sound' : 'audit.unsound', this.counted(answer))}</p>
        ${[...answer.findings, ...answer.accounts.flatMap(({ findings }) => findings)].map(({ entry, code, detail }) => html`<p class="notice bad">${entry} ${code}: ${detail}</p>`)}` : nothing}`;
  }

  counted({ accounts }) {
    const entries = accounts.reduce((sum, account) => sum + account.entries, 0);
    return { count: entries, entries: count(entries) };
  }

  erasing(customer) {
    if (customer.unknown) return nothing;
    return html`<p>${t('erase.why')} <a href=${this.link('do', 'erase')}>${t('do.erase')}</a></p>`;
  }

  /** The dialog that the address names. */
  act(currency) {
    const { name, what } = this.doing;
    if (!Object.hasOwn(DEEDS, name) || !this.may(name)) return nothing;
    const { fields, send, told, danger, title, values, keyed } = DEEDS[name](this, what, currency);
    const stored = JSON.stringify(this.doing);
    const form = this.form(stored, { keyed, values, currency, send, done: (answer) => this.booked(told(answer), stored) });
    return dialog(title ?? t(`do.${name}`), form.show(fields(form), t(`do.${name}`), { danger, cancel: this.back }), this.back);
  }
}

const post = (customer, rest, body, key, waiting) => call('POST', customerPath(customer, rest), { body, key, waiting });

/** Says what was booked, as the entry has it. */
const entered = (name) => ({ entry, account }) => t(name, {
  amount: money(isZero(entry.amount) && entry.held ? entry.held : entry.amount.replace(/^-/, ''), entry.currency), entry: entry.id, available: money(account.available, account.currency) });

const payment = ({ mode, method, payment_reference: reference }) => (mode ? { mode, method: given(method), reference: given(reference) } : undefined);

const paymentFields = (form, required) => html`<div class="grid">${form.choice('mode', t('payment'), [...(required ? [] : [['', t('none')]]), ['offline', word('mode', 'offline')], ['online', word('mode', 'online')]])}
  ${form.values.mode || required ? html`${form.text('method', t('method'), { required: true, hint: t('method.hint') })}${form.text('payment_reference', t('reference'))}` : nothing}</div>`;

/** All that can be done about a customer, each with its form. */
const DEEDS = {
  grant: ({ customer }, _, currency) => ({
    values: { currency, expiry: 'policy', category: 'goodwill' },
    fields: (form) => html`${creditFields(form, CATEGORIES)}
      ${form.values.category === 'paid' ? paymentFields(form) : nothing}
      ${form.text('reference', t('reference'), { hint: t('reference.hint') })}${form.area('note', t('note'))}${form.area('internal_note', t('internal_note'))}`,
    send: (values, key, waiting) => post(customer, '/grants', {
      amount: typed(values.amount), currency: values.currency.toUpperCase(), category: values.category, ...expiry(values), payment: values.category === 'paid' ? payment(values) : undefined,
      reference: given(values.reference), note: given(values.note), internal_note: given(values.internal_note) }, key, waiting),
    told: entered('told.grant'),
  }),
  topup: ({ customer }, _, currency) => ({
    values: { currency, mode: 'offline' },
    fields: (form) => html`<p>${t('topup.by.staff')}</p><div class="grid">${amountFields(form)}</div>${paymentFields(form, true)}${form.text('reference', t('reference'))}`,
    send: (values, key, waiting) => post(customer, '/topups', { amount: typed(values.amount), currency: values.currency.toUpperCase(), payment: payment(values), reference: given(values.reference) }, key, waiting),
    told: ({ topup }) => t(`told.topup.${topup.status}`, { amount: money(topup.amount, topup.currency) }),
  }),
  withdraw: ({ customer }, _, currency) => ({
    values: { currency },
    fields: (form) => html`<div class="grid">${amountFields(form)}</div>
      ${form.text('journal', t('journal'), { required: true, hint: t('journal.hint') })}${form.text('reference', t('reference'))}${form.area('note', t('note'))}`,
    send: (values, key, waiting) => post(customer, '/withdrawals', { amount: typed(values.amount), currency: values.currency.toUpperCase(), journal: given(values.journal), reference: given(values.reference), note: given(values.note) }, key, waiting),
    told: entered('told.withdraw'),
  }),
  debit: ({ customer }, _, currency) => ({
    values: { currency }, danger: true,
    fields: (form) => html`<div class="grid">${amountFields(form)}</div>${form.text('reason', t('reason'), { required: true, max: 500 })}${form.text('reference', t('reference'))}`,
    send: (values, key, waiting) => post(customer, '/debits', { amount: typed(values.amount), currency: values.currency.toUpperCase(), reason: given(values.reason), reference: given(values.reference) }, key, waiting),
    told: entered('told.debit'),
  }),
  void: ({ customer, data }, lot) => ({
    title: t('do.void.title', { lot: `${lot}: ${left(data, lot)}` }), danger: true, values: {},
    fields: (form) => html`<p>${t('void.why')}</p>${form.text('reason', t('reason'), { required: true, max: 500 })}`,
    send: ({ reason }, key, waiting) => post(customer, `/lots/${part(lot)}/void`, { reason: given(reason) }, key, waiting),
    told: entered('told.void'),
  }),
  extend: ({ customer, data }, lot) => ({
    title: t('do.extend.title', { lot }), values: { expiry: 'date', expires_on: lastDate(data, lot) },
    fields: (form) => html`<div class="grid">${expiryFields(form, ['date', 'never'])}</div>${form.text('reason', t('reason'), { max: 500 })}`,
    send: (values, key, waiting) => call('PATCH', customerPath(customer, `/lots/${part(lot)}`), { body: { ...expiry(values), reason: given(values.reason) }, key, waiting }),
    told: ({ entry }) => t('told.extend', { lot: entry.lot ?? lot, day: lastDay(entry.expires_at) }),
  }),
  refund: ({ customer, entries }, entry, currency) => ({
    title: t('do.refund.title', { entry }), values: {},
    fields: (form) => html`<p>${sold(entries, entry)} ${t('refund.why')}</p>${form.amount('amount', t('amount'), { required: false, hint: t('refund.all'), currency: currencyOf(entry, currency) })}`,
    send: ({ amount }, key, waiting) => post(customer, `/redemptions/${part(entry)}/refund`, { amount: givenAmount(amount) }, key, waiting),
    told: entered('told.refund'),
  }),
  capture: ({ customer }, hold, currency) => ({
    title: t('do.capture.title', { hold }), values: {},
    fields: (form) => html`<p>${t('capture.why')}</p>${form.amount('amount', t('amount'), { required: false, hint: t('capture.all'), currency: currencyOf(hold, currency) })}`,
    send: ({ amount }, key, waiting) => post(customer, `/redemptions/${part(hold)}/capture`, { amount: givenAmount(amount) }, key, waiting),
    told: entered('told.capture'),
  }),
  release: ({ customer }, hold) => ({
    title: t('do.release.title', { hold }), values: {},
    fields: () => html`<p>${t('release.why')}</p>`,
    send: (_, key, waiting) => post(customer, `/redemptions/${part(hold)}/void`, {}, key, waiting),
    told: entered('told.release'),
  }),
  erase: ({ customer }) => ({
    danger: true, keyed: false, values: {},
    fields: (form) => html`<p>${t('erase.explained')}</p>${form.text('confirm', t('erase.confirm', { customer }), { required: true })}`,
    send: ({ confirm }) => {
      if (confirm.trim() !== customer) throw new Refusal(400, { code: 'not_confirmed' });
      return call('DELETE', customerPath(customer, '/personal-data'));
    },
    told: () => t('told.erase'),
  }),
};

const currencyOf = (entry, otherwise) => entry?.split('-')[0] ?? otherwise;

/** What a sale was, where it is among the entries that are shown. */
function sold(entries, id) {
  const entry = entries?.data.find((one) => one.id === id);
  return entry ? `${entry.order ? t('entry.order', { order: entry.order }) : id}: ${money(entry.amount.replace(/^-/, ''), entry.currency)}.` : '';
}

/** What is left of a lot. */
function left({ customer }, id) {
  const account = customer.accounts.find(({ currency }) => currency === currencyOf(id));
  const lot = account?.lots.find((one) => one.id === id);
  return lot ? money(lot.remaining, account.currency) : '';
}

/** The last day of a lot, as a date field has it. */
function lastDate({ customer }, id) {
  const ends = customer.accounts.flatMap((account) => account.lots).find((lot) => lot.id === id)?.expires_at;
  if (!ends) return '';
  return isoDay(new Date(ends).getTime() - 1);
}
