// What an order would use, asked while somebody types.

import { html } from './lit-html.js';
import { Refusal } from './ledger.js';
import { t } from './words.js';
import { isZero, money } from './show.js';
import { figures } from './parts.js';

/** How long nobody types before it is asked for, in milliseconds. */
const PAUSE = 300;

/** The latest answer, and to what. */
export class Quote {
  /** `body` makes what is asked, or nothing if there is nothing to ask yet; `send` asks it; `view` shows it. */
  constructor(view, { body, send }) {
    Object.assign(this, { view, body, send, answer: null });
  }

  /** Asks once nobody types any more. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.ask, PAUSE);
  }

  stop() {
    clearTimeout(this.timer);
  }

  ask = async () => {
    const { view } = this;
    if (!view.data || view.signal.aborted) return;
    let mine;
    try {
      const body = this.body();
      mine = this.asked = JSON.stringify(body);
      const terms = body && (await this.send(body));
      if (this.asked === mine) this.answer = terms ? { of: mine, terms } : null;
    } catch (error) {
      if (view.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      if (this.asked === mine) this.answer = { of: mine, error };
    }
    view.draw();
  };
}

/** What an order would use, and why no more. */
export const terms = ({ applied, remaining_due: due, bound_by: bound }, currency, label = t('quote.applied')) => html`${figures([[label, money(applied, currency), 'large'], [t('quote.due'), money(due, currency)]])}
  <p>${t(isZero(applied) ? 'quote.none' : 'quote.bound', { why: t(`bound.${bound}`) })}</p>`;
