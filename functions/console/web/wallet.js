// The wallet: where a customer sees what it has, until when, and why; asks for more, and takes out what may be taken out.

import { html, nothing, render } from './lit-html.js';
import { call, customerPath, get, part, Refusal } from './ledger.js';
import * as session from './session.js';
import { t } from './words.js';
import { isNegative, isZero, lastDay, money, moment, typed, usual, useZone, word } from './show.js';
import { deed, given, notice } from './form.js';
import { figures, languages, lots, movements } from './parts.js';
import { topups } from './topups.js';
import { onDefect, View } from './view.js';

const root = document.getElementById('page');
// Shown in a frame of the shop's page, which hands the token over.
const embedded = new URLSearchParams(location.search).has('embedded') && parent !== window;

let view = null;
let over = false;
let trouble = null;

document.title = t('wallet');

class Wallet extends View {
  constructor(redraw) {
    super({ parts: [], query: {} }, redraw);
    this.customer = session.subject();
  }

  async load(signal) {
    const [customer, entries, requests] = await Promise.all([
      get(customerPath(this.customer), {}, signal), get(customerPath(this.customer, '/entries'), { limit: 20 }, signal), get(customerPath(this.customer, '/topups'), { limit: 20 }, signal)]);
    useZone(customer.terms?.time_zone);
    return { customer, requests: requests.data, entries: entries.data, next: entries.next_cursor };
  }

  booked(text) {
    this.tell(text);
    if (!this.signal.aborted) this.read();
  }

