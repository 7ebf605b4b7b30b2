import assert from "node:assert/strict";
import { type Banner, bannerOf, newestChange, renderTop, sourcesOf, titleOf } from "../src/page_header.tsx";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { elementsOf } from "./support/html.ts";
import { agoMs, alert, missingJump, nowMs } from "./support/letters.ts";
import { lab, lost, rig } from "./support/page_lab.ts";

const troubled = [rig("pend00", [missingJump], { sinceMs: agoMs(4) }), rig("spin31")];
const usual = lab(troubled);
const { feeds, book, mail, webhook, probes, heartbeat, store } = usual;
const counts = { ...feeds.jump.counts, skipped: 1, badFrames: 2, connects: 3, reconnects: 1 };

function sourceTexts(given: Partial<Snapshot>): string[] {
  const html = renderTop(lab(troubled, given), nowMs);
  const sources = /<ul class="sources">.*?<\/ul>/s.exec(html)?.[0] ?? "";
  return elementsOf(sources).filter(({ tag }) => tag === "li").map(({ text }) => text.replace(/\s+/g, " ").trim());
}

const quoted = 'relay answered 500 "token invalid"';
const sources: Record<string, [Partial<Snapshot>, at: number, text: RegExp]> = {
  "a feed that reports": [{}, 0, /^jump live for 10 hlast report 0 s agoone every 5 s$/],
  "a feed that connects": [
    { feeds: { ...feeds, jump: { ...feeds.jump, state: "connecting", lastSuccessMs: null, intervalMs: null } } },
    0,
    /^jump connecting for 10 h$/,
  ],
  "a feed that reports more than once a second": [
    { feeds: { ...feeds, jump: { ...feeds.jump, intervalMs: 250 } } },
    0,
    /one every 250 ms$/,
  ],
  "a feed that reports once a second": [
    { feeds: { ...feeds, jump: { ...feeds.jump, intervalMs: 1_000 } } },
    0,
    /one every 1 s$/,
  ],
  "a feed that had trouble twice": [
    { feeds: { ...feeds, jump: { ...feeds.jump, counts: { ...counts, skipped: 2, badFrames: 1 } } } },
    0,
    /2 entries skipped1 bad frame/,
  ],
  "a feed that is late": [{ feeds: { ...feeds, jump: { ...feeds.jump, state: "late" } } }, 0, /^jump late for/],
  "a feed that is lost, and why": [
    { feeds: { ...feeds, relay: { ...lost(feeds.relay), lastError: quoted } } },
    1,
    /^relay lost for 3 minlast report 3 min agoone every 5 srelay answered 500 "token invalid"$/,
  ],
  "an error that is over": [
    { feeds: { ...feeds, relay: { ...feeds.relay, lastError: quoted } } },
    1,
    /last error, overrelay answered 500 "token invalid"$/,
  ],
  "what a feed had trouble with": [
    { feeds: { ...feeds, jump: { ...feeds.jump, counts, tokenExpiresMs: nowMs + 5_400_000 } } },
    0,
    /one every 5 s1 entry skipped2 bad framesconnected 3 timestoken good for 1 h 30 min$/,
  ],
  "a token that has expired": [
    { feeds: { ...feeds, jump: { ...feeds.jump, tokenExpiresMs: nowMs - 1 } } },
    0,
    /token expired$/,
  ],
  "a relay without statistics": [
    { feeds: { ...feeds, relay: { ...feeds.relay, generation: "unmeasured" } } },
    1,
    /gives no statistics/,
  ],
  "book": [
    { book: { ...book, writes: 3, waiting: 1 } },
    2,
    /^book ok for 10 hlast answer 0 s ago1 change waiting2 resources3 changes written$/,
  ],
  "book that has not been read": [
    { book: { ...book, state: "unread", lastSuccessMs: null, resources: 0 } },
    2,
    /^book not read yet for 10 h0 resources$/,
  ],
  "book that fails": [
    { book: { ...book, state: "failing", lastError: "book answered 502" } },
    2,
    /^book failing .*book answered 502$/,
  ],
  "book that lists nothing": [{ book: { ...book, state: "empty" } }, 2, /^book lists nothing for/],
  "mail": [{ mail: { ...mail, sent: 4 } }, 3, /^mail idle for 10 hlast mail 0 s ago4 sent$/],
  "no mail": [
    { mail: { ...mail, state: "off", lastSuccessMs: null } },
    3,
    /^mail off for 10 halerts go to the log alone$/,
  ],
  "mail that waits": [
    { mail: { ...mail, state: "failing", waiting: 2, oldestMs: agoMs(42), failed: 9, lastError: "450 try later" } },
    3,
    /^mail failing .*2 mails waiting, the oldest for 42 min9 tries failed450 try later$/,
  ],
  "listening to streams": [
    { probes: { ...probes, state: "probing", streams: 12, failed: 2, lastSuccessMs: nowMs } },
    3,
    /^listening ok .*last heard 0 s agoto 12 streams in turn2 tries failed$/,
  ],
  "listening that fails": [
    { probes: { ...probes, state: "failing", streams: 1, lastError: "relay answered 500" } },
    3,
    /^listening failing .*to 1 stream in turn.*relay answered 500$/,
  ],
  "a webhook that waits": [
    {
      webhook: {
        ...webhook,
        state: "failing",
        waiting: 1,
        oldestMs: agoMs(2),
        failed: 1,
        lastError: "it answered 502",
      },
    },
    4,
    /^webhook failing .*1 message waiting, the oldest for 2 min1 try failedit answered 502$/,
  ],
  "a heartbeat": [
    { heartbeat: { ...heartbeat, state: "ok", lastSuccessMs: nowMs } },
    4,
    /^heartbeat ok .*last answer 0 s ago$/,
  ],
  "a heartbeat that is withheld": [
    { heartbeat: { ...heartbeat, state: "withheld", lastError: "relay is lost", failed: 3 } },
    4,
    /^heartbeat withheld .*3 tries failedrelay is lost$/,
  ],
  "the store": [{}, 4, /^store ok for 10 hlast write 0 s ago$/],
  "a mail that failed once": [{ mail: { ...mail, state: "waiting", waiting: 1, failed: 1 } }, 3, /1 try failed$/],
  "a store in memory": [
    { store: { ...store, state: "memory", lastSuccessMs: null } },
    4,
    /^store in memory for 10 ha restart forgets history and unsent mail$/,
  ],
  "a store that fails": [
    { store: { ...store, state: "failing", waiting: 7, lastError: "disk I/O error" } },
    4,
    /^store failing .*7 changes waitingdisk I\/O error$/,
  ],
};
for (const [name, [given, at, text]] of Object.entries(sources)) {
  Deno.test(`the sources: ${name}`, () => assert.match(sourceTexts(given)[at] ?? "", text));
}

