// What every screen does: it reads, shows, and is left.

import { html } from './lit-html.js';
import { Refusal } from './ledger.js';
import { Deed, Form } from './form.js';
import { failed, reading } from './parts.js';
import { t } from './words.js';

/** Goes to another place of these pages, such as `#/customers/alice`. */
export function go(place) {
  location.hash = place;
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
    this.error = null;
    try {
      this.data = await this.load(this.signal);
    } catch (error) {
      if (this.signal.aborted) return;
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

  /** The form of this name, made at its first use. */
  form(name, options) {
    if (!this.forms.has(name)) this.forms.set(name, new Form(`${this.about}:${name}`, { draw: this.draw, ...options() }));
    return this.forms.get(name);
  }

  /** What is done by one click, made at its first use. */
  deed(name, options) {
    if (!this.forms.has(name)) this.forms.set(name, new Deed(`${this.about}:${name}`, { draw: this.draw, ...options() }));
    return this.forms.get(name);
  }

  /** Forgets a form that was left: the next one has another key. */
  drop(name) {
    this.forms.get(name)?.forget();
    this.forms.delete(name);
  }

  show() {
    if (this.error && !this.data) return failed(this.error, this.read);
    if (!this.data) return reading();
    return html`${this.error ? failed(this.error, this.read) : ''}${this.content(this.data)}`;
  }
}
