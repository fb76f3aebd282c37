// The console: where the merchant sees and acts.

import { html, nothing, render } from './lit-html.js';
import { get, Refusal } from './ledger.js';
import * as session from './session.js';
import { t } from './words.js';
import { failed, languages } from './parts.js';
import { useZone } from './show.js';
import { go, link, onDefect, place } from './view.js';
import { Customers } from './customers.js';
import { Customer } from './customer.js';
import { Requests } from './requests.js';
import { Group, Groups, Progress } from './groups.js';
import { Settings } from './settings.js';
import { Reports } from './reports.js';
import { Keys } from './keys.js';
import { Changes } from './changes.js';
import { Till } from './till.js';

/** How often waiting requests are counted, in milliseconds. */
const COUNT = 30_000;

const root = document.getElementById('page');
document.title = t('console');

// What is known of whoever signed in: `admin`, or `store` for a till's key.
let role = null;
let view = null;
let waiting = null;
let over = false;
let trouble = null;
// What was done in a screen that was left meanwhile.
let late = null;
// Whether somebody came by a key.
let byKey = false;
// Whether it is found out who signed in.
let entering = true;

/** The screens: the address's first parts that make one, what it is, and whether the till's key may see it. */
const SCREENS = [
  { path: ['till'], parts: 2, make: Till, store: true },
  { path: ['customers'], parts: 2, make: Customer, store: true, needs: 2 },
  { path: ['customers'], parts: 1, make: Customers, list: true },
  { path: ['requests'], parts: 1, make: Requests },
  { path: ['groups'], parts: 2, make: Group, needs: 2 },
  { path: ['groups'], parts: 1, make: Groups, list: true },
  { path: ['progress'], parts: 2, make: Progress, needs: 2 },
  { path: ['reports'], parts: 1, make: Reports, list: true },
  { path: ['settings'], parts: 1, make: Settings },
  { path: ['changes'], parts: 1, make: Changes, list: true },
  { path: ['keys'], parts: 1, make: Keys, list: true },
];

const MENU = ['till', 'customers', 'requests', 'groups', 'reports', 'settings', 'changes', 'keys'];

function screenAt({ parts, query }) {
  const screen = SCREENS.find(({ path, needs = 1 }) => parts[0] === path[0] && parts.length >= needs) ?? SCREENS[role === 'store' ? 0 : 2];
  const name = JSON.stringify([screen.make.name, parts.slice(0, screen.parts), screen.list ? query : null]);
  return { screen, name };
}

function open() {
  const at = place();
  const { screen, name } = screenAt(at);
  if (view?.name === name) {
    const same = JSON.stringify(view.place) === JSON.stringify(at);
    view.move(at);
    // Asked for once more: it is read once more.
    if (same) view.read();
    return;
  }
  view?.leave();
  trouble = late = null;
  document.title = `${t(screen.make === Progress ? 'menu.groups' : `menu.${screen.path[0]}`)} · ${t('console')}`;
  if (role === 'store' && !screen.store) {
    view = null;
    draw();
    return;
  }
  view = new screen.make(at, draw, role);
  view.name = name;
  view.screen = screen;
  draw();
  view.read();
  scrollTo(0, 0);
  (document.querySelector('[autofocus]') ?? document.getElementById('main'))?.focus({ preventScroll: true });
}

