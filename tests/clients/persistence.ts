// The client behind a line that loses answers (`tests/clients/run` makes it), and before whoever is no Scrip.
import assert from "node:assert/strict";
import { answer, scrip, ScripError } from "./scrip.js";

const { url = "", line = "", store_key = "", customer_token = "" } = process.env;
const path = { customer: "carol" };

function grant(client: ReturnType<typeof scrip>, key: string) {
  return answer(client.POST("/v1/customers/{customer}/grants", {
    params: { path, header: { "Idempotency-Key": key } },
    body: { amount: "5.00", category: "paid" },
  }));
}

async function refused(call: Promise<unknown>): Promise<ScripError> {
  const error = await call.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof ScripError, String(error));
  return error;
}

// The first answer is lost, or says "not now": the same call is sent again, and credits once.
for (const fault of ["lost", "busy"]) {
  const { account } = await grant(scrip(`${line}/${fault}`, store_key), `ts-${fault}`);
  assert.equal(account.balance, fault === "lost" ? "5.00" : "10.00");
}
// What ends before its end is no answer either.
assert.equal((await grant(scrip(`${line}/cut`, store_key), "ts-busy")).account.balance, "10.00");
const read = await answer(scrip(`${line}/lost`, store_key).GET("/v1/customers/{customer}", { params: { path } }));
assert.equal(read.accounts[0]?.balance, "10.00");

// What has no key is sent once: whether it was done, its sender has to look.
const asked = await answer(scrip(url, store_key).POST("/v1/customers/{customer}/topups", {
  params: { path, header: { "Idempotency-Key": "ts-topup" } },
  body: { amount: "5.00", payment: { mode: "online", method: "card" } },
}));
await assert.rejects(scrip(`${line}/lost`, store_key).POST("/v1/customers/{customer}/topups/{topup}/cancel", {
  params: { path: { ...path, topup: asked.topup.id } },
}));
const topups = await answer(scrip(url, store_key).GET("/v1/customers/{customer}/topups", { params: { path } }));
assert.equal(topups.data[0]?.status, "cancelled");

// Refusals are not tried again, and have a code and figures.
const order = { id: "1", lines: [{ code: "sub_total", amount: "99.00", sort_order: 1 }] };
const short = await refused(scrip(`${line}/as-is`, store_key).POST("/v1/customers/{customer}/redemptions", {
  params: { path, header: { "Idempotency-Key": "ts-refused" } },
  body: { amount: "99.00", order },
}));
assert.deepEqual([short.status, short.code, short.problem.available], [422, "insufficient_credit", "10.00"]);
const stranger = await refused(scrip(url, "sk_wrong").GET("/v1/customers/{customer}", { params: { path } }));
assert.deepEqual([stranger.status, stranger.code], [401, "unauthenticated"]);
// To alice, carol does not exist.
const other = await refused(scrip(url, customer_token).GET("/v1/customers/{customer}", { params: { path } }));
assert.equal(other.code, "customer_not_found");

// Whoever keeps failing is given up after so many tries.
const broken = await refused(grant(scrip(`${line}/broken`, store_key, { tries: 3 }), "ts-broken"));
assert.deepEqual([broken.status, broken.code], [502, "unknown"]);
const slow = grant(scrip(`${line}/silent`, store_key, { tries: 2, timeout: 200 }), "ts-silent");
await assert.rejects(slow, { name: "TimeoutError" });
