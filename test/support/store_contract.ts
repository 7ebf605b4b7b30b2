/**
 * What every store does, whatever it keeps things in: one suite, run for each in store_test.ts.
 * What only a file can do or suffer is in store_sqlite_test.ts.
 */
import assert from "node:assert/strict";
import type { Issue, Notification } from "../../src/alerts.ts";
import { type Persisted, runsMax, type StateChange, type StoreChange } from "../../src/persisted.ts";
import type { Store } from "../../src/store.ts";
import { atMost, event, experiment, letter, noonMs, nothing, saying, turn } from "./store_samples.ts";

/** A store to test. `reopen` gives it as it is after a restart of the program. */
export interface StoreSubject {
  readonly store: Store;
  reopen(): Promise<StoreSubject>;
  end(): Promise<void>;
}

const pend00 = saying.experiment(experiment("pend00"));
const bookLost = { code: "book-lost", turn: "raised", atMs: noonMs, detail: '503 "busy"' } as const;
const manifest = { atMs: noonMs, resources: [{ name: "r-pend00", stub: "pend00", required: ["pend00-st-data"] }] };
const manifestLater = { atMs: noonMs + 900_000, resources: [] };
const healthy = { healthy: true, issues: [], jumpOk: true, lastedMs: null };

/** What is recorded, one list a transaction, and what is then loaded (what is not named: nothing). */
const cases: Record<string, [records: StoreChange[][], loaded: Partial<Persisted>]> = {
  "holds nothing at first": [[], {}],
  "takes an empty record": [[[]], {}],
  "keeps an experiment as it was last judged": [[[pend00]], { experiments: [experiment("pend00")] }],
  "keeps an experiment that has nothing yet": [
    [[saying.experiment(experiment("pend00", { issues: [], host: null, streams: {} }))]],
    { experiments: [experiment("pend00", { issues: [], host: null, streams: {} })] },
  ],
  "replaces an experiment as a whole": [
    [[pend00], [saying.experiment(experiment("pend00", { sinceMs: 1, issues: [], host: null, streams: {} }))]],
    { experiments: [experiment("pend00", { sinceMs: 1, issues: [], host: null, streams: {} })] },
  ],
  "forgets an experiment, and gives its events no more": [
    [[pend00, saying.event(event("pend00"))], [{ kind: "forgotten", name: "pend00" }]],
    {},
  ],
  "has the events of a forgotten experiment when it is back": [
    [[pend00, saying.event(event("pend00"))], [{ kind: "forgotten", name: "pend00" }, pend00]],
    { experiments: [experiment("pend00")], events: new Map([["pend00", [event("pend00")]]]) },
  ],
  "forgets what it never knew": [[[{ kind: "forgotten", name: "pend00" }]], {}],
  "keeps an event with all that it says": [
    [[pend00, saying.event(event("pend00"))], [saying.event(event("pend00", noonMs + 1, healthy))]],
    {
      experiments: [experiment("pend00")],
      events: new Map([["pend00", [event("pend00"), event("pend00", noonMs + 1, healthy)]]]),
    },
  ],
  "moves what it was given of later to where the clock is put back to, and no more": [
    [
      [pend00, saying.event(event("pend00", noonMs + 5)), saying.event(event("pend00", noonMs + 1))],
      [saying.turn("pend00", turn(noonMs + 1)), saying.turn("pend00", turn(noonMs + 6, "unhealthy"))],
      [saying.run(noonMs, noonMs + 4), saying.run(noonMs + 5, noonMs + 9)],
      [{ kind: "clock-back", toMs: noonMs + 3 }, saying.run(noonMs + 3, noonMs + 3)],
      [saying.event(event("pend00", noonMs + 4))],
    ],
    {
      experiments: [experiment("pend00")],
      events: new Map([["pend00", [1, 3, 4].map((ms) => event("pend00", noonMs + ms))]]),
      stateChanges: new Map([["pend00", [turn(noonMs + 1), turn(noonMs + 3, "unhealthy")]]]),
      runs: [{ startedMs: noonMs, aliveMs: noonMs + 3 }, { startedMs: noonMs + 3, aliveMs: noonMs + 3 }],
    },
  ],
  "keeps two events that are the same": [
    [[pend00, saying.event(event("pend00")), saying.event(event("pend00"))]],
    { experiments: [experiment("pend00")], events: new Map([["pend00", [event("pend00"), event("pend00")]]]) },
  ],
  "gives events by their time, and those of one time as they were recorded": [
    [
      [pend00, saying.event(event("pend00", noonMs + 1)), saying.event(event("pend00", noonMs))],
      [saying.event(event("pend00", noonMs, healthy))],
    ],
    {
      experiments: [experiment("pend00")],
      events: new Map([
        ["pend00", [event("pend00", noonMs), event("pend00", noonMs, healthy), event("pend00", noonMs + 1)]],
      ]),
    },
  ],
  "owes a mail": [[[saying.letter(letter("a"))]], { notifications: [letter("a")] }],
  "owes a mail that had no room for all its news": [
    [[saying.letter(letter("a", { leftOut: { events: 7, alerts: 0 } }))]],
    { notifications: [letter("a", { leftOut: { events: 7, alerts: 0 } })] },
  ],
  "owes a reminder that tells of nothing new": [
    [[saying.letter(letter("a", { events: [], alerts: [], reminder: true }))]],
    { notifications: [letter("a", { events: [], alerts: [], reminder: true })] },
  ],
  "replaces a letter that has grown or was frozen": [
    [[saying.letter(letter("a"))], [saying.letter(letter("a", { events: [], frozen: "Subject: x\r\n\r\nBody\r\n" }))]],
    { notifications: [letter("a", { events: [], frozen: "Subject: x\r\n\r\nBody\r\n" })] },
  ],
  "gives letters oldest first, and those of one time as they were first recorded": [
    [
      [saying.letter(letter("z")), saying.letter(letter("a")), saying.letter(letter("m", { createdMs: noonMs - 1 }))],
      [saying.letter(letter("z", { reminder: true }))],
    ],
    { notifications: [letter("m", { createdMs: noonMs - 1 }), letter("z", { reminder: true }), letter("a")] },
  ],
  "owes a mail that was sent no more, and knows when": [
    [[saying.letter(letter("a")), saying.letter(letter("b"))], [{
      kind: "letter-sent",
      id: "a",
      channel: "mail",
      atMs: noonMs + 5,
    }]],
    { notifications: [letter("b")], lastMailMs: noonMs + 5 },
  ],
  "knows when the last mail was sent": [
    [[{ kind: "letter-sent", id: "a", channel: "mail", atMs: noonMs }], [{
      kind: "letter-sent",
      id: "b",
      channel: "mail",
      atMs: noonMs + 7,
    }]],
    { lastMailMs: noonMs + 7 },
  ],
  "keeps what the webhook is owed, and when it last took something, apart from the mail's": [
    [
      [saying.letter(letter("a", { channel: "webhook", frozen: "{}" })), saying.letter(letter("b"))],
      [{ kind: "letter-sent", id: "c", channel: "webhook", atMs: noonMs + 5 }],
    ],
    { notifications: [letter("a", { channel: "webhook", frozen: "{}" }), letter("b")], lastWebhookMs: noonMs + 5 },
  ],
  "owes what is dropped no more, and takes it for sent no more either": [
    [[saying.letter(letter("a")), saying.letter(letter("b"))], [{ kind: "letter-dropped", id: "a" }]],
    { notifications: [letter("b")] },
  ],
  "keeps a system alert": [[[{ kind: "alert", alert: bookLost }]], { alerts: new Map([["book-lost", bookLost]]) }],
  "keeps the newest words of a system alert": [
    [[{ kind: "alert", alert: bookLost }], [{ kind: "alert", alert: { ...bookLost, detail: "refused" } }]],
    { alerts: new Map([["book-lost", { ...bookLost, detail: "refused" }]]) },
  ],
  "removes a system alert that was cleared": [
    [[{ kind: "alert", alert: bookLost }], [{ kind: "alert", alert: { ...bookLost, turn: "cleared" } }]],
    {},
  ],
  "keeps the manifest": [[[{ kind: "manifest", manifest }]], { manifest }],
  "replaces the manifest": [
    [[{ kind: "manifest", manifest }], [{ kind: "manifest", manifest: manifestLater }]],
    { manifest: manifestLater },
  ],
  "applies the changes of a record in their order": [
    [[{ kind: "forgotten", name: "pend00" }, pend00, saying.letter(letter("a")), {
      kind: "letter-sent",
      id: "a",
      channel: "mail",
      atMs: noonMs,
    }]],
    { experiments: [experiment("pend00")], lastMailMs: noonMs },
  ],
  "keeps a fraction of a millisecond as the nearest whole one": [
    [[saying.experiment(experiment("pend00", { sinceMs: noonMs + 0.6, namedMs: -0.4 }))]],
    { experiments: [experiment("pend00", { sinceMs: noonMs + 1, namedMs: 0 })] },
  ],
};

