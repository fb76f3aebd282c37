// What a form asks for where credit is given: how much, of which kind, and until when.

import { html, nothing } from './lit-html.js';
import { t } from './words.js';
import { word } from './show.js';

/** An amount, and in which currency. */
export const amountFields = (form, label = t('amount')) => html`${form.amount('amount', label)}${form.text('currency', t('currency'), { max: 3, required: true })}`;

/** Until when. */
export const expiryFields = (form, kinds = ['policy', 'date', 'never']) => html`${form.choice('expiry', t('expires'), kinds.map((kind) => [kind, kind === 'never' ? t('never') : t(`expiry.${kind}`)]))}
  ${form.values.expiry === 'date' ? form.date('expires_on', t('last.day'), { required: true }) : nothing}`;

/** All of it, of one of these kinds. */
export const creditFields = (form, categories, label) => html`<div class="grid">${amountFields(form, label)}
  ${form.choice('category', t('category'), categories.map((category) => [category, word('category', category)]))}${expiryFields(form)}</div>`;

/** Until when, as the API takes it. */
export const expiry = ({ expiry: kind, expires_on: on }) => (kind === 'never' ? { expires: 'never' } : kind === 'date' ? { expires_on: on } : {});
