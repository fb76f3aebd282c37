// A form that acts on money. Its idempotency key is made when it opens, and is kept in this tab with what was typed: a double click, a
// reload and a sign-in in between send the same call again, which the ledger does once.

import { html, nothing } from './lit-html.js';
import { Refusal } from './ledger.js';
import { begin, hasIssuer, isKey, owner } from './session.js';
import { known, t } from './words.js';
import { money, typed, understood } from './show.js';

const stored = (name) => `scrip:form:${owner()}:${name}`;
/** What a refusal tells as an amount. */
const AMOUNTS = ['available', 'held', 'refundable', 'withdrawable', 'activation_total', 'base', 'order_total', 'maximum', 'minimum'];

/** What a refusal means, and what to do, in words. */
export function explained(error, currency) {
  if (!(error instanceof Refusal)) throw error;
  const { code, problem } = error;
  const figures = { ...problem };
  for (const name of AMOUNTS) {
    if (currency && /^-?\d+(\.\d+)?$/.test(figures[name] ?? '')) figures[name] = money(figures[name], currency);
  }
  if (code === 'topup_limit_exceeded') return t(problem.minimum ? 'problem.topup_below_minimum' : `problem.${code}`, figures);
  if (code === 'invalid_request') return (problem.errors ?? []).map(({ field, message }) => `${word(field)}: ${message}`).join('; ') || problem.detail;
  if (code === 'topup_not_pending') figures.status_now = known(`status.${problem.status_now}`) ? t(`status.${problem.status_now}`) : problem.status_now;
  return known(`problem.${code}`) ? t(`problem.${code}`, figures) : (problem.detail ?? code);
}

const word = (field) => (known(`field.${field}`) ? t(`field.${field}`) : field);

/** A refusal as a notice; nothing if there is none. */
export function notice(error, currency) {
  if (!error) return nothing;
  return html`<p class="notice bad" role="alert">${explained(error, currency)}
    ${error.status === 401 && hasIssuer && !isKey() && parent === window ? html`<button type="button" class="main" @click=${() => begin()}>${t('sign.again')}</button>` : nothing}</p>`;
}

export class Form {
  /**
   * The form of this name. `draw` shows it again; `send` is called with what was typed and the key, and answers what the ledger said;
   * `done` is called with that. `values` is what it begins with.
   */
  constructor(name, { draw, send, done, values = {}, currency }) {
    Object.assign(this, { name, draw, send, done, begins: values, otherwise: currency, busy: false, error: null, tries: 0 });
    const kept = JSON.parse(sessionStorage.getItem(stored(name)) ?? 'null');
    this.key = kept?.key ?? crypto.randomUUID();
    this.values = { ...values, ...kept?.values };
    // Sent before the page was loaded again, and nobody saw the answer.
    this.sent = kept?.sent ?? false;
  }

  /** The currency of what is typed. */
  get currency() {
    return this.values.currency?.trim().toUpperCase() || this.otherwise;
  }

  keep() {
    sessionStorage.setItem(stored(this.name), JSON.stringify({ key: this.key, values: this.values, sent: this.sent }));
  }

  /** Begins anew: with another key, and as it was at first. */
  reset() {
    this.key = crypto.randomUUID();
    Object.assign(this, { values: { ...this.begins }, sent: false, error: null });
    this.keep();
  }

  /** Forgets it. */
  forget() {
    sessionStorage.removeItem(stored(this.name));
  }

  input = (event) => {
    const { name, type, checked, value } = event.target;
    if (!name) return;
    this.values = { ...this.values, [name]: type === 'checkbox' ? checked : value };
    this.keep();
    this.draw();
  };

  submit = async (event) => {
    event?.preventDefault();
    if (this.busy) return;
    // Whether the same was sent before and nobody knows what became of it: then it has to be the same again.
    const again = this.sent;
    Object.assign(this, { busy: true, error: null, tries: 0, sent: true });
    this.keep();
    this.draw();
    const waiting = (tries) => {
      this.tries = tries;
      this.draw();
    };
    try {
      const answer = await this.send(this.values, this.key, waiting, again);
      this.busy = false;
      this.forget();
      this.done(answer);
    } catch (error) {
      this.busy = false;
      if (!(error instanceof Refusal)) throw error;
      this.error = error;
      // A refusal stores nothing: the same key is free for another call.
      this.sent = error.unknown;
      this.keep();
      this.draw();
    }
  };

