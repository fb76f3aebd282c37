/**
 * A client of Scrip: every call of its API by path and method, with types made of docs/openapi.json (`schema.d.ts`).
 *
 * What it adds to `openapi-fetch` is what money needs: a call that may be sent again is sent again, with the same key, until
 * somebody answers; and a refusal is an error with its code and figures.
 */
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

/** The things of the API by their names: `Schemas["Entry"]`. */
export type Schemas = components["schemas"];

/** Why a call failed: RFC 9457, with a `code` that stays. */
export type Problem = Schemas["Problem"];

/** How a client behaves. */
export interface Options {
  /** Times that a call is sent in all; 4 unless it is said. */
  tries?: number;
  /** Milliseconds that one try may take; 10,000 unless it is said. */
  timeout?: number;
}

/**
 * The service refused a call, and nothing moved. After a status of 500 or 503 that is not known: the same call with the same key
 * tells, and does it if it was not done.
 */
export class ScripError extends Error {
  /** What went wrong, for programs: `insufficient_credit`, `hold_expired` … */
  readonly code: string;

  constructor(readonly status: number, readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
    this.name = "ScripError";
    this.code = problem.code;
  }
}

/** A client with an API key, or with a customer's token. */
export function scrip(url: string, credential: string, options: Options = {}): Client<paths, "application/json"> {
  const { tries = 4, timeout = 10_000 } = options;
  const client = createClient<paths, "application/json">({
    baseUrl: url,
    headers: { Authorization: `Bearer ${credential}` },
    fetch: (request) => persistently(request, tries, timeout),
  });
  client.use({
    async onResponse({ response }) {
      if (!response.ok) {
        throw new ScripError(response.status, await problemOf(response));
      }
    },
  });
  return client;
}

/** What a call answered. A refusal was thrown before. */
export async function answer<T>(call: Promise<{ data?: T }>): Promise<T> {
  // An answer of 204 has no data, and its type says so.
  return (await call).data as T;
}

/**
 * Sends a request until it is answered with more than "not now". Only what does nothing twice is sent twice: reading, and
 * whatever has an `Idempotency-Key`, which each try carries.
 */
async function persistently(request: Request, tries: number, timeout: number): Promise<Response> {
  const repeatable = request.method === "GET" || request.headers.has("Idempotency-Key");
  for (let left = repeatable ? tries : 1; ; left -= 1) {
    const wait = 100 * 2 ** (tries - left) * (0.5 + Math.random() / 2);
    try {
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeout)]);
      const answered = await fetch(request.clone(), { signal });
      // All of it: what ends before its end is no answer.
      const body = await answered.arrayBuffer();
      const { status, statusText, headers } = answered;
      const response = new Response(body.byteLength > 0 ? body : null, { status, statusText, headers });
      const later = response.headers.get("Retry-After");
      if (left <= 1 || (response.status < 500 && later === null)) {
        return response;
      }
      await pause(Math.max(wait, 1_000 * Math.min(Number(later ?? 0) || 0, 10)));
    } catch (error) {
      // Nobody answered: whether it was done, the next try tells.
      if (left <= 1 || request.signal.aborted) {
        throw error;
      }
      await pause(wait);
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}

/** The problem that an answer tells of; one of our own where something before the service answered. */
async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    return JSON.parse(text) as Problem;
  }
  const { status, statusText } = response;
  return { type: "about:blank", title: statusText, status, code: "unknown", detail: text.slice(0, 200) };
}
