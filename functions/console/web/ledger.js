// The API, as these pages call it: https://…/docs says what each call takes and answers.

import { bearer, renew, ended } from './session.js';

const BASE = new URL('v1/', document.baseURI);
/** Tries of a call that may be sent again. */
const TRIES = 4;
/** The longest pause between two of them, in milliseconds, whatever the ledger asks for. */
const PATIENCE = 5_000;
/** How long one try may take, in milliseconds: longer than the API takes to give up itself. */
const TRY = 15_000;

/** What the ledger refused, as RFC 9457 says it; `offline` where nobody answered. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.code);
    this.status = status;
    this.code = problem.code;
    this.problem = problem;
  }

  /** Whether it is not known what became of this try. */
  get unknown() {
    return this.status === 0 || this.status >= 500;
  }

  /** Whether it says that no try with this key was done: whoever decided looked the key up before. */
  get settles() {
    return [404, 409, 422].includes(this.status) && !['unreadable', 'idempotency_mismatch'].includes(this.code);
  }
}

/** A place among an order's lines before all others, wherever the credit's own is. */
export const FIRST_LINE = -1_000_000_000;

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function tell(response) {
  const text = await response.text();
  // API Gateway's own refusals have no code.
  const other = { code: response.status === 429 ? 'throttled' : response.status === 401 ? 'unauthenticated' : 'unreadable', detail: text.slice(0, 200) };
  try {
    const problem = JSON.parse(text);
    return new Refusal(response.status, problem?.code ? problem : other);
  } catch {
    return new Refusal(response.status, other);
  }
}

/** How long to wait before the next try; nothing if there is to be none. */
function pause(refusal, response, tried) {
  if (tried >= TRIES) return null;
  const asked = Number(response?.headers.get('retry-after')) * 1000;
  const again = refusal.status === 0 || [429, 500, 502, 503, 504].includes(refusal.status) || (refusal.status === 409 && asked > 0);
  return again ? Math.min(asked || 300 * 2 ** tried, PATIENCE) : null;
}

/**
 * Calls the API and answers what it said. What reads, and what has a key, is sent again while nobody answers or the ledger asks for
 * patience; with the same key that moves nothing twice. `waiting` hears of each further try.
 */
export async function call(method, path, { query, body, key, version, signal, waiting, as = 'json' } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
  }
  const again = method === 'GET' || key !== undefined;
  let renewed = false;
  let unsure = false;
  for (let tried = 1; ; tried += 1) {
    const headers = { authorization: `Bearer ${bearer()}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (key !== undefined) headers['idempotency-key'] = key;
    if (version !== undefined) headers['if-match'] = String(version);
    let response;
    let refusal;
    try {
      const patience = AbortSignal.timeout(TRY);
      response = await fetch(url, {
        method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store', credentials: 'omit',
        signal: signal ? AbortSignal.any([signal, patience]) : patience,
      });
      if (response.ok) {
        ended(false);
        if (as === 'response') return response;
        return response.status === 204 ? null : await response.json();
      }
      refusal = await tell(response);
    } catch (error) {
      if (signal?.aborted) throw error;
      refusal = new Refusal(0, { code: 'offline', detail: String(error) });
    }
    if (refusal.status === 401) {
      if (!renewed && (await renew())) {
        renewed = true;
        continue;
      }
      ended();
    }
    unsure = refusal.unknown || (unsure && !refusal.settles);
    // Whether any of the tries may have been done.
    refusal.unsure = unsure;
    const wait = again ? pause(refusal, response, tried) : null;
    if (wait === null) throw refusal;
    waiting?.(tried);
    await sleep(wait);
  }
}

/** Reads. */
export const get = (path, query, signal) => call('GET', path, { query, signal });

/** All pages of a list, up to so many, and whether there are more. */
export async function all(path, query, most, signal) {
  const data = [];
  let cursor;
  do {
    const page = await get(path, { ...query, limit: 200, cursor }, signal);
    data.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor && data.length < most);
  return { data, more: Boolean(cursor) };
}

/** A part of a path. */
export const part = (text) => encodeURIComponent(text);

/** The path of a customer. */
export const customerPath = (customer, rest = '') => `customers/${part(customer)}${rest}`;
