/** What a message to the webhook says: the letter and the problems of the moment, as JSON that every reader takes. */
import fc from "fast-check";
import assert from "node:assert/strict";
import type { Notification } from "../src/alerts.ts";
import { messageSchema, type WebhookJson } from "../src/api_schema.ts";
import type { Snapshot } from "../src/snapshot.ts";
import { messageBytesMax, webhookMessage, webhookTest } from "../src/webhook.ts";
import { experimentJson } from "./support/api.ts";
import {
  agoMs,
  alert,
  event,
  letter,
  missingJump,
  missingRequired,
  nowMs,
  snapshot,
  unhealthy,
  view,
} from "./support/letters.ts";

const heading = { id: "8e03978e-40d5-43e8-bc93-6894a57f9324", name: "app.example.org/t", link: "" };
const textOf = (
  given: Partial<Notification>,
  lab: Snapshot = snapshot(),
  pause = () => Promise.resolve(),
): Promise<string> => webhookMessage(letter(given), { snapshot: lab, heading, nowMs }, pause);
const message = async (given: Partial<Notification>, lab?: Snapshot): Promise<WebhookJson> =>
  messageSchema.parse(JSON.parse(await textOf(given, lab)));

Deno.test("a message says what is new, what book then holds, and all problems", async () => {
  const lab = snapshot([
    view("turn04", [missingRequired("turn04-st-data")], {
      available: false,
      sinceMs: agoMs(90),
    }),
    view("pend00", [missingJump], { held: "being mended" }),
    view("spin31"),
  ]);
  const issues = [missingJump, unhealthy("pend00-st-video")];
  const events = [
    event("pend00", issues, { jumpOk: false, streamOk: { "pend00-st-video": false }, lastedMs: 90_500 }),
    event("gone01"),
  ];
  const alerts = [alert("relay-lost", { detail: "connection refused" }), alert("book-lost", { turn: "cleared" })];

  assert.deepEqual(await message({ events, alerts, leftOut: { events: 7, alerts: 1 } }, lab), {
    version: 1,
    kind: "news",
    id: heading.id,
    created: "2026-11-22T20:31:14.120Z",
    system: { name: "app.example.org/t", version: "0.0.0", link: null },
    events: [
      {
        experiment: "pend00",
        healthy: false,
        issues: ["missing jump", "unhealthy pend00-st-video"],
        causes: [{ code: "missing-jump", topic: null }, { code: "unhealthy", topic: "pend00-st-video" }],
        jump_ok: false,
        stream_ok: { "pend00-st-video": false },
        when: "2026-11-22T20:31:14.120Z",
        available: true,
        held: "being mended",
        lasted_seconds: 90.5,
      },
      {
        experiment: "gone01",
        healthy: true,
        issues: [],
        causes: [],
        jump_ok: true,
        stream_ok: {},
        when: "2026-11-22T20:31:14.120Z",
        available: false,
        held: null,
        lasted_seconds: null,
      },
    ],
    alerts: [
      {
        code: "relay-lost",
        raised: true,
        text: "relay has no fresh reports so may be down: connection refused",
        when: "2026-11-22T20:31:14.120Z",
      },
      { code: "book-lost", raised: false, text: "book answers again", when: "2026-11-22T20:31:14.120Z" },
    ],
    problems: [
      {
        experiment: "pend00",
        issues: ["missing jump"],
        causes: [{ code: "missing-jump", topic: null }],
        available: true,
        held: "being mended",
        since: "2026-11-22T20:31:14.120Z",
      },
      {
        experiment: "turn04",
        issues: ["missing required turn04-st-data"],
        causes: [{ code: "missing-required", topic: "turn04-st-data" }],
        available: false,
        held: null,
        since: "2026-11-22T19:01:14.120Z",
      },
    ],
    left_out: { events: 7, alerts: 1, problems: 0 },
  });
});

Deno.test("every event of an experiment is told, in order, not the newest alone", async () => {
  const { events } = await message({ events: [event("a", [missingJump]), event("b"), event("a")] });
  assert.deepEqual(events.map(({ experiment, healthy }) => `${experiment} ${healthy}`), [
    "a false",
    "b true",
    "a true",
  ]);
});

for (const [when, atMs] of Object.entries({ earlier: nowMs - 3_600_000, later: nowMs + 3_600_000 })) {
  Deno.test(`since when a problem is one is told as the API tells it, though its event was told by a clock that was ${when}`, async () => {
    const unwell = view("pend00", [missingJump], {
      sinceMs: nowMs - 5_000,
      events: [event("pend00", [missingJump], { atMs })],
    });
    const [problem] = (await message({}, snapshot([unwell]))).problems;
    assert.equal(problem?.since, experimentJson(unwell, { addresses: false }).since);
  });
}