Deno.test("the sources that are not set up, or not needed, are left out", () => {
  const off = { ...usual, probes: { ...probes, state: "idle" as const } };

  assert.deepEqual(sourcesOf(off, nowMs).map(({ name }) => name), ["jump", "relay", "book", "mail", "store"]);
});

Deno.test("the sources are always the same five, each with a shape of its own for its state", () => {
  const states = sourcesOf({ ...usual, feeds: { ...feeds, relay: lost(feeds.relay) } }, nowMs);

  assert.deepEqual(states.map(({ name, mark }) => `${name} ${mark}`), [
    "jump healthy",
    "relay unhealthy",
    "book healthy",
    "mail healthy",
    "store healthy",
  ]);
});

Deno.test("the top tells the client the number in trouble, the title and how many each choice has", () => {
  const [top] = elementsOf(renderTop(usual, nowMs));

  assert.equal(top?.attributes.id, "top");
  assert.equal(top?.attributes["data-trouble"], "1");
  assert.equal(top?.attributes["data-title"], "(1) status: 1 of 2 experiments needs attention");
  assert.deepEqual(JSON.parse(top?.attributes["data-counts"] ?? ""), {
    all: 2,
    trouble: 1,
    unavailable: 0,
    held: 0,
    extra: 0,
  });
});

Deno.test("the banner says which trouble is the newest, and when all this was true", () => {
  const text = elementsOf(renderTop(usual, nowMs)).find(({ attributes }) => attributes.class === "banner trouble")
    ?.text;

  assert.match(text ?? "", /1 healthy · 1 unhealthyNewest: pend00, 4 min agoas of 22 Nov 2026, 20:31:14 UTC$/);
});