/** Counts what waits for an answer. */
async function countWaiting() {
  if (role !== 'admin' || document.hidden || over) return;
  try {
    const { data, next_cursor: next } = await get('topups', { status: 'pending', limit: 200 });
    waiting = next ? `${data.length}+` : String(data.length);
    draw();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

function signIn() {
  const withKey = async (event) => {
    event.preventDefault();
    const key = new FormData(event.target).get('key').trim();
    byKey = true;
    session.useKey(key);
    await enter();
  };
  return html`<main id="main" class="sign" tabindex="-1"><h1>${t('console')}</h1><p>${t('sign.why')}</p>
    ${trouble ? (typeof trouble === 'string' ? html`<p class="notice bad" role="alert">${trouble}</p>` : failed(trouble, enter)) : nothing}
    ${session.hasIssuer ? html`<p><button type="button" class="main" @click=${begin}>${t('sign.in')}</button></p>` : nothing}
    <details ?open=${byKey || !session.hasIssuer}><summary>${t('sign.key')}</summary>
      <form @submit=${withKey}><label class="field">${t('sign.key.label')}<input name="key" type="password" autocomplete="off" required pattern="\\s*sk_\\S+\\s*"><small>${t('sign.key.hint')}</small></label>
      <button class=${session.hasIssuer ? 'plain' : 'main'}>${t('sign.key.use')}</button></form></details>
    ${languages()}</main>`;
}

/** Asks for another sign-in, and forgets nothing that was typed. */
function again() {
  session.drop();
  view?.leave();
  view = null;
  role = null;
  over = false;
  draw();
}

function begin() {
  session.begin().catch((error) => {
    trouble = t('sign.failed', { why: error.message });
    draw();
  });
}

function shell() {
  const items = MENU.filter((item) => role === 'admin' || item === 'till');
  const current = view?.screen.path[0];
  return html`<a class="skip" href="#main" @click=${(event) => { event.preventDefault(); document.getElementById('main').focus(); }}>${t('skip')}</a>
    <header class="top"><strong>${t('console')}</strong>
      <nav aria-label=${t('menu')}>${items.map((item) => html`<a href=${link([item])} aria-current=${item === current ? 'page' : nothing}>${t(`menu.${item}`)}${item === 'requests' && waiting && waiting !== '0'
    ? html` <span class="count" aria-label=${t('waiting', { count: waiting })}>${waiting}</span>` : nothing}</a>`)}</nav>
      <span class="who">${languages()}<button type="button" class="plain" @click=${session.leave}>${t('sign.out')}</button></span></header>
    ${over ? html`<div class="notice bad over" role="alert">${t('sign.over')} <button type="button" class="main" @click=${session.isKey() ? again : begin}>${t('sign.again')}</button></div>` : nothing}
    ${trouble ? html`<p class="notice bad over" role="alert">${trouble}</p>` : nothing}
    ${late ? html`<p class="notice good over" role="status">${late}</p>` : nothing}
    <main id="main" tabindex="-1">${view ? view.show() : html`<p class="notice bad">${t('store.may.not')}</p>`}</main>`;
}

// What had the focus before a dialog took it.
let opener = null;

/** Before anything is known. */
const opening = () => html`<main id="main" class="sign" tabindex="-1">${trouble ? html`<p class="notice bad" role="alert">${trouble}</p>` : html`<p class="reading" role="status">${t('reading')}</p>`}</main>`;

function draw() {
  const { activeElement } = document;
  const open = root.querySelector('dialog[open]');
  render(role ? shell() : entering ? opening() : signIn(), root);
  const shown = root.querySelector('dialog:not([open])');
  if (shown) {
    opener = activeElement;
    shown.showModal();
    shown.querySelector('form :is(input, select, textarea, button)')?.focus();
  } else if (open && !open.isConnected && opener?.isConnected) {
    opener.focus();
  }
}

/** Finds out what whoever signed in may do, and opens the console. */
async function enter() {
  trouble = null;
  entering = true;
  draw();
  try {
    const { settings } = await get('settings');
    useZone(settings.time_zone);
    role = 'admin';
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 403 && session.isKey()) {
      role = 'store';
    } else {
      trouble = error.status === 403 ? t('sign.not.staff') : error.status === 401 && session.isKey() ? t('sign.key.wrong') : error;
      if (error.status === 401 || error.status === 403) session.drop();
      entering = false;
      draw();
      return;
    }
  }
  entering = over = false;
  open();
  countWaiting();
}

onDefect((told) => {
  trouble = told;
  draw();
});
session.onEnd((ended) => {
  if (!role || over === ended) return;
  over = ended;
  draw();
});
// What was done where nobody is any more.
addEventListener('scrip:told', ({ detail }) => {
  late = detail;
  draw();
});
addEventListener('hashchange', () => { if (role) open(); });
addEventListener('scrip:waiting', countWaiting);
document.addEventListener('visibilitychange', countWaiting);
setInterval(countWaiting, COUNT);

draw();
try {
  await session.finish();
} catch (error) {
  trouble = t('sign.failed', { why: error.message });
}
if (session.isSignedIn() && !trouble) {
  await enter();
} else {
  entering = false;
  draw();
}
if (!location.hash && role) go(role === 'store' ? '/till' : '/customers');