const watched = saying.turn("pend00", turn(noonMs));
const forgotten = saying.turn("pend00", turn(noonMs + 9, "not_watched", false));

/** The same of history. */
const histories: typeof cases = {
  "keeps how an experiment stood, each state and what book said of it": [
    [[
      saying.turn("pend00", turn(1, "starting", false)),
      saying.turn("pend00", turn(2, "healthy", true)),
    ], [
      saying.turn("pend00", turn(3, "unhealthy", false)),
      saying.turn("pend00", turn(4, "unknown", true)),
    ]],
    {
      stateChanges: new Map([
        ["pend00", [turn(1, "starting", false), turn(2, "healthy"), turn(3, "unhealthy", false), turn(4, "unknown")]],
      ]),
    },
  ],
  "gives turns by their time, and those of one time as they were recorded": [
    [[saying.turn("pend00", turn(noonMs + 1, "unknown")), watched, saying.turn("pend00", turn(noonMs, "unhealthy"))]],
    { stateChanges: new Map([["pend00", [turn(noonMs), turn(noonMs, "unhealthy"), turn(noonMs + 1, "unknown")]]]) },
  ],
  "has no turns of an experiment that has none": [[[pend00]], { experiments: [experiment("pend00")] }],
  "gives the turns of a forgotten experiment no more": [[[watched], [forgotten]], {}],
  "has the turns of a forgotten experiment when it is back": [
    [[watched], [forgotten], [saying.turn("pend00", turn(noonMs + 10))]],
    { stateChanges: new Map([["pend00", [turn(noonMs), turn(noonMs + 9, "not_watched", false), turn(noonMs + 10)]]]) },
  ],
  "keeps when the monitor ran, in the order of that": [
    [[saying.run(300, 310)], [saying.run(100, 200)]],
    { runs: [{ startedMs: 100, aliveMs: 200 }, { startedMs: 300, aliveMs: 310 }] },
  ],
  "knows that a run goes on": [
    [[saying.run(100, 100)], [saying.run(100, 160)], [saying.run(100, 220)]],
    { runs: [{ startedMs: 100, aliveMs: 220 }] },
  ],
};

