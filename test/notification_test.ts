import assert from "node:assert/strict";
import { isEmpty, joined, lettersBound, merged, newNotification, newReminder } from "../src/notification.ts";
import { alert, event, letter, missingJump, nowMs } from "./support/letters.ts";

const { eventsMax, alertsMax } = lettersBound;
const many = (count: number, from = 0) => Array.from({ length: count }, (_, at) => event(`e${from + at}`));
const begun = { id: "one", channel: "mail", createdMs: nowMs } as const;

Deno.test("a new letter holds its news", () => {
  const news = { events: [event("a")], alerts: [alert("relay-lost")] };
  assert.deepEqual(newNotification(begun, news), letter({ id: "one", createdMs: nowMs, ...news }));
});

Deno.test("later news come behind what is there", () => {
  const both = joined(letter({ events: [event("a")], alerts: [alert("relay-lost")] }), {
    events: [event("b")],
    alerts: [alert("jump-lost")],
  });
  assert.deepEqual(both.events.map(({ experiment }) => experiment), ["a", "b"]);
  assert.deepEqual(both.alerts.map(({ code }) => code), ["relay-lost", "jump-lost"]);
});

Deno.test("a reminder that is joined by news is a mail of news", () => {
  assert.equal(newReminder(begun).reminder, true);
  assert.equal(joined(newReminder(begun), { events: [event("a")], alerts: [] }).reminder, false);
  assert.equal(joined(newReminder(begun), { events: [], alerts: [] }).reminder, true);
});

Deno.test("over the bound, events that a newer one of their experiment makes old go first, and none is missed", () => {
  const full = letter({ events: [event("a", [missingJump]), ...many(eventsMax - 2), event("z")] });
  const both = joined(full, { events: [event("a")], alerts: [] });
  assert.equal(both.events.length, eventsMax);
  assert.deepEqual(both.events.filter(({ experiment }) => experiment === "a"), [event("a")]);
  assert.equal(both.leftOut, undefined);
});

Deno.test("no more of them go than must", () => {
  const events = [event("a", [missingJump]), event("b", [missingJump]), ...many(eventsMax - 3), event("a")];
  const both = joined(letter({ events }), { events: [event("b")], alerts: [] });
  assert.deepEqual(both.events.slice(0, 2), [event("b", [missingJump]), event("e0")]);
});

Deno.test("then the oldest go, and are counted", () => {
  const both = joined(letter({ events: many(eventsMax - 1) }), { events: many(3, eventsMax), alerts: [] });
  assert.equal(both.events.length, eventsMax);
  assert.equal(both.events[0]?.experiment, "e2");
  assert.deepEqual(both.leftOut, { events: 2, alerts: 0 });
  const more = joined(both, { events: many(1, 2 * eventsMax), alerts: [] });
  assert.deepEqual(more.leftOut, { events: 3, alerts: 0 });
});

Deno.test("of more alerts than the bound the newest are kept, and the others counted", () => {
  const alerts = Array.from({ length: alertsMax }, () => alert("relay-lost"));
  const both = joined(letter({ alerts }), { events: [], alerts: [alert("jump-lost")] });
  assert.equal(both.alerts.length, alertsMax);
  assert.equal(both.alerts.at(-1)?.code, "jump-lost");
  assert.deepEqual(both.leftOut, { events: 0, alerts: 1 });
});

Deno.test("letters that wait together become the first, and the others are left with nothing in them", () => {
  const { letter: all, emptied } = merged([
    letter({ id: "one", events: [event("a")] }),
    letter({ id: "two", events: [event("b")], leftOut: { events: 4, alerts: 1 } }),
    letter({ id: "three", alerts: [alert("jump-lost")], leftOut: { events: 1, alerts: 0 } }),
  ]);
  assert.equal(all.id, "one");
  assert.deepEqual(all.events, [event("a"), event("b")]);
  assert.deepEqual(all.alerts, [alert("jump-lost")]);
  assert.deepEqual(all.leftOut, { events: 5, alerts: 1 });
  assert.deepEqual(emptied.map(({ id }) => id), ["two", "three"]);
  assert.ok(emptied.every(isEmpty));
});

Deno.test("a reminder owes something, that something was left out too, an emptied letter does not", () => {
  assert.equal(isEmpty(letter({ leftOut: { events: 1, alerts: 0 } })), false);
  assert.equal(isEmpty(newReminder(begun)), false);
  assert.equal(isEmpty(letter()), true);
});