  more = async () => {
    this.reading = true;
    this.draw();
    const list = this.data;
    try {
      const page = await get(customerPath(this.customer, '/entries'), { limit: 20, cursor: list.next }, this.signal);
      // What was booked meanwhile made it another list.
      if (this.data !== list) return;
      list.entries.push(...page.data);
      list.next = page.next_cursor;
      this.moreError = null;
    } catch (error) {
      if (this.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      this.moreError = error;
    } finally {
      this.reading = false;
    }
    this.draw();
  };

  content({ customer, requests, entries, next }) {
    const { accounts } = customer;
    const waiting = requests.filter(({ status }) => status === 'pending');
    return html`<h1>${customer.name ? t('wallet.of', { name: customer.name }) : t('wallet')}</h1>
      ${customer.frozen ? html`<p class="notice bad">${t('wallet.frozen')}</p>` : nothing}
      ${this.saying()}
      ${accounts.length ? accounts.map((account) => this.account(account)) : html`<p class="empty">${t('wallet.empty')}</p>`}
      <section class="card" aria-label=${t('do.topup')}><h2>${t('do.topup')}</h2>${this.ask(customer)}
        ${requests.length ? html`<h3>${t(waiting.length ? 'wallet.requests.waiting' : 'wallet.requests', { count: waiting.length })}</h3>${topups(requests, { own: true, actions: (topup) => this.cancel(topup) })}` : nothing}</section>
      <section class="card" aria-label=${t('history')}><h2>${t('history')}</h2>${movements(entries)}${notice(this.moreError)}
        ${next ? html`<p><button type="button" class="plain" ?disabled=${this.reading} @click=${this.more}>${t(this.reading ? 'reading' : 'history.more')}</button></p>` : nothing}</section>
      ${this.withdraw(customer)}`;
  }

  account(account) {
    const { currency } = account;
    const [first] = account.expiring;
    return html`<section class="account card" aria-label=${currency}>
      ${figures([[t('wallet.available'), money(account.available, currency), 'huge'],
    account.available !== account.balance && [t('balance'), money(account.balance, currency), isNegative(account.balance) ? 'minus' : ''],
    !isZero(account.held) && [t('held'), money(account.held, currency)], account.pending_topups && !isZero(account.pending_topups) && [t('pending'), money(account.pending_topups, currency)]])}
      ${first ? html`<p class="notice">${t('wallet.expires', { amount: money(first.amount, currency), day: lastDay(first.at) })}</p>` : nothing}
      ${account.lots.length ? html`<details open><summary>${t('lots')}</summary>${lots(account, { staff: false })}</details>` : nothing}
      ${(account.holds ?? []).map((hold) => html`<p><small>${t('wallet.hold', { amount: money(hold.amount, currency), at: moment(hold.expires_at) })}</small></p>`)}</section>`;
  }

  currency(customer) {
    return usual(customer.accounts, customer.terms?.currency);
  }

  /** Asks for a top-up. */
  ask(customer) {
    const terms = customer.terms ?? {};
    const form = this.form('topup', {
      values: { currency: this.currency(customer), mode: 'offline', method: terms.topup_methods?.[0] ?? '' },
      send: (values, key, waiting) => call('POST', customerPath(this.customer, '/topups'), { key, waiting, body: {
        amount: typed(values.amount), currency: values.currency, payment: { mode: values.mode, method: given(values.method), reference: given(values.reference) } } }),
      done: ({ topup }) => this.booked(t(`told.topup.${topup.status}`, { amount: money(topup.amount, topup.currency) })),
    });
    const bounds = ['topup_min', 'topup_max'].filter((name) => terms[name]?.[form.currency]).map((name) => t(`terms.${name}`, { amount: money(terms[name][form.currency], form.currency) })).join(' · ');
    return form.show(html`<div class="grid">${form.amount('amount', t('amount'), { hint: bounds })}
      ${customer.accounts.length > 1 ? form.choice('currency', t('currency'), customer.accounts.map(({ currency }) => [currency, currency])) : nothing}
      ${form.choice('mode', t('payment'), [['offline', word('mode', 'offline')], ['online', word('mode', 'online')]])}
      ${terms.topup_methods ? form.choice('method', t('method'), terms.topup_methods.map((method) => [method, method])) : form.text('method', t('method'), { required: true, hint: t('method.hint') })}
      ${form.text('reference', t('reference'), { hint: t('reference.payment') })}</div>`, t('do.topup.ask'));
  }

  cancel(topup) {
    const form = this.form(`cancel:${topup.id}`, { send: () => call('POST', customerPath(this.customer, `/topups/${part(topup.id)}/cancel`), { body: {} }), done: () => this.booked(t('told.cancel')) });
    return deed(form, t('do.cancel'));
  }

  /** Takes money out, where the shop lets customers do so. */
  withdraw(customer) {
    if (!customer.terms?.withdrawal || !customer.accounts.length) return nothing;
    const form = this.form('withdraw', {
      values: { currency: this.currency(customer) },
      send: (values, key, waiting) => call('POST', customerPath(this.customer, '/withdrawals'), { key, waiting, body: { amount: typed(values.amount), currency: values.currency, journal: given(values.journal), reference: given(values.reference) } }),
      done: ({ entry }) => this.booked(t('told.withdraw.own', { amount: money(entry.amount.replace(/^-/, ''), entry.currency) })),
    });
    const kinds = (customer.terms.withdrawable ?? []).map((category) => word('category', category)).join(', ');
    return html`<section class="card" aria-label=${t('do.withdraw')}><h2>${t('do.withdraw')}</h2>${form.show(html`<p>${t('withdraw.kinds', { kinds })}</p><div class="grid">${form.amount('amount', t('amount'))}
      ${customer.accounts.length > 1 ? form.choice('currency', t('currency'), customer.accounts.map(({ currency }) => [currency, currency])) : nothing}
      ${form.text('journal', t('withdraw.to'), { required: true, hint: t('withdraw.to.hint') })}${form.text('reference', t('reference'))}</div>`, t('do.withdraw'))}</section>`;
  }
}

function begin() {
  session.begin().catch((error) => {
    trouble = t('sign.failed', { why: error.message });
    draw();
  });
}

function signIn() {
  return html`<main id="main" class="sign" tabindex="-1"><h1>${t('wallet')}</h1>
    ${trouble ? html`<p class="notice bad" role="alert">${trouble}</p>` : nothing}
    ${embedded ? html`<p class="reading" role="status">${t('reading')}</p>`
    : session.hasIssuer ? html`<p>${t('wallet.why')}</p><p><button type="button" class="main" @click=${begin}>${t('sign.in')}</button></p>` : html`<p class="notice">${t('wallet.no.issuer')}</p>`}
    ${embedded ? nothing : languages()}</main>`;
}

function shell() {
  return html`${embedded ? nothing : html`<header class="top"><strong>${t('wallet')}</strong><span class="who">${languages()}<button type="button" class="plain" @click=${session.leave}>${t('sign.out')}</button></span></header>`}
    ${over ? html`<div class="notice bad over" role="alert">${t('sign.over')} ${embedded ? nothing : html`<button type="button" class="main" @click=${begin}>${t('sign.again')}</button>`}</div>` : nothing}
    ${trouble ? html`<p class="notice bad over" role="alert">${trouble}</p>` : nothing}
    <main id="main" class="wallet" tabindex="-1">${view.show()}</main>`;
}

function draw() {
  render(view ? shell() : signIn(), root);
}

function enter() {
  over = false;
  view?.leave();
  view = new Wallet(draw);
  draw();
  view.read();
}

onDefect((told) => {
  trouble = told;
  draw();
});
session.onEnd((ended) => {
  if (!view || over === ended) return;
  over = ended;
  // The shop's page may have another token.
  if (over && embedded) parent.postMessage({ scrip: 'expired' }, '*');
  draw();
});

if (embedded) {
  document.body.classList.add('embedded');
  addEventListener('message', ({ source, data }) => {
    // Who may frame this page is said by its Content-Security-Policy; nobody else can be its parent.
    if (source !== parent || typeof data?.scripToken !== 'string') return;
    if (!data.scripToken) {
      // The shop's customer has gone.
      view?.leave();
      view = null;
      session.signOut();
      draw();
      return;
    }
    session.useToken(data.scripToken);
    // The same customer's: what was typed stays.
    if (view && view.customer === session.subject()) {
      over = false;
      view.read();
    } else {
      enter();
    }
  });
  new ResizeObserver(() => parent.postMessage({ scrip: 'height', height: document.documentElement.offsetHeight }, '*')).observe(document.documentElement);
  draw();
  parent.postMessage({ scrip: 'ready' }, '*');
} else {
  draw();
  try {
    await session.finish();
  } catch (error) {
    trouble = t('sign.failed', { why: error.message });
  }
  if (session.isSignedIn() && !trouble) enter();
  else draw();
}
