// What customers asked for and nobody answered yet.

import { html, nothing } from './lit-html.js';
import { get } from './ledger.js';
import { t } from './words.js';
import { pager } from './parts.js';
import { topupActions, topups } from './topups.js';
import { link, View } from './view.js';

export class Requests extends View {
  load(signal) {
    return get('topups', { status: 'pending', cursor: this.place.query.cursor }, signal);
  }

  move(place) {
    super.move(place);
    this.read();
  }

  done = (text) => {
    this.told = text;
    this.read();
    dispatchEvent(new Event('scrip:waiting'));
  };

  content({ data, next_cursor: next }) {
    return html`<h1>${t('menu.requests')}</h1>
      ${this.told ? html`<p class="notice good" role="status">${this.told}</p>` : nothing}
      ${topups(data, { customers: true, actions: (topup) => topupActions(this, topup, this.done) })}
      ${pager(next, { first: this.place.query.cursor ? link(['requests']) : null, more: link(['requests'], { cursor: next }) })}`;
  }
}
