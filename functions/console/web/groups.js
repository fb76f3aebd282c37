// Groups: their members, their rules, credit for all of them at once, and how far that is.

import { html, nothing } from './lit-html.js';
import { call, get, part, Refusal } from './ledger.js';
import { t } from './words.js';
import { count, moment, money, typed, word } from './show.js';
import { creditFields, expiry } from './credit.js';
import { given } from './form.js';
import { badge, cell, dialog, figures, pager } from './parts.js';
import { ownForm, ownOf, policyFields, policyTable } from './policy.js';
import { go, link, View } from './view.js';

/** How often a grant that runs is looked at, in milliseconds. */
const LOOK = 1_000;
const CATEGORIES = ['promotional', 'goodwill', 'refund', 'paid'];

export class Groups extends View {
  load(signal) {
    return get('groups', this.place.query, signal);
  }

  open = (event) => {
    event.preventDefault();
    const group = new FormData(event.target).get('group').trim();
    if (group) go(link(['groups', group]).slice(1));
  };

  content({ data, next_cursor: next }) {
    return html`<h1>${t('menu.groups')}</h1>
      ${data.length ? html`<ul class="cards">${data.map(({ group, policy, joining_grant: joining }) => html`<li><a href=${link(['groups', group])}><strong>${group}</strong></a>
        <small>${t('group.rules', { count: Object.keys(policy).length })}</small>${joining ? html`<small>${t('group.joining', { amount: joining.currency ? money(joining.amount, joining.currency) : joining.amount })}</small>` : nothing}</li>`)}</ul>` : html`<p class="empty">${t('groups.none')}</p>`}
      ${pager(next, { first: this.place.query.cursor ? link(['groups']) : null, more: link(['groups'], { cursor: next }) })}
      <form class="find" @submit=${this.open}><label class="field">${t('group.new')}<input name="group" required maxlength="128" pattern="[A-Za-z0-9._@\\-]+" autocomplete="off"><small>${t('group.new.hint')}</small></label><button class="plain">${t('open')}</button></form>`;
  }
}

export class Group extends View {
  get group() {
    return this.place.parts[1];
  }

  async load(signal) {
    const { settings, version } = await get('settings', {}, signal);
    const group = await get(`groups/${part(this.group)}`, {}, signal).catch((error) => {
      if (error.code === 'group_not_found') return { group: this.group, policy: {}, joining_grant: null, unknown: true, version };
      throw error;
    });
    const members = group.unknown ? { data: [] } : await get('customers', { group: this.group, limit: 50, cursor: this.place.query.cursor }, signal);
    return { group, members, settings, currency: settings.currency };
  }

  move(at) {
    const { cursor } = this.place.query;
    const dialogued = this.place.parts[2];
    super.move(at);
    if (dialogued && !at.parts[2]) this.drop('grant');
    if (at.query.cursor !== cursor) this.read();
  }

  back = () => {
    if (this.place.parts[2]) go(link(['groups', this.group]).slice(1));
  };

