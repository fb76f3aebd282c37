// Who changed which setting, when, from what to what.

import { html, nothing } from './lit-html.js';
import { get } from './ledger.js';
import { t } from './words.js';
import { moment, word } from './show.js';
import { pager } from './parts.js';
import { settingText } from './policy.js';
import { link, View } from './view.js';

const OF = ['settings', 'mail', 'webhooks'];

export class Changes extends View {
  load(signal) {
    return get('settings/changes', this.place.query, signal);
  }

  content({ data, next_cursor: next }) {
    const { of = 'settings', cursor } = this.place.query;
    const text = (name, value) => {
      if (value === undefined) return t('not.given');
      if (value === null) return t('none');
      try {
        return of === 'settings' ? settingText(name, value) : JSON.stringify(value);
      } catch {
        return JSON.stringify(value);
      }
    };
    return html`<h1>${t('menu.changes')}</h1>
      <nav class="tabs" aria-label=${t('menu.changes')}>${OF.map((name) => html`<a href=${link(['changes'], { of: name })} aria-current=${name === of ? 'page' : nothing}>${t(`changes.${name}`)}</a>`)}</nav>
      ${data.length ? html`<ol class="changes">${data.map((change) => html`<li><p><strong>${t('changes.version', { version: change.version })}</strong> <time datetime=${change.at}>${moment(change.at)}</time>
        · ${word('role', change.actor.role)} ${change.actor.id}${change.group ? html` · ${t('in.group', { group: change.group })}` : nothing}</p>
        <ul>${Object.entries(change.changes).map(([name, { old, new: now }]) => html`<li>${word('setting', name)}: <del>${text(name, old)}</del> → <ins>${text(name, now)}</ins></li>`)}</ul></li>`)}</ol>` : html`<p class="empty">${t('changes.none')}</p>`}
      ${pager(next, { first: cursor ? link(['changes'], { of }) : null, more: link(['changes'], { of, cursor: next }) })}`;
  }
}
