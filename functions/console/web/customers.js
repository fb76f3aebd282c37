// All customers: searched, filtered, sorted, page by page.

import { html, nothing } from './lit-html.js';
import { all, get } from './ledger.js';
import { t } from './words.js';
import { typed } from './show.js';
import { cell, pager } from './parts.js';
import { go, link, View } from './view.js';

/** Groups that the filter offers, at most. */
const MOST_GROUPS = 1_000;
const FILTERS = ['name', 'group', 'currency', 'min_balance', 'max_balance', 'min_granted', 'max_granted', 'min_by_admin', 'max_by_admin', 'min_by_customer', 'max_by_customer'];
const SORTS = ['name', '-name', '-balance', 'balance'];

export class Customers extends View {
  async load(signal) {
    const [page, groups] = await Promise.all([get('customers', this.place.query, signal), all('groups', {}, MOST_GROUPS, signal)]);
    return { page, groups: groups.data };
  }

  search = (event) => {
    event.preventDefault();
    const query = Object.fromEntries([...new FormData(event.target)].map(([name, value]) => [name, /^(min|max)_/.test(name) ? typed(value) : value.trim()]));
    go(link(['customers'], { ...query, sort: query.sort === 'name' ? '' : query.sort }).slice(1));
  };

  find = (event) => {
    event.preventDefault();
    const customer = new FormData(event.target).get('customer').trim();
    if (customer) go(link(['customers', customer]).slice(1));
  };

  content({ page, groups }) {
    const { query } = this.place;
    const { cursor, ...filters } = query;
    const input = (name, more) => html`<label class="field">${t(`filter.${name}`)}<input name=${name} .value=${filters[name] ?? ''} inputmode=${more?.mode ?? nothing} maxlength="128" autocomplete="off"></label>`;
    const amounts = FILTERS.filter((name) => /^(min|max)_/.test(name));
    return html`<h1>${t('menu.customers')}</h1>
      <div class="tools">
        <form class="filters" role="search" @submit=${this.search}>
          ${input('name')}
          <label class="field">${t('group')}<select name="group"><option value="">${t('all')}</option>${groups.map(({ group }) => html`<option ?selected=${group === filters.group}>${group}</option>`)}</select></label>
          <label class="field">${t('sort')}<select name="sort">${SORTS.map((sort) => html`<option value=${sort} ?selected=${sort === (filters.sort ?? 'name')}>${t(`sort.${sort}`)}</option>`)}</select></label>
          <details ?open=${amounts.some((name) => filters[name]) || filters.currency}><summary>${t('filter.more')}</summary><div class="grid">
            ${input('currency')}${amounts.map((name) => input(name, { mode: 'decimal' }))}</div></details>
          <div class="actions"><button class="main">${t('search')}</button>${Object.keys(filters).length ? html`<a href=${link(['customers'])}>${t('filter.none')}</a>` : nothing}</div>
        </form>
        <form class="find" @submit=${this.find}><label class="field">${t('customer.open')}<input name="customer" required maxlength="128" autocomplete="off"><small>${t('customer.open.hint')}</small></label><button class="plain">${t('open')}</button></form>
      </div>
      ${page.data.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t('menu.customers')}><table class="list"><thead><tr><th scope="col">${t('customer')}</th><th scope="col">${t('group')}</th>
        <th scope="col" class="number">${t('balance')}</th><th scope="col" class="number">${t('held')}</th><th scope="col" class="number">${t('available')}</th>
        <th scope="col" class="number">${t('lifetime.granted')}</th><th scope="col" class="number">${t('lifetime.redeemed')}</th></tr></thead>
        <tbody>${page.data.map(({ customer, name, email, group, frozen, account, lifetime }) => html`<tr>
          <th scope="row"><a href=${link(['customers', customer])}>${name ?? customer}</a>${frozen ? html` <span class="badge frozen">${t('frozen')}</span>` : nothing}<small>${[name ? customer : null, email].filter(Boolean).join(' · ')}</small></th>
          <td>${group ?? ''}</td>${cell(account.balance, account.currency)}${cell(account.held, account.currency)}${cell(account.available, account.currency)}
          ${cell(lifetime.granted, account.currency)}${cell(lifetime.redeemed, account.currency)}</tr>`)}</tbody></table></div>` : html`<p class="empty">${t('customers.none')}</p>`}
      ${pager(page.next_cursor, { first: cursor ? link(['customers'], filters) : null, more: link(['customers'], { ...filters, cursor: page.next_cursor }) })}`;
  }
}