Deno.test("while its source is lost a problem is as old as the event that told of it", async () => {
  const events = [event("pend00", [missingJump], { atMs: nowMs - 60_000 })];
  const unknown = view("pend00", [missingJump], { state: "unknown", sinceMs: nowMs - 5_000, events });
  assert.equal((await message({}, snapshot([unknown]))).problems[0]?.since, "2026-11-22T20:30:14.120Z");
});

Deno.test("an experiment that has not been judged is no problem", async () => {
  assert.deepEqual((await message({}, snapshot([view("pend00", [missingJump], { judged: false })]))).problems, []);
});

Deno.test("a test message tells nothing, and says that it is one", () => {
  const test = messageSchema.parse(JSON.parse(webhookTest({ ...heading, link: "https://h/p" }, "1.2.3", nowMs)));
  assert.deepEqual([test.kind, test.events, test.alerts, test.problems], ["test", [], [], []]);
  assert.deepEqual(test.system, { name: "app.example.org/t", version: "1.2.3", link: "https://h/p" });
});

const odd: Record<string, [given: string, told: string]> = {
  "half an emoji": ["pend\ud83d", "pend\ufffd"],
  "the other half": ["\ude00pend", "\ufffdpend"],
  "two halves the wrong way round": ["\ude00\ud83d", "\ufffd\ufffd"],
  "a whole emoji": ["pend😀", "pend😀"],
  "a backslash before what looks like half of one": ["\\ud83d", "\\ud83d"],
  "two backslashes and half of one": ["\\\\\ud83d", "\\\\\ufffd"],
  "control characters": ["a\u0000\r\n\u007f\u2028b", "a\u0000\r\n\u007f\u2028b"],
  "markup": ["<b>&\"'", "<b>&\"'"],
  "a name that objects have": ["__proto__", "__proto__"],
};
for (const [name, [given, told]] of Object.entries(odd)) {
  Deno.test(`text from outside is told as it is, as JSON that every reader takes: ${name}`, async () => {
    const news = { events: [event(given, [unhealthy(given)], { streamOk: { [given]: true } })] };
    const json: WebhookJson = JSON.parse(await textOf(news));
    const [{ experiment, issues, stream_ok } = assert.fail("no event")] = json.events;
    assert.deepEqual([experiment, issues, Object.keys(stream_ok)], [told, [`unhealthy ${told}`], [told]]);
  });
}

Deno.test("whatever services make up, a message is UTF-8 that comes back the same, and what the schema says", async () => {
  const text = fc.string({ unit: "binary", maxLength: 30 });
  await fc.assert(fc.asyncProperty(text, text, text, async (name, topic, detail) => {
    const given = { events: [event(name, [unhealthy(topic)])], alerts: [alert("relay-lost", { detail })] };
    const lab = snapshot([view(name, [unhealthy(topic)], { held: detail })]);
    const json = await textOf(given, lab);
    assert.equal(new TextDecoder("utf-8", { fatal: true }).decode(new TextEncoder().encode(json)), json);
    const told = messageSchema.parse(JSON.parse(json));
    assert.equal(told.events[0]?.experiment, name.toWellFormed());
    assert.equal(told.problems[0]?.held, detail.toWellFormed());
    assert.ok(JSON.stringify(told).isWellFormed());
  }));
});

Deno.test("a message has a bound: of too much the newest events are told, and it is counted what is not", async () => {
  const long = "x".repeat(250);
  const many = Array.from({ length: 5_000 }, (_, at) => event(`${long}${at}`, [unhealthy(`${long}-st-${long}`)]));
  const lab = snapshot(many.map(({ experiment, issues }) => view(experiment, issues)));
  const json = await textOf({ events: many, leftOut: { events: 3, alerts: 0 } }, lab);

  const told = messageSchema.parse(JSON.parse(json));
  assert.ok(json.length <= messageBytesMax, `${json.length} bytes`);
  assert.equal(told.events.at(-1)?.experiment, `${long}4999`);
  assert.equal(told.events.length + told.left_out.events, 5_003);
  assert.equal(told.problems.length + told.left_out.problems, 5_000);
  assert.ok(told.events.length >= 1_000, `${told.events.length} events`);
});

Deno.test("no more than some hundred events or problems are written at once, and all else has its turn after each", async () => {
  const many = Array.from({ length: 1_000 }, (_, at) => event(`rig${at}`, [missingJump]));
  const written = [0];
  const views = many.map(({ experiment, issues }) => ({
    ...view(experiment, issues),
    get held() {
      written.push((written.pop() ?? 0) + 1); // of an event, and of a problem
      return null;
    },
  }));
  const turn = () => Promise.resolve(void written.push(0));
  await textOf({ events: many }, snapshot(views), turn);

  assert.equal(written.reduce((sum, each) => sum + each, 0), 2_000);
  assert.ok(Math.max(...written) <= 250, `written at once: ${written}`);
});