const oddNames: Record<string, string> = {
  "an empty one": "",
  "quotes": `'"\`; DROP TABLE events; --`,
  "backslashes": "\\\\u0000 \\",
  "__proto__": "__proto__",
  "a NUL": "pend\u000000",
  "line ends": "pend\r\n00",
  "an emoji": "pend😀",
  "half an emoji": "pend\ud83d",
  "4000 letters": "p".repeat(4000),
};

const refused: Record<string, StoreChange> = {
  "a time that is no number": saying.event(event("pend00", NaN)),
  "a time that no date has": saying.letter(letter("a", { createdMs: 1e300 })),
  "a clock that was put back to no time": { kind: "clock-back", toMs: NaN },
  "a turn at a time that is no number": saying.turn("pend00", turn(NaN)),
  "a run that never ends": saying.run(noonMs, Infinity),
  "an endless duration": saying.event(event("pend00", noonMs, { lastedMs: Infinity })),
};

export function storeContract(name: string, begin: () => Promise<StoreSubject>): void {
  const test = (says: string, play: (subject: StoreSubject) => Promise<void>) =>
    Deno.test(`${name} ${says}`, async () => {
      const subject = await begin();
      try {
        await play(subject);
      } finally {
        await subject.end();
      }
    });

  for (const [says, [records, loaded]] of Object.entries({ ...cases, ...histories })) {
    test(says, async (subject) => {
      for (const changes of records) await subject.store.record(changes);
      assert.deepEqual(await subject.store.load(atMost(100)), { ...nothing, ...loaded });
      assert.deepEqual(await (await subject.reopen()).store.load(atMost(100)), { ...nothing, ...loaded });
    });
  }

  for (const [what, odd] of Object.entries(oddNames)) {
    test(`keeps names as they are: ${what}`, (subject) => keepsName(odd, subject));
  }

  for (const [what, bad] of Object.entries(refused)) {
    test(`leaves out of a record what cannot be read back, and keeps the rest: ${what}`, async ({ store }) => {
      await store.record([saying.letter(letter("a")), bad, pend00]);

      const { experiments, notifications } = await store.load(atMost(100));
      assert.deepEqual([experiments, notifications.map(({ id }) => id)], [[experiment("pend00")], ["a"]]);
    });
  }

  test("gives the newest events of each experiment", givesNewest);
  test("deletes events from before a time, and nothing else", prunes);
  test("deletes a long history", prunesLongHistory);
  for (const [says, [turns, kept]] of Object.entries(prunedTurns)) {
    test(`deletes old turns: ${says}`, ({ store }) => prunesTurns(turns, kept, store));
  }
  test("deletes a long history of turns", prunesLongTurns);
  test("deletes runs that ended before a time, and the oldest of too many", prunesRuns);
  test("gives the newest turns of each experiment, and the newest runs", givesNewestTurns);
  test("gives how an experiment stood from a time on, the turn before that included", givesTurnsSince);
  test("keeps a mail of a megabyte", keepsGreatLetter);
  test("keeps what it was given last, of two records at once the first of which is long", keepsOrder);
  test("keeps what it was given, not what its caller makes of that", keepsItsOwn);
  test("can be closed twice", closesTwice);
}

