/** Whether wishes are answered where book lists a resource no longer: nothing of it is waited for. */
import assert from "node:assert/strict";
import { ResourceTable } from "../src/book_sync.ts";
import type { DesiredAvailability } from "../src/health.ts";
import { resource, startMs } from "./support/bench.ts";
import { no } from "./support/book_desk.ts";

function ledgerOf(wishes: Record<string, DesiredAvailability>): ResourceTable {
  const ledger = new ResourceTable({ holds: "respect", writes: true }, () => {});
  ledger.adopt([resource("pend00", [])]);
  ledger.wish(new Map(Object.entries(wishes)));
  return ledger;
}

Deno.test("a wish for a resource that leaves before book has said anything of it is not waited for", () => {
  const ledger = ledgerOf({ "r-pend00": no });
  assert.equal(ledger.isSettled, false);

  ledger.adopt([resource("spin31", [])]);
  assert.equal(ledger.isSettled, true);
});

Deno.test("nor is one for a resource that leaves while book is asked about it", () => {
  const ledger = ledgerOf({});
  const [entry = assert.fail()] = ledger.jobs();
  ledger.begin(entry);
  ledger.learn(entry, { kind: "said", available: true, reason: "", atMs: startMs });
  ledger.wish(new Map([["r-pend00", no]]));
  assert.equal(ledger.isSettled, false);

  ledger.adopt([resource("spin31", [])]);
  assert.equal(ledger.isSettled, true);
});