  /** A field with its label, and what helps to fill it. */
  field(name, label, control, hint) {
    const id = this.id(name);
    return html`<div class="field"><label for=${id}>${label}</label>${control(id)}<small id="${id}-hint">${hint ?? nothing}</small></div>`;
  }

  id(name) {
    return `${this.name}:${name}`.replace(/[^\w:.-]/g, '_');
  }

  /** An amount in this currency. */
  amount(name, label, { required = true, currency = this.currency, hint } = {}) {
    const value = this.values[name] ?? '';
    return this.field(name, label, (id) => html`<span class="amount"><input id=${id} name=${name} inputmode="decimal" autocomplete="off" maxlength="20" .value=${value}
      ?required=${required} aria-describedby="${id}-hint"><span class="currency" aria-hidden="true">${currency}</span></span>`, understood(value, currency) || hint || '\u00a0');
  }

  text(name, label, { required = false, max = 128, type = 'text', hint } = {}) {
    return this.field(name, label, (id) => html`<input id=${id} name=${name} type=${type} maxlength=${max} autocomplete="off" .value=${this.values[name] ?? ''} ?required=${required}
      aria-describedby="${id}-hint">`, hint);
  }

  area(name, label, { max = 500, hint, rows = 2 } = {}) {
    return this.field(name, label, (id) => html`<textarea id=${id} name=${name} rows=${rows} maxlength=${max} .value=${this.values[name] ?? ''} aria-describedby="${id}-hint"></textarea>`, hint);
  }

  date(name, label, { required = false, hint } = {}) {
    return this.field(name, label, (id) => html`<input id=${id} name=${name} type="date" .value=${this.values[name] ?? ''} ?required=${required} aria-describedby="${id}-hint">`, hint);
  }

  choice(name, label, options, { hint } = {}) {
    const chosen = this.values[name] ?? options[0]?.[0];
    return this.field(name, label, (id) => html`<select id=${id} name=${name} aria-describedby="${id}-hint">${options.map(([value, text]) => html`<option value=${value}
      ?selected=${value === chosen} .selected=${value === chosen}>${text}</option>`)}</select>`, hint);
  }

  check(name, label) {
    return html`<label class="check"><input type="checkbox" name=${name} .checked=${Boolean(this.values[name])}> ${label}</label>`;
  }

  /** The whole form around its fields. */
  show(fields, label, { danger = false, cancel } = {}) {
    return html`<form @submit=${this.submit} @input=${this.input} aria-busy=${this.busy ? 'true' : 'false'}>
      ${this.sent && !this.busy && !this.error ? html`<p class="notice" role="status">${t('form.sent')}</p>` : nothing}
      ${fields}
      ${notice(this.error, this.currency)}
      ${this.error?.unknown ? html`<p class="notice">${t('form.unknown')}</p>` : nothing}
      ${this.error?.code === 'idempotency_mismatch' ? html`<p><button type="button" class="plain" @click=${() => { this.reset(); this.draw(); }}>${t('form.anew')}</button></p>` : nothing}
      <div class="actions">
        <button class=${danger ? 'danger' : 'main'} ?disabled=${this.busy}>${this.busy ? t(this.tries ? 'form.again' : 'form.busy') : this.error?.unknown ? t('form.retry') : label}</button>
        ${cancel ? html`<button type="button" class="plain" @click=${cancel}>${t('cancel')}</button>` : nothing}
      </div>
    </form>`;
  }
}

/** An optional text: what is empty is not sent. */
export const given = (text) => (text?.trim() ? text.trim() : undefined);

/** An optional amount. */
export const givenAmount = (text) => (text?.trim() ? typed(text) : undefined);

/** A button that does one thing that has no form: it is off while it is at it, and keeps its key until it is done. */
export class Deed {
  constructor(name, { draw, send, done, currency }) {
    this.form = new Form(name, { draw, send: (_, key, waiting) => send(key, waiting), done, currency });
  }

  forget() {
    this.form.forget();
  }

  button(label, { danger = false, main = false } = {}) {
    const { form } = this;
    return html`<button type="button" class=${danger ? 'danger' : main ? 'main' : 'plain'} ?disabled=${form.busy} @click=${() => form.submit()}>
      ${form.busy ? t(form.tries ? 'form.again' : 'form.busy') : label}</button>${form.error ? notice(form.error, form.currency) : nothing}`;
  }
}