async function keepsName(odd: string, subject: StoreSubject): Promise<void> {
  const changes: StoreChange[] = [
    saying.experiment(experiment(odd, { streams: { [odd]: { verdict: "ok", seenMs: 1 } } })),
    saying.experiment(experiment(`${odd}2`)),
    saying.event(event(odd, noonMs, { streamOk: { [odd]: true }, issues: [{ code: "missing", topic: odd }] })),
    saying.letter(letter(odd, { frozen: odd })),
    saying.turn(odd, turn(1)),
    { kind: "alert", alert: { ...bookLost, detail: odd } },
    { kind: "manifest", manifest: { atMs: 1, resources: [{ name: odd, stub: odd, required: [odd] }] } },
  ];
  await subject.store.record(changes);

  const saved = await (await subject.reopen()).store.load(atMost(1));

  assert.deepEqual(saved, {
    experiments: [
      experiment(odd, { streams: { [odd]: { verdict: "ok", seenMs: 1 } } }),
      experiment(`${odd}2`),
    ],
    events: new Map([
      [odd, [event(odd, noonMs, { streamOk: { [odd]: true }, issues: [{ code: "missing", topic: odd }] })]],
    ]),
    notifications: [letter(odd, { frozen: odd })],
    alerts: new Map([["book-lost", { ...bookLost, detail: odd }]]),
    manifest: { atMs: 1, resources: [{ name: odd, stub: odd, required: [odd] }] },
    stateChanges: new Map([[odd, [turn(1)]]]),
    runs: [],
    lastMailMs: null,
    lastWebhookMs: null,
  });
  assert.deepEqual(await subject.store.turns(odd, { sinceMs: 1, max: 1 }), [turn(1)]);
  await subject.store.record([{ kind: "forgotten", name: odd }, {
    kind: "letter-sent",
    id: odd,
    channel: "mail",
    atMs: 2,
  }]);
  const later = await subject.store.load(atMost(1));
  assert.deepEqual([later.experiments, later.notifications], [[experiment(`${odd}2`)], []]);
}

