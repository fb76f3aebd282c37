// The till: pick a customer, see what there is, take all or part of it for a sale, and print the receipt.

import { html, nothing } from './lit-html.js';
import { call, customerPath, FIRST_LINE, get, Refusal } from './ledger.js';
import { t } from './words.js';
import { count, isZero, moment, money, typed, usual, useZone } from './show.js';
import { given, givenAmount, notice } from './form.js';
import { forget, keep, kept } from './kept.js';
import { badge, figures, lots, person } from './parts.js';
import { Quote, terms } from './quote.js';
import { go, link, View } from './view.js';

const RECEIPT = 'scrip:receipt';

export class Till extends View {
  constructor(at, redraw, role) {
    super(at, redraw);
    this.role = role;
    this.found = null;
  }

  get customer() {
    return this.place.parts[1];
  }

  async load(signal) {
    if (!this.customer) return {};
    const customer = await get(customerPath(this.customer), {}, signal);
    useZone(customer.policy.time_zone.value);
    this.quote.soon();
    return { customer };
  }

  move(at) {
    const before = this.place.parts[2];
    super.move(at);
    // Back from the receipt, the account is another.
    if (before && !at.parts[2]) this.read();
  }

  leave() {
    this.quote.stop();
    super.leave();
  }

  show() {
    if (this.error?.code === 'customer_not_found') return html`${this.pick(t('till.unknown', { customer: this.customer }))}`;
    return super.show();
  }

  content({ customer }) {
    if (!customer) return this.pick(this.place.query.nobody === undefined ? null : t('till.nobody'));
    return this.place.parts[2] === 'receipt' ? this.receipt() : this.sale(customer);
  }

  /** Who stands at the till. The merchant finds by name, whoever has the till's key by id. */
  pick(trouble) {
    const search = async (event) => {
      event.preventDefault();
      const wanted = new FormData(event.target).get('customer').trim();
      const turn = (this.search = (this.search ?? 0) + 1);
      this.missing = !wanted;
      this.found = null;
      if (!wanted) {
        this.draw();
        return;
      }
      try {
        if (this.role !== 'admin') {
          go(link(['till', wanted]).slice(1));
          return;
        }
        const page = await get('customers', { name: wanted, limit: 20 }, this.signal);
        const byId = await get(customerPath(wanted), {}, this.signal).catch((error) => {
          if (error instanceof Refusal && error.status < 500) return null;
          throw error;
        });
        if (turn !== this.search) return;
        this.found = [...(byId ? [byId] : []), ...page.data.filter(({ customer }) => customer !== byId?.customer)];
        this.findError = null;
      } catch (error) {
        if (this.signal.aborted) return;
        if (!(error instanceof Refusal)) throw error;
        this.findError = error;
      }
      this.draw();
    };
    return html`<h1>${t('menu.till')}</h1>
      ${this.missing || trouble ? html`<p class="notice bad" role="alert">${this.missing ? t('till.nobody') : trouble}</p>` : nothing}
      <form class="find large" role="search" novalidate @submit=${search}><label class="field">${t('till.who')}<input name="customer" maxlength="128" autocomplete="off" autofocus><small>${t(this.role === 'admin' ? 'till.who.hint' : 'till.who.id')}</small></label><button class="main">${t('search')}</button></form>
      ${notice(this.findError)}
      ${this.found ? (this.found.length ? html`<ul class="cards">${this.found.map(({ customer, name, email, group }) => html`<li><a href=${link(['till', customer])}><strong>${name ?? customer}</strong></a><small>${[customer, email, group].filter(Boolean).join(' · ')}</small></li>`)}</ul>` : html`<p class="empty" role="status">${t('till.none.found')}</p>`) : nothing}`;
  }

  /** The sale. Exactly what was shown is taken, or nothing: the account may have changed since. */
  sale_() {
    const { accounts, policy } = this.data.customer;
    const currency = usual(accounts, policy.currency.value);
    const form = this.form('sale', {
      values: { currency },
      send: async (values, key, waiting, again) => {
        const asked = JSON.stringify(this.quoteOf(values));
        // What is sent again is what was sent, unless it was changed: then the ledger tells.
        const agreed = again && form.touched.agreed?.of === asked ? form.touched.agreed : { of: asked, amount: givenAmount(values.amount) ?? this.terms?.applied };
        if (agreed.amount === undefined) throw new Refusal(400, { code: 'no_quote' });
        form.touched = { ...form.touched, agreed };
        form.keep();
        try {
          return await call('POST', customerPath(this.customer, '/redemptions'), { key, waiting, body: {
            order: { id: given(values.order), ...this.orderOf(values) }, amount: agreed.amount, ...(values.hold ? { hold: true } : {}) } });
        } finally {
          this.quote.soon();
        }
      },
      done: (answer) => {
        const { customer } = this;
        keep(RECEIPT, { customer, name: this.data.customer.name, currency: answer.entry.currency, ...answer });
        if (this.signal.aborted) this.tell(t('told.sold', { customer, amount: money(answer.applied, answer.entry.currency) }));
        else go(link(['till', customer, 'receipt']).slice(1));
        this.quote.answer = null;
        this.read();
      },
    });
    return form;
  }