  content({ group, members, currency, settings }) {
    return html`<p class="crumb"><a href=${link(['groups'])}>${t('menu.groups')}</a></p><h1 class="name">${this.group}</h1>
      ${this.saying()}
      ${group.unknown ? html`<p class="notice">${t('group.unknown')}</p>` : html`<div class="deeds"><a class="button main" href=${link(['groups', this.group, 'grant'])}>${t('do.group.grant')}</a></div>
      <h2>${t('group.members')}</h2>
      ${members.data.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t('group.members')}><table class="list"><thead><tr><th scope="col">${t('customer')}</th><th scope="col" class="number">${t('balance')}</th></tr></thead>
        <tbody>${members.data.map(({ customer, name, account }) => html`<tr><th scope="row"><a href=${link(['customers', customer])}>${name ?? customer}</a></th>${cell(account.balance, account.currency)}</tr>`)}</tbody></table></div>
        ${pager(members.next_cursor, { first: this.place.query.cursor ? link(['groups', this.group]) : null, more: link(['groups', this.group], { cursor: members.next_cursor }) })}` : html`<p class="empty">${t('group.members.none')}</p>`}`}
      <h2>${t('group.policy')}</h2>${this.edit(group, settings)}
      ${group.effective ? html`<details><summary>${t('policy')}</summary>${policyTable(group.effective)}</details>` : nothing}
      ${this.place.parts[2] === 'grant' && !group.unknown ? this.grant(currency) : nothing}`;
  }

  edit(group, settings) {
    const { joining_grant: joining, policy } = group;
    const { currency } = settings;
    const form = this.form('policy', {
      keyed: false,
      values: { joins: Boolean(joining), amount: joining?.amount ?? '', currency: joining?.currency ?? currency, category: joining?.category ?? 'promotional', ...expiryValues(joining),
        ...ownForm(policy, group.effective, settings) },
      send: () => this.write(`groups/${part(this.group)}`, group.version, { policy: ownOf(form, policy, currency), joining_grant: joiningOf(form, joining) }),
      done: () => {
        this.tell(t('saved'));
        this.read();
      },
    });
    return form.show(html`${form.check('joins', t('joining'))}${form.values.joins ? creditFields(form, CATEGORIES) : nothing}
      ${policyFields(form, { inherits: true, currency })}`, t(group.unknown ? 'group.create' : 'save'));
  }

  grant(currency) {
    const form = this.form('grant', {
      values: { currency, category: 'promotional', expiry: 'policy' },
      send: (values, key, waiting) => call('POST', `groups/${part(this.group)}/grants`, { key, waiting, body: { amount: typed(values.amount), currency: values.currency.toUpperCase(), category: values.category, ...expiry(values), reference: given(values.reference), note: given(values.note) } }),
      done: ({ job }) => {
        if (this.signal.aborted || this.place.parts[2] !== 'grant') this.tell(t('progress', { group: this.group }));
        else go(link(['progress', job.id]).slice(1));
      },
    });
    return dialog(t('do.group.grant'), form.show(html`<p>${t('group.grant.why', { group: this.group })}</p>${creditFields(form, CATEGORIES, t('group.amount'))}
      ${form.text('reference', t('reference'))}${form.area('note', t('note'))}`, t('do.group.grant'), { cancel: this.back }), this.back);
  }
}

/** How a joining grant's expiry begins in the form: a moment is shown as what the rules say, and stays as it is while nobody touches it. */
const expiryValues = (joining) => ({ expiry: joining?.expires === 'never' ? 'never' : joining?.expires_on ? 'date' : 'policy', expires_on: joining?.expires_on ?? '' });

/** The joining grant that a form says: what nobody touched is as it was. */
function joiningOf(form, before) {
  const { joins, amount, currency, category, ...values } = form.values;
  if (!joins) return null;
  const { expires, expires_on: on, expires_at: at, ...kept } = before ?? {};
  const dated = ['expiry', 'expires_on'].some((name) => Object.hasOwn(form.touched, name)) || !before ? expiry(values) : { expires, expires_on: on, expires_at: at };
  return { ...kept, amount: Object.hasOwn(form.touched, 'amount') ? typed(amount) : amount, currency, category, ...dated };
}

/** How far a grant to a group is, looked at until it is done. */
export class Progress extends View {
  async load(signal) {
    try {
      const told = await get(`group-grants/${part(this.place.parts[1])}`, { limit: 200 }, signal);
      if (told.job.status === 'running') this.again();
      return told;
    } catch (error) {
      // It goes on, whether or not it can be looked at now.
      if (error instanceof Refusal && this.data) this.again();
      throw error;
    }
  }

  again() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (!this.signal.aborted) this.read(); }, LOOK);
  }

  content({ job, failures, next_cursor: more }) {
    const running = job.status === 'running';
    const { grant } = job;
    return html`<p class="crumb"><a href=${link(['groups', job.group])}>${job.group}</a></p><h1>${t('progress', { group: job.group })}</h1>
      <p>${grant.currency ? money(grant.amount, grant.currency) : grant.amount} · ${word('category', grant.category)} · ${moment(job.requested_at)}</p>
      <p role="status">${badge('status', job.status)} ${running ? t('progress.running') : t('progress.done', { at: job.finished_at ? moment(job.finished_at) : '' })}</p>
      ${running ? html`<progress aria-label=${t('progress.running')}></progress>` : nothing}
      ${figures([[t('progress.credited'), count(job.credited), 'large'], [t('progress.failed'), count(job.failed)]])}
      ${failures.length ? html`<h2>${t('progress.failures')}</h2><ul>${failures.map(({ customer, detail, code }) => html`<li><a href=${link(['customers', customer])}>${customer}</a>: ${detail ?? code}</li>`)}</ul>${more ? html`<p>${t('progress.more')}</p>` : nothing}` : nothing}`;
  }

  leave() {
    clearTimeout(this.timer);
    super.leave();
  }
}
