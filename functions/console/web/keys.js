// API keys: who may call, and letting nobody in with one any more.

import { html, nothing } from './lit-html.js';
import { call, get, part } from './ledger.js';
import { t } from './words.js';
import { moment, word } from './show.js';
import { deed, given } from './form.js';
import { badge, pager } from './parts.js';
import { link, View } from './view.js';

export class Keys extends View {
  load(signal) {
    return get('api-keys', this.place.query, signal);
  }

  content({ data, next_cursor: next }) {
    const form = this.form('key', {
      keyed: false, values: { role: 'store' },
      send: async ({ role, name }) => {
        try {
          return await call('POST', 'api-keys', { body: { role, name: given(name) } });
        } catch (error) {
          if (error.unknown) this.read();
          throw error;
        }
      },
      done: (made) => {
        this.made = made;
        if (this.signal.aborted) this.tell(t('keys.lost', { id: made.id }));
        else this.read();
      },
    });
    return html`<h1>${t('menu.keys')}</h1><p>${t('keys.why')}</p>
      ${this.made ? html`<div class="notice good" role="status"><p>${t('keys.made', { name: this.made.name ?? this.made.id })}</p><p><code class="secret">${this.made.key}</code>
        <button type="button" class="plain" @click=${() => navigator.clipboard.writeText(this.made.key)}>${t('copy')}</button></p></div>` : nothing}
      ${form.show(html`<div class="grid">${form.choice('role', t('role'), [['store', t('keys.store')], ['admin', t('keys.admin')]])}${form.text('name', t('field.name'), { hint: t('keys.name.hint') })}</div>`, t('keys.make'))}
      ${data.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t('menu.keys')}><table><thead><tr><th scope="col">${t('field.name')}</th><th scope="col">${t('role')}</th><th scope="col">${t('keys.since')}</th><th scope="col"><span class="hidden">${t('actions')}</span></th></tr></thead>
        <tbody>${data.map((key) => html`<tr><th scope="row">${key.name ?? key.id}<small>${key.id}</small></th><td>${word('role', key.role)}</td><td>${moment(key.created_at)}</td>
          <td class="actions">${key.revoked_at ? badge('status', 'revoked') : this.revoke(key)}</td></tr>`)}</tbody></table></div>` : html`<p class="empty">${t('keys.none')}</p>`}
      ${pager(next, { first: this.place.query.cursor ? link(['keys']) : null, more: link(['keys'], { cursor: next }) })}`;
  }

  revoke(key) {
    const form = this.form(`revoke:${key.id}`, { send: () => call('DELETE', `api-keys/${part(key.id)}`), done: () => {
      if (this.made?.id === key.id) this.made = null;
      this.read();
    } });
    return html`<details><summary>${t('keys.revoke')}</summary><p>${t('keys.revoke.why')}</p>${deed(form, t('keys.revoke'), { danger: true })}</details>`;
  }
}