async function givesNewest({ store }: StoreSubject): Promise<void> {
  const turn04 = saying.experiment(experiment("turn04"));
  const events = [5, 1, 4, 2, 3].map((second) => saying.event(event("pend00", noonMs + second)));
  await store.record([pend00, turn04, ...events, saying.event(event("turn04"))]);

  const { events: newest } = await store.load(atMost(2));

  assert.deepEqual(
    newest,
    new Map([
      ["pend00", [event("pend00", noonMs + 4), event("pend00", noonMs + 5)]],
      ["turn04", [event("turn04")]],
    ]),
  );
}

async function prunes(subject: StoreSubject): Promise<void> {
  const old = event("pend00", noonMs - 1);
  await subject.store.record([pend00, saying.event(old), saying.event(event("pend00")), saying.event(old)]);
  await subject.store.record([saying.letter(letter("a", { events: [old], createdMs: 0 }))]);

  await subject.store.prune(noonMs);

  assert.deepEqual(await (await subject.reopen()).store.load(atMost(100)), {
    ...nothing,
    experiments: [experiment("pend00")],
    events: new Map([["pend00", [event("pend00")]]]),
    notifications: [letter("a", { events: [old], createdMs: 0 })],
  });
}

async function prunesLongHistory({ store }: StoreSubject): Promise<void> {
  const history = Array.from({ length: 5_001 }, (_, number) => saying.event(event("pend00", noonMs + number)));
  await store.record([pend00, ...history]);

  await store.prune(noonMs + 5_000);

  const { events } = await store.load(atMost(100));
  assert.deepEqual(events, new Map([["pend00", [event("pend00", noonMs + 5_000)]]]));
}

/** What is left of pend00's turns, as second and state, when those before the tenth second are deleted. */
const prunedTurns: Record<string, [turns: [second: number, state: StateChange["state"]][], kept: number[]]> = {
  "none": [[], []],
  "the only one stays, since it tells how it stood then": [[[1, "healthy"]], [1]],
  "of the old the newest stays": [[[1, "healthy"], [9, "unhealthy"], [10, "healthy"], [11, "unknown"]], [9, 10, 11]],
  "one at the very time is not old, and makes none superfluous": [[[1, "healthy"], [10, "unhealthy"]], [1, 10]],
  "the newest of one time": [[[1, "healthy"], [1, "unhealthy"]], [1]],
  "that it was not watched is said by nothing": [[[1, "healthy"], [2, "not_watched"]], []],
  "that it was not watched until a later time": [[[1, "healthy"], [2, "not_watched"], [12, "healthy"]], [12]],
  "that it was forgotten since": [[[1, "healthy"], [12, "not_watched"]], [1, 12]],
  "that it came back before": [[[1, "not_watched"], [2, "healthy"]], [2]],
};

async function prunesTurns(
  turns: readonly [second: number, state: StateChange["state"]][],
  kept: readonly number[],
  store: Store,
): Promise<void> {
  await store.record([
    ...turns.map(([second, state]) => saying.turn("pend00", turn(second * 1_000, state))),
    saying.turn("turn04", turn(3_000)),
    saying.turn("spin31", turn(3_000)),
  ]);

  await store.prune(10_000);

  const left = await store.turns("pend00", { sinceMs: -1, max: 100 });
  assert.deepEqual(left.map(({ atMs }) => atMs / 1_000), kept);
  assert.deepEqual(await store.turns("turn04", { sinceMs: -1, max: 100 }), [turn(3_000)]);
}

async function prunesLongTurns({ store }: StoreSubject): Promise<void> {
  const flaps = Array.from({ length: 5_001 }, (_, number) => {
    return saying.turn("pend00", turn(number, number % 2 === 0 ? "healthy" : "unhealthy"));
  });
  await store.record([...flaps, saying.turn("pend00", turn(5_001, "not_watched"))]);
  await store.record([saying.turn("turn04", turn(0)), saying.run(0, 1)]);

  await store.prune(10_000);

  assert.deepEqual(await store.load(atMost(100)), { ...nothing, stateChanges: new Map([["turn04", [turn(0)]]]) });
}