const steady: Record<string, [ReturnType<typeof rig>, want: RegExp]> = {
  "of all that work it says how long they have": [rig("pend00", [], { sinceMs: agoMs(4) }), /No change for 4 min/],
  "what is starting has not been without a change": [
    rig("pend00", [], { state: "starting", judged: false, sinceMs: agoMs(4) }),
    /^(?!.*(No change|Newest))/,
  ],
  "nor has what nobody knows of": [
    rig("pend00", [], { state: "unknown", sinceMs: agoMs(4) }),
    /^(?!.*(No change|Newest))/,
  ],
};
for (const [name, [view, want]] of Object.entries(steady)) {
  Deno.test(`the banner: ${name}`, () => {
    const banner = elementsOf(renderTop(lab([view]), nowMs)).find(({ attributes }) =>
      attributes.class?.startsWith("banner")
    );

    assert.match(banner?.text ?? "", want);
  });
}

Deno.test("system alerts are said in full, with their cause, one line each", () => {
  const detail = "book answered\n<b>502</b>";
  const html = renderTop(lab(troubled, { alerts: [alert("book-lost", { detail, atMs: agoMs(12) })] }), nowMs);

  const item = elementsOf(html).find(({ tag, text }) => tag === "li" && text.includes("availability may be"));
  assert.match(
    item?.text ?? "",
    /book does not answer so availability may be out of date: book answered <b>502<\/b> for 12 min$/,
  );
});

Deno.test("the problems are there to be copied as a mail has them", () => {
  const html = renderTop(lab(troubled, { alerts: [alert("relay-lost")] }), nowMs);

  assert.equal(
    elementsOf(html).find(({ tag }) => tag === "pre")?.text,
    "System time: 2026-11-22T20:31:14Z\n\nSystem alerts:\nrelay has no fresh reports so may be down\n\n" +
      "All new and existing health issues:\npend00 -- A   [missing jump]\n",
  );
  assert.match(html, /<button type="button" id="copy" hidden="">/);
});

Deno.test("of more problems than anyone reads the first thousand lines are there, and how many more there are", () => {
  const all = Array.from({ length: 1_100 }, (_, at) => rig(`rig${at}`, [missingJump], { streams: [], turns: [] }));
  const text = elementsOf(renderTop(lab(all), nowMs)).find(({ tag }) => tag === "pre")?.text ?? "";

  assert.equal(text.split("\n").length, 1_001);
  assert.match(text, /and \d+ lines more$/);
});

const many = (count: number, given: Partial<ExperimentView> = {}, from = 0) =>
  Array.from({ length: count }, (_, at) => rig(`rig${at + from}`, [], given));
const sick = (count: number, given: Partial<ExperimentView> = {}) =>
  Array.from({ length: count }, (_, at) => rig(`sick${at}`, [missingJump], given));
const starting = { state: "starting", judged: false } as const;
const unknown = { state: "unknown" } as const;
const relayLost = { feeds: { ...feeds, relay: lost(feeds.relay) } };
const jumpLost = { feeds: { ...feeds, jump: lost(feeds.jump) } };
const silent = { ...feeds.jump, state: "connecting", lastSuccessMs: null } as const;

