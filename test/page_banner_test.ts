import assert from "node:assert/strict";
import { type Banner, bannerOf, newestChange, titleOf } from "../src/page_header.tsx";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { agoMs, alert, missingJump } from "./support/letters.ts";
import { lab, lost, rig } from "./support/page_lab.ts";

const many = (count: number, given: Partial<ExperimentView> = {}, from = 0) =>
  Array.from({ length: count }, (_, at) => rig(`rig${at + from}`, [], given));
const sick = (count: number, given: Partial<ExperimentView> = {}) =>
  Array.from({ length: count }, (_, at) => rig(`sick${at}`, [missingJump], given));
const starting = { state: "starting", judged: false } as const;
const unknown = { state: "unknown" } as const;
const { feeds, book, mail } = lab([]);
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