async function prunesRuns({ store }: StoreSubject): Promise<void> {
  await store.record([saying.run(0, 9_999), saying.run(5_000, 10_000)]);
  await store.prune(10_000);
  assert.deepEqual((await store.load(atMost(100))).runs, [{ startedMs: 5_000, aliveMs: 10_000 }]);

  await store.record(Array.from({ length: runsMax }, (_, number) => saying.run(20_000 + number, 90_000)));
  await store.prune(10_000);
  const { runs } = await store.load(atMost(2 * runsMax));
  assert.deepEqual([runs.length, runs[0]?.startedMs], [runsMax, 20_000]);
}

async function givesNewestTurns({ store }: StoreSubject): Promise<void> {
  const turns = [5, 1, 4, 2, 3].map((second) => saying.turn("pend00", turn(second)));
  await store.record([...turns, saying.turn("turn04", turn(9)), saying.run(3, 4), saying.run(5, 6), saying.run(1, 2)]);

  const { stateChanges: newest, runs } = await store.load(atMost(2));

  assert.deepEqual(newest, new Map([["pend00", [turn(4), turn(5)]], ["turn04", [turn(9)]]]));
  assert.deepEqual(runs.map(({ startedMs }) => startedMs), [3, 5]);
}

async function givesTurnsSince({ store }: StoreSubject): Promise<void> {
  const turns = [10, 20, 20, 30, 40].map((atMs) => saying.turn("pend00", turn(atMs)));
  await store.record([...turns, saying.turn("turn04", turn(25))]);
  const since = async (sinceMs: number, max = 100) => {
    return (await store.turns("pend00", { sinceMs, max })).map(({ atMs }) => atMs);
  };

  assert.deepEqual(await since(9), [10, 20, 20, 30, 40]);
  assert.deepEqual(await since(10), [10, 20, 20, 30, 40]);
  assert.deepEqual(await since(29), [20, 20, 30, 40]);
  assert.deepEqual(await since(30), [30, 40]);
  assert.deepEqual(await since(99), [40]);
  assert.deepEqual(await since(0, 2), [30, 40]);
  assert.deepEqual(await store.turns("spin31", { sinceMs: 0, max: 100 }), []);
}

async function keepsGreatLetter(subject: StoreSubject): Promise<void> {
  const frozen = `Subject: great\r\n\r\n${'é😀\u0000\\"'.repeat(200_000)}`;
  await subject.store.record([saying.letter(letter("a", { frozen }))]);

  const { notifications: letters } = await (await subject.reopen()).store.load(atMost(1));

  assert.equal(letters[0]?.frozen === frozen, true);
}

async function keepsOrder({ store }: StoreSubject): Promise<void> {
  const history = Array.from({ length: 5_000 }, (_, number) => saying.event(event("pend00", noonMs + number)));
  const was = experiment("pend00", { sinceMs: 1 }), is = experiment("pend00", { sinceMs: 2 });

  const records = [store.record([...history, saying.experiment(was)]), store.record([saying.experiment(is)])];
  const { experiments } = await store.load(atMost(1));

  assert.deepEqual(experiments, [is]);
  await Promise.all(records);
}

async function keepsItsOwn({ store }: StoreSubject): Promise<void> {
  const issues: Issue[] = [{ code: "missing-jump" }];
  await store.record([saying.experiment(experiment("pend00", { issues })), saying.letter(letter("a"))]);
  issues.push({ code: "missing-jump" });

  const first = await store.load(atMost(1));
  assert.deepEqual(first.experiments[0]?.issues, [{ code: "missing-jump" }]);
  for (
    const part of [first.experiments[0], first.experiments[0]?.streams, first.notifications[0]?.events[0]?.issues[0]]
  ) {
    assert.equal(Object.isFrozen(part), true);
  }
  (first.notifications as Notification[]).pop();
  (first.events as Map<string, unknown>).set("turn04", []);
  const second = await store.load(atMost(1));
  assert.deepEqual([second.notifications, second.events], [[letter("a")], new Map()]);
}

async function closesTwice({ store }: StoreSubject): Promise<void> {
  await store.close();
  await store.close();
}