  /** What the sale would use, before it is made. */
  quote = new Quote(this, {
    body: () => (this.data.customer && this.sale_().values.total ? this.quoteOf(this.sale_().values) : null),
    send: (body) => call('POST', customerPath(this.customer, '/redemptions/quote'), { body, signal: this.signal }),
  });

  /** What was answered of the sale as it stands; nothing while that changes. */
  get current() {
    const { answer } = this.quote;
    return answer?.of === JSON.stringify(this.quoteOf(this.sale_().values)) ? answer : null;
  }

  get terms() {
    const terms = this.current?.terms;
    return terms && !isZero(terms.applied) ? terms : undefined;
  }

  quoteOf(values) {
    return { order: this.orderOf(values), amount: givenAmount(values.amount) };
  }

  /** The sale as an order: the till knows its total alone, which stands before the credit among the lines. */
  orderOf({ currency, total }) {
    return { currency, lines: [{ code: 'sub_total', amount: typed(total ?? ''), sort_order: FIRST_LINE }] };
  }

  sale(customer) {
    const form = this.sale_();
    const { currency } = form;
    const account = customer.accounts.find((one) => one.currency === currency);
    const { terms: quoted, error } = this.current ?? {};
    const waits = Boolean(form.values.total) && !this.current;
    // Nothing is taken that was not shown: what the quote says, what was typed, or what was sent before.
    const same = form.sent && form.touched.agreed?.of === JSON.stringify(this.quoteOf(form.values));
    const off = Boolean(form.values.total) && !this.terms && !form.values.amount && !same;
    return html`<p class="crumb"><a href=${link(['till'])}>${t('till.other')}</a></p>
      ${person(customer, html`<a href=${link(['customers', customer.customer])}>${t('till.more')}</a>`)}
      ${account ? figures([[t('available'), money(account.available, currency), 'large'], [t('balance'), money(account.balance, currency)], [t('held'), money(account.held, currency)]]) : html`<p class="notice">${t('till.nothing')}</p>`}
      <div class="split"><section class="card" aria-label=${t('till.sale')} @input=${() => this.quote.soon()}><h2>${t('till.sale')}</h2>
        ${form.show(html`${form.text('order', t('till.order'), { required: true, hint: t('till.order.hint') })}
          <div class="grid">${form.amount('total', t('till.total'))}${customer.accounts.length > 1 ? form.choice('currency', t('currency'), customer.accounts.map((one) => [one.currency, one.currency])) : nothing}</div>
          ${form.amount('amount', t('till.amount'), { required: false, hint: t('till.amount.hint') })}
          ${form.check('hold', t('till.hold', { minutes: count(Math.round(customer.policy.hold_ttl_seconds.value / 60)) }))}
          <div class="quote" aria-live="polite">${error && !form.error ? notice(error, currency) : quoted ? terms(quoted, currency, t(form.values.hold ? 'receipt.held' : 'quote.applied')) : waits ? html`<p class="reading">${t('till.wait')}</p>` : nothing}
          ${error ? html`<p><button type="button" class="plain" @click=${this.quote.ask}>${t('form.retry')}</button></p>` : nothing}</div>`,
    this.terms ? t(form.values.hold ? 'till.hold.of' : 'till.take.of', { amount: money(this.terms.applied, currency) }) : t(form.values.hold ? 'till.hold.do' : 'till.take'), { wait: off })}</section>
      <aside><h2>${t('lots')}</h2>${account ? lots(account) : html`<p class="empty">${t('lots.none')}</p>`}
        <p class="deeds"><a class="button" href=${link(['customers', this.customer, 'do', 'withdraw'])}>${t('do.withdraw')}</a> <a class="button" href=${link(['customers', this.customer, 'do', 'topup'])}>${t('do.topup')}</a> <a class="button" href=${link(['customers', this.customer, 'do', 'grant'])}>${t('do.grant')}</a></p></aside></div>`;
  }

  /** What was taken, as the ledger said, to print. */
  receipt() {
    const sold = kept(RECEIPT);
    if (sold?.customer !== this.customer) return html`<p class="notice">${t('receipt.gone')}</p><p><a href=${link(['till', this.customer])}>${t('till.sale')}</a></p>`;
    const { entry, account, currency } = sold;
    const next = (where) => () => {
      forget(RECEIPT);
      go(link(where).slice(1));
      this.read();
    };
    return html`<article class="receipt" aria-label=${t('receipt')}><h1>${t(entry.type === 'hold' ? 'receipt.hold' : 'receipt')}</h1>
      <p><time datetime=${entry.at}>${moment(entry.at)}</time></p>
      ${figures([[t('customer'), sold.name ?? sold.customer], [t('order'), entry.order], [t('till.total'), money(sold.order_total, currency)], [t(entry.type === 'hold' ? 'receipt.held' : 'quote.applied'), money(sold.applied, currency), 'large'],
    [t('quote.due'), money(sold.remaining_due, currency), 'large'], entry.hold_expires_at && [t('receipt.until'), moment(entry.hold_expires_at)], [t('receipt.left'), money(account.available, currency)], [t('receipt.number'), entry.id]])}
      <p>${badge('type', entry.type)}</p></article>
      <div class="actions unprinted"><button type="button" class="main" @click=${() => print()}>${t('print')}</button><button type="button" class="plain" @click=${next(['till'])}>${t('till.next')}</button>
        <button type="button" class="plain" @click=${next(['customers', this.customer])}>${t('till.more')}</button></div>`;
  }
}
