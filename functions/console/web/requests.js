// What customers asked for and nobody answered yet.

import { html, nothing } from './lit-html.js';
import { get } from './ledger.js';
import { t } from './words.js';
import { pager } from './parts.js';
import { topupActions, topups } from './topups.js';
import { link, View } from './view.js';

/** A request's name: ids are each customer's own. */
const named = ({ customer, id }) => `${customer} ${id}`;

export class Requests extends View {
  /** Those that were answered here stay where they are until the list is read again: nothing slides under the pointer. */
  answered = new Set();

  async load(signal) {
    const page = await get('topups', { status: 'pending', cursor: this.place.query.cursor }, signal);
    this.answered.clear();
    return page;
  }

  move(place) {
    super.move(place);
    this.read();
  }

  done = (text, topup) => {
    this.answered.add(named(topup));
    this.tell(text);
    dispatchEvent(new Event('scrip:waiting'));
  };

  content({ data, next_cursor: next }) {
    return html`<h1>${t('menu.requests')}</h1>${this.saying()}
      ${topups(data, { customers: true, actions: (topup) => (this.answered.has(named(topup)) ? html`<span>${t('answered')}</span>` : topupActions(this, topup, this.done)) })}
      ${this.answered.size ? html`<p><button type="button" class="plain" @click=${this.read}>${t('again')}</button></p>` : nothing}
      ${pager(next, { first: this.place.query.cursor ? link(['requests']) : null, more: link(['requests'], { cursor: next }) })}`;
  }
}
