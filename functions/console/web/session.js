// Who is signed in. A token is kept for this tab alone (sessionStorage), and is never in an address.

import { forget, forgetAll, keep as store, kept } from './kept.js';

const page = location.pathname.replace(/\/$/, '').split('/').pop();
const KEPT = `scrip:${page}:session`;
const PENDING = `scrip:${page}:sign-in`;

/** How long the issuer may take to answer, in milliseconds. */
const PATIENCE = 10_000;

const meta = (name) => document.querySelector(`meta[name="scrip-${name}"]`)?.content ?? '';
const issuer = meta('issuer');
const client = meta('client');
const audience = meta('audience');

let session = kept(KEPT);
let listener = () => {};

/** Whether there is an issuer to sign in at. */
export const hasIssuer = Boolean(issuer && client);

/** What is sent as `Authorization: Bearer`. */
export const bearer = () => session?.bearer ?? '';

/** Whether somebody is signed in. */
export const isSignedIn = () => session !== null;

/** Whether that is by an API key. */
export const isKey = () => session?.kind === 'key';

/** What a token says of itself. Nobody believes it here: the ledger checks it. */
function claims(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')), (byte) => byte.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

/** Whom the token is about. */
export const subject = () => (session?.kind === 'token' ? claims(session.bearer).sub : undefined);

/** The key of whoever is signed in, for what is kept in this tab: nobody finds another's. */
export const owner = () => session?.owner ?? '';

function keep(next) {
  session = next;
  if (next) store(KEPT, next);
  else forget(KEPT);
}

/** Signs in with an API key. */
export function useKey(key) {
  keep({ kind: 'key', bearer: key, owner: key.slice(-16) });
}

/** Signs in with a token that was handed over. */
export function useToken(token) {
  keep({ kind: 'token', bearer: token, owner: claims(token).sub ?? '' });
}

/** Calls this with whether the ledger takes the credential no longer. */
export function onEnd(call) {
  listener = call;
}

/** The ledger takes the credential no longer, or does again. */
export function ended(over = true) {
  listener(over);
}

/** Forgets the credential, and nothing that was typed. */
export function drop() {
  keep(null);
}

/** Asks the issuer to renew nothing by this any more, where it takes that. */
async function revoke(refresh) {
  try {
    const { oauth, options, server } = await discovered();
    if (server.revocation_endpoint) await oauth.revocationRequest(server, { client_id: client }, oauth.None(), refresh, options);
  } catch {
    // It ends by itself.
  }
}

/** Forgets everything that this tab holds. */
export async function signOut() {
  const { refresh } = session ?? {};
  forgetAll();
  keep(null);
  if (refresh) await revoke(refresh);
}

const own = () => location.origin + location.pathname;

/** The issuer, as its discovery tells; `http` on this machine alone. */
async function discovered() {
  const oauth = await import('./oauth4webapi.js');
  const url = new URL(issuer);
  const options = { [oauth.allowInsecureRequests]: ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname), signal: () => AbortSignal.timeout(PATIENCE) };
  const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, options));
  return { oauth, options, server };
}

/** What is asked for at the issuer: the scope that this page needs. */
const scope = page === 'console' ? 'openid scrip:admin' : 'openid';

/** Leaves for the issuer's page. What is open comes back after it. */
export async function begin() {
  const { oauth, server } = await discovered();
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  store(PENDING, { verifier, state, nonce, place: location.hash });
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client, redirect_uri: own(), response_type: 'code', scope, state, nonce, audience,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  location.assign(url);
}

function take(answer) {
  const refresh = answer.refresh_token ?? session?.refresh;
  keep({ kind: 'token', bearer: answer.access_token, refresh, owner: claims(answer.access_token).sub ?? '' });
}

/** Ends a sign-in that came back in this page's address; answers whether there was one. */
export async function finish() {
  const query = new URLSearchParams(location.search);
  const pending = kept(PENDING);
  if (!(query.has('code') || query.has('error'))) return false;
  const back = new URL(location.href);
  history.replaceState(null, '', location.pathname + (pending?.place ?? ''));
  if (!pending) return false;
  forget(PENDING);
  const { oauth, options, server } = await discovered();
  const us = { client_id: client };
  const params = oauth.validateAuthResponse(server, us, back, pending.state);
  const response = await oauth.authorizationCodeGrantRequest(server, us, oauth.None(), params, own(), pending.verifier, options);
  take(await oauth.processAuthorizationCodeResponse(server, us, response, { expectedNonce: pending.nonce, requireIdToken: true }));
  return true;
}

/** Signs out, and begins anew. */
export async function leave() {
  await signOut();
  location.replace(location.pathname);
}

let renewing = null;

/** Gets another token, where the issuer gave something to get it with; answers whether it did. */
export function renew() {
  renewing ??= (async () => {
    if (!session?.refresh) return false;
    try {
      const { oauth, options, server } = await discovered();
      const us = { client_id: client };
      const response = await oauth.refreshTokenGrantRequest(server, us, oauth.None(), session.refresh, options);
      take(await oauth.processRefreshTokenResponse(server, us, response));
      return true;
    } catch {
      return false;
    }
  })().finally(() => { renewing = null; });
  return renewing;
}
