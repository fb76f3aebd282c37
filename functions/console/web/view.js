// What every screen does: it reads, shows, and is left.

import { html, nothing } from './lit-html.js';
import { call, Refusal } from './ledger.js';
import { Form } from './form.js';
import { failed, reading } from './parts.js';
import { t } from './words.js';

/** Goes to another place of these pages, such as `#/customers/alice`; to the same, it is read again. */
export function go(place) {
  if (location.hash.slice(1) === place) dispatchEvent(new HashChangeEvent('hashchange', { newURL: 'again' }));
  else location.hash = place;
}

/** An address within these pages. */
export function link(parts, query = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== ''));
  return `#/${parts.map(encodeURIComponent).join('/')}${search.size ? `?${search}` : ''}`;
}

/** Where these pages are: the parts of the address behind `#/`, and its query. */
export function place() {
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?');
  return { parts: path.split('/').filter(Boolean).map(decoded), query: Object.fromEntries(new URLSearchParams(search)) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Shows what nobody expected, once, in place of a page that stands still. */
export function onDefect(show) {
  const tell = (what) => show(t('defect', { what: what?.message ?? String(what) }));
  addEventListener('error', ({ error, message }) => tell(error ?? message));
  addEventListener('unhandledrejection', ({ reason }) => tell(reason));
}

export class View {
  /** Where it is, and what shows the whole page again. */
  constructor(place, redraw) {
    this.place = place;
    this.redraw = redraw;
    this.leaving = new AbortController();
    this.data = null;
    this.error = null;
    this.forms = new Map();
  }

  get signal() {
    return this.leaving.signal;
  }

  draw = () => {
    if (!this.signal.aborted) this.redraw();
  };

  /** Reads what is shown. What was there stays until it is. */
  read = async () => {
    // What is asked later is newer, whichever answer comes first.
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.error = null;
    try {
      const data = await this.load(this.signal);
      if (turn !== this.turn) return;
      this.data = data;
    } catch (error) {
      if (this.signal.aborted || turn !== this.turn) return;
      if (!(error instanceof Refusal)) throw error;
      this.error = error;
    }
    this.draw();
  };

  /** Moves within the same screen, as into one of its dialogs. */
  move(place) {
    this.place = place;
    this.draw();
  }

  leave() {
    this.leaving.abort();
  }

  /** What its forms are about, such as one customer: another's have other keys and drafts. */
  get about() {
    return this.place.parts.slice(0, 2).join('/');
  }

  /** The form of this name, made at its first use; what it begins with and does is as of now. */
  form(name, options) {
    if (!this.forms.has(name)) this.forms.set(name, new Form(`${this.about}:${name}`, options));
    return this.forms.get(name).update({ draw: this.draw, ...options });
  }

  /** Forgets a form that was left, unless nobody knows what became of it: the next one has another key. */
  drop(name) {
    const form = this.forms.get(name);
    if (form?.idle) {
      form.reset();
      this.forms.delete(name);
    }
  }

  /** Writes a document over this version. What somebody else wrote meanwhile is read, and shown beside what was typed here. */
  async write(path, version, body) {
    try {
      return await call('PUT', path, { body, version });
    } catch (error) {
      if (error instanceof Refusal && error.code === 'conflict') this.read();
      throw error;
    }
  }

  /** Says what was done: here, or, if this was left meanwhile, wherever the reader is. */
  tell(text) {
    if (this.signal.aborted) {
      dispatchEvent(new CustomEvent('scrip:told', { detail: [this.place.parts[1], text].filter(Boolean).join(': ') }));
      return;
    }
    this.told = text;
    this.draw();
    // Whoever types goes on typing.
    if (!document.activeElement?.matches('input, select, textarea')) document.getElementById('told')?.focus();
  }

  /** What was done last. */
  saying() {
    return this.told ? html`<p class="notice good" role="status" id="told" tabindex="-1">${this.told}</p>` : nothing;
  }

  show() {
    if (this.error && !this.data) return failed(this.error, this.read);
    if (!this.data) return reading();
    return html`${this.error ? failed(this.error, this.read) : ''}${this.content(this.data)}`;
  }
}