const banners: Record<string, [Snapshot, Banner["kind"], headline: string, more: string, trouble: number]> = {
  "all well": [lab(many(14)), "well", "All 14 experiments work", "14 healthy", 0],
  "one, and it is well": [lab(many(1)), "well", "The one experiment works", "1 healthy", 0],
  "some in trouble": [
    lab([...many(12), ...sick(2)]),
    "trouble",
    "2 of 14 experiments need attention",
    "12 healthy · 2 unhealthy",
    2,
  ],
  "one in trouble": [
    lab([...many(13), ...sick(1)]),
    "trouble",
    "1 of 14 experiments needs attention",
    "13 healthy · 1 unhealthy",
    1,
  ],
  "the only one in trouble": [lab(sick(1)), "trouble", "1 of 1 experiment needs attention", "1 unhealthy", 1],
  "trouble is said before alerts and what is starting": [
    lab([...many(1, starting), ...sick(1)], { alerts: [alert("book-lost")] }),
    "trouble",
    "1 of 2 experiments needs attention",
    "1 unhealthy · 1 starting",
    1,
  ],
  "all starting": [
    lab(many(14, starting)),
    "starting",
    "Nothing is known yet: 14 experiments starting",
    "14 starting",
    0,
  ],
  "some starting": [
    lab([...many(12), ...many(2, starting, 12)]),
    "starting",
    "12 of 14 experiments work, 2 are starting",
    "12 healthy · 2 starting",
    0,
  ],
  "relay lost": [lab(many(3, unknown), relayLost), "unknown", "Health is unknown: relay is lost", "3 unknown", 0],
  "jump lost": [lab(many(3, unknown), jumpLost), "unknown", "Health is only half known: jump is lost", "3 unknown", 0],
  "both feeds lost": [
    lab(many(3, unknown), { feeds: { jump: lost(feeds.jump), relay: lost(feeds.relay) } }),
    "unknown",
    "Health is unknown: jump and relay are lost",
    "3 unknown",
    0,
  ],
  "relay lost while some were in trouble": [
    lab([...many(2, unknown), ...sick(1, unknown)], relayLost),
    "unknown",
    "Health is unknown: relay is lost",
    "As last known, 1 of 3 experiments needs attention / 3 unknown",
    1,
  ],
  "all well but for a system alert": [
    lab(many(2), { alerts: [alert("book-lost"), alert("store-failing")] }),
    "warned",
    "All 2 experiments work, with 2 system alerts",
    "2 healthy",
    0,
  ],
  "all well but for mail": [
    lab(many(2), { mail: { ...mail, state: "failing" } }),
    "warned",
    "All 2 experiments work, but no mail gets through",
    "2 healthy",
    0,
  ],
  "what book has of them": [
    lab([
      rig("a", [], { available: false, held: "new arm" }),
      rig("b", [], { resources: [], available: false, wanted: null }),
      rig("c"),
    ]),
    "well",
    "All 3 experiments work",
    "3 healthy · 1 unavailable · 1 held by a person · 1 not in book",
    0,
  ],
  "nothing, as book has not been read": [
    lab([], { book: { ...book, state: "unread", lastSuccessMs: null } }),
    "nothing",
    "Nothing to watch yet",
    "Book has not been read yet, and no feed has named an experiment",
    0,
  ],
  "nothing, though all answer": [
    lab([]),
    "nothing",
    "Nothing to watch yet",
    "Book lists no resources: load a manifest into book, or connect an experiment to jump or relay",
    0,
  ],
  "nothing, and the feeds are silent": [
    lab([], { feeds: { jump: silent, relay: silent } }),
    "nothing",
    "Nothing to watch yet",
    "Book lists no resources, and jump and relay have not reported: load a manifest into book, or connect an experiment " +
    "to jump or relay",
    0,
  ],
};
for (const [name, [snapshot, kind, headline, more, trouble]] of Object.entries(banners)) {
  Deno.test(`the banner: ${name}`, () => {
    const banner = bannerOf(snapshot);

    assert.deepEqual({ ...banner, more: banner.more.join(" / ") }, { kind, headline, more, trouble });
  });
}

Deno.test("the tab's title begins with the number in trouble, if there is one", () => {
  assert.equal(titleOf(bannerOf(lab([...many(1), ...sick(2)]))), "(2) status: 2 of 3 experiments need attention");
  assert.equal(titleOf(bannerOf(lab(many(2)))), "status: All 2 experiments work");
});

Deno.test("the newest change is that of the newest trouble, and without trouble the newest of all", () => {
  const well = [rig("a", [], { sinceMs: agoMs(1) }), rig("b", [], { sinceMs: agoMs(9) })];
  const troubled = [rig("c", [missingJump], { sinceMs: agoMs(7) }), rig("d", [missingJump], { sinceMs: agoMs(8) })];

  assert.equal(newestChange(lab([...well, ...troubled]))?.name, "c");
  assert.equal(newestChange(lab(well))?.name, "a");
  assert.equal(newestChange(lab([])), null);
});
