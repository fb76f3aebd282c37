// A form that acts on money. Its idempotency key is made when it opens, and is kept in this tab with what was typed: a double click, a
// reload and a sign-in in between send the same call again, which the ledger does once.

import { html, nothing } from './lit-html.js';
import { Refusal } from './ledger.js';
import { begin, hasIssuer, isKey, owner } from './session.js';
import { forget, keep, kept } from './kept.js';
import { known, t } from './words.js';
import { money, typed, understood } from './show.js';

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

/** What a field is called here: as it is labelled, or as the rule that it belongs to. */
function word(field) {
  const plain = field.replace(/^(settings|policy)\./, '');
  const rule = `setting.${plain.split('.')[0]}`;
  return known(`field.${plain}`) ? t(`field.${plain}`) : known(rule) ? t(rule) : plain;
}

/** A refusal as a notice; nothing if there is none. */
export function notice(error, currency) {
  if (!error) return nothing;
  return html`<p class="notice bad" role="alert">${explained(error, currency)}
    ${error.status === 401 && hasIssuer && !isKey() && parent === window ? html`<button type="button" class="main" @click=${() => begin()}>${t('sign.again')}</button>` : nothing}</p>`;
}

export class Form {
  /**
   * The form of this name: what was typed into it before stays, with its key. `keyed`: whether its call has a key, so that sending it
   * again does nothing twice.
   */
  constructor(name, { keyed = true } = {}) {
    // Whose it is does not change while it is open, whoever signs in meanwhile.
    Object.assign(this, { name, keyed, place: `scrip:form:${owner()}:${name}`, busy: false, error: null, tries: 0 });
    const before = kept(this.place);
    this.key = before?.key ?? crypto.randomUUID();
    // What somebody touched; all else is as it begins.
    this.touched = before?.touched ?? {};
    // Sent, and nobody saw the answer.
    this.sent = before?.sent ?? false;
  }

  /**
   * `draw` shows it again; `send` is called with what it says, its key, who waits and whether the same was sent before, and answers what
   * the ledger said; `done` is called with that; `values` is what it begins with.
   */
  update({ draw, send, done, values = {}, currency }) {
    Object.assign(this, { draw, send, done, begins: values, otherwise: currency });
    return this;
  }

  /** What it says. */
  get values() {
    return { ...this.begins, ...this.touched };
  }

  /** The currency of what is typed. */
  get currency() {
    return this.values.currency?.trim().toUpperCase() || this.otherwise;
  }

  keep() {
    keep(this.place, { key: this.key, touched: this.touched, sent: this.sent });
  }

  /** Begins anew: with another key, and as it was at first. */
  reset() {
    Object.assign(this, { key: crypto.randomUUID(), touched: {}, sent: false, error: null });
    forget(this.place);
  }

  /** Whether it may be forgotten when it is left: not while nobody knows what became of it. */
  get idle() {
    return !this.busy && !this.sent;
  }

  input = (event) => {
    const { name, type, checked, value } = event.target;
    if (!name) return;
    // What an amount was typed in stays its currency, whatever the form would begin with later.
    const { currency } = this.values;
    this.touched = { ...(this.keyed && currency ? { currency } : {}), ...this.touched, [name]: type === 'checkbox' ? checked : value };
    if (!this.sent) this.error = null;
    this.keep();
    this.draw();
  };

  submit = async (event) => {
    event?.preventDefault();
    if (this.busy) return;
    // Whether the same was sent before and nobody knows what became of it: then it has to be the same again.
    const again = this.sent;
    // What it began with may be another when it is sent again.
    if (this.keyed) this.touched = this.values;
    Object.assign(this, { busy: true, error: null, tries: 0, sent: true });
    this.keep();
    this.draw();
    const waiting = (tries) => {
      this.tries = tries;
      this.draw();
    };
    let answer;
    try {
      answer = await this.send(this.values, this.key, waiting, again);
    } catch (error) {
      this.busy = false;
      // A refusal stores nothing: the same key is free for another call, unless another try may have been done. What is no refusal was never
      // sent.
      this.sent = error instanceof Refusal && (error.unsure ?? false) || (again && !error.settles);
      this.keep();
      if (!(error instanceof Refusal)) throw error;
      this.error = error;
      this.draw();
      return;
    }
    this.busy = false;
    this.done(answer);
    this.reset();
    this.draw();
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
      ?required=${required} aria-describedby="${id}-hint"><span class="currency" aria-hidden="true">${currency}</span></span>`, [understood(value, currency), hint].filter(Boolean).join(' · ') || '\u00a0');
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
    // What is sent is what is shown, though it be none of the choices any more.
    const choices = options.some(([value]) => value === chosen) ? options : [...options, [chosen, chosen]];
    return this.field(name, label, (id) => html`<select id=${id} name=${name} aria-describedby="${id}-hint">${choices.map(([value, text]) => html`<option value=${value}
      ?selected=${value === chosen} .selected=${value === chosen}>${text}</option>`)}</select>`, hint);
  }

  check(name, label) {
    return html`<label class="check"><input type="checkbox" name=${name} .checked=${Boolean(this.values[name])}> ${label}</label>`;
  }

  /** The whole form around its fields. */
  show(fields, label, { danger = false, cancel, wait = false } = {}) {
    return html`<form @submit=${this.submit} @input=${this.input} aria-busy=${this.busy ? 'true' : 'false'}>
      ${this.sent && !this.busy && !this.error ? html`<p class="notice" role="status">${t(this.keyed ? 'form.sent' : 'form.sent.unkeyed')}</p>` : nothing}
      ${fields}
      ${notice(this.error, this.currency)}
      ${this.error && this.sent ? html`<p class="notice">${t(this.keyed ? 'form.unknown' : 'form.unknown.unkeyed')}</p>` : nothing}
      ${(this.sent && !this.busy) || this.error?.code === 'idempotency_mismatch' ? html`<p><button type="button" class="plain" @click=${() => { this.reset(); this.draw(); }}>${t('form.anew')}</button></p>` : nothing}
      <div class="actions">
        <button class=${danger ? 'danger' : 'main'} ?disabled=${this.busy || wait}>${this.busy ? t(this.tries ? 'form.again' : 'form.busy') : this.error && this.sent ? t('form.retry') : label}</button>
        ${cancel ? html`<button type="button" class="plain" @click=${cancel}>${t('cancel')}</button>` : nothing}
      </div>
    </form>`;
  }
}

/** An optional text: what is empty is not sent. */
export const given = (text) => (text?.trim() ? text.trim() : undefined);

/** An optional amount. */
export const givenAmount = (text) => (text?.trim() ? typed(text) : undefined);

/** A button that does what a form without fields does. A double click is one click: what comes to lie under the pointer is another. */
export function deed(form, label, { danger = false, main = false } = {}) {
  const act = (event) => { if (event.detail < 2) form.submit(); };
  return html`<button type="button" class=${danger ? 'danger' : main ? 'main' : 'plain'} ?disabled=${form.busy} @click=${act}>
    ${form.busy ? t(form.tries ? 'form.again' : 'form.busy') : label}</button>${form.error ? notice(form.error, form.currency) : nothing}`;
}
