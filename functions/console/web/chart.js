// Figures as bars. Lengths are pixels, for which a float will do; what is written beside them is the ledger's own text.

import { html, nothing, svg } from './lit-html.js';
import { t } from './words.js';
import { isZero, money, word } from './show.js';

const CATEGORIES = ['paid', 'promotional', 'refund', 'goodwill', 'import'];

/** Columns that there is room for, at least. */
const MONTHS = 12;

const length = (amount) => Math.abs(Number(amount));

/** One bar for each row, its categories side by side: `rows` are `{label, categories, total}`. */
export function stacked(title, rows, currency) {
  const largest = Math.max(...rows.map(({ total }) => length(total)), Number.MIN_VALUE);
  const used = CATEGORIES.filter((category) => rows.some(({ categories }) => !isZero(categories[category] ?? '0')));
  return html`<figure class="chart" tabindex="0" aria-label=${title}><table><caption>${title}</caption><thead class="hidden"><tr><th scope="col">${t('period')}</th><th scope="col">${t('category')}</th><th scope="col">${t('amount')}</th></tr></thead>
    <tbody>${rows.map(({ label, categories, total }) => {
    let from = 0;
    const parts = used.map((category) => {
      const width = (100 * length(categories[category] ?? '0')) / largest;
      const at = from;
      from += width;
      return svg`<rect class="category-${category}" x=${at} width=${width} height="10"><title>${word('category', category)}: ${money(categories[category] ?? '0', currency)}</title></rect>`;
    });
    return html`<tr><th scope="row">${label}</th><td class="bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=${used.map((category) => `${word('category', category)} ${money(categories[category] ?? '0', currency)}`).join(', ') || t('none')}>${parts}</svg></td><td class="number">${money(total, currency)}</td></tr>`;
  })}</tbody></table>${legend(used.map((category) => [`category-${category}`, word('category', category)]))}</figure>`;
}

const legend = (items) => (items.length ? html`<ul class="legend" aria-hidden="true">${items.map(([kind, label]) => html`<li><svg viewBox="0 0 1 1"><rect class=${kind} width="1" height="1"></rect></svg>${label}</li>`)}</ul>` : nothing);

/** Columns side by side: `rows` are `{label, values}` with a value for each of `series`, which are `[name, label]`. */
export function columns(title, rows, series, currency) {
  const largest = Math.max(...rows.flatMap(({ values }) => values.map(length)), Number.MIN_VALUE);
  const wide = 100 / Math.max(MONTHS, rows.length);
  const bar = (wide * 0.8) / series.length;
  return html`<figure class="chart" tabindex="0"><figcaption>${title}</figcaption><svg class="columns" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label=${title}>${rows.map(({ label, values }, at) => values.map((value, place) => {
    const height = (40 * length(value)) / largest;
    return svg`<rect class="series-${series[place][0]}" x=${at * wide + place * bar + wide * 0.1} y=${40 - height} width=${bar} height=${height}><title>${label} · ${series[place][1]}: ${money(value, currency)}</title></rect>`;
  }))}</svg>
    ${legend(series.map(([name, label]) => [`series-${name}`, label]))}</figure>`;
}
