/**
 * The laboratory of the kill loop: its random changes, what was true when, and so what a monitor must have said in the end and
 * may have said on the way. `settle` waits for quiet and compares everything.
 */
import type { ExperimentJson, HistoryJson } from "../../src/api_schema.ts";
import type { Dice } from "../seeded.ts";
import type { World } from "../simulator/world.ts";
import { forgotten, historyFaults, knownOf, type StatusSaid, unrest } from "./kill_loop.ts";
import type { KillStage } from "./kill_stage.ts";
import { storeContents } from "./kill_subject.ts";

/** How a stream or a host stood. A host is never silent. */
type Standing = "ok" | "silent" | "absent";

type Change = (lab: KillLab, dice: Dice) => unknown;

/** By experiment, what connects to relay. */
const layout: Readonly<Record<string, { streams: readonly string[]; required?: readonly string[] }>> = {
  pend00: { streams: ["st-data", "st-video"] },
  pend01: { streams: ["st-data", "st-video"] },
  pend02: { streams: ["st-data"] },
  spin00: { streams: ["st-data", "st-extra", "st-video"], required: ["st-data", "st-video"] },
  spin01: { streams: ["st-data", "st-extra"], required: ["st-data"] },
};
// How late an event may be: the limit for a missing entry is 2 s, and the machine may be busy.
const lateMs = 15_000;

// Only one that sends: another would look as if it had only just fallen silent.
const stall: Change = ({ world }, dice) => {
  const sending = talking(world);
  if (sending.length > 0) dice.pick(sending).stall(dice.pick([0, 5_000]));
};
const vanish: Change = ({ world }, dice) => dice.pick(streams(world)).vanish();
const mend: Change = ({ world }, dice) => dice.pick(streams(world)).appear();
const pull: Change = ({ world }, dice) => dice.pick(hosts(world)).pull();
const plug: Change = ({ world }, dice) => dice.pick(hosts(world)).plug();

/** What can happen, each as often as it stands here. */
const changes: Readonly<Record<string, readonly [times: number, change: Change]>> = {
  stall: [5, stall],
  vanish: [3, vanish],
  mend: [8, mend],
  resume: [4, ({ world }, dice) => dice.pick(streams(world)).resume()],
  "never sent": [1, ({ world }, dice) => dice.pick(streams(world)).appear("never")],
  pull: [4, pull],
  plug: [4, plug],
  hold: [2, (lab, dice) => lab.takeOff(dice)],
  free: [2, (lab, dice) => lab.putBack(dice)],
  strike: [1, (lab, dice) => lab.strike(dice)],
  list: [1, (lab) => lab.listAll()],
  "manifest again": [1, ({ world }) => world.loadManifest()],
  "book away": [1, ({ world }, dice) => world.book[dice.pick(["stop", "hang", "restart"] as const)]()],
  "book refuses": [1, ({ world }) => world.book.refuse(503, "<html>away</html>", "text/html")],
  "book back": [2, ({ world }) => world.book.start()],
  "mail away": [1, ({ world }) => world.mailbox.stop()],
  "mail hangs": [1, ({ world }, dice) => world.mailbox.hang(dice.pick(["CONNECT", "MAIL", "RCPT", "DATA"] as const))],
  "mail deferred": [1, ({ world }, dice) => world.mailbox.refuse(dice.pick(["MAIL", "DATA"] as const), 451, "later")],
  "mail refused": [1, ({ world }, dice) => world.mailbox.refuse(dice.pick(["RCPT", "DATA"] as const), 550, "no")],
  "mail unsaid": [1, ({ world }) => world.mailbox.dropAfterData()],
  "hook away": [1, ({ world }, dice) => dice.chance(0.5) ? world.hook.stop() : world.hook.fail({ kind: "hang" })],
  "hook answers": [2, ({ world }, dice) => world.hook.answer(dice.pick([400, 409, 500, 503]))],
  "hook unsaid": [1, ({ world }) => world.hook.dropNext()],
  "hook back": [2, ({ world }) => world.hook.start()],
  "mail back": [4, ({ world }) => world.mailbox.start()],
  "feed away": [
    1,
    ({ world }, dice) => world[dice.pick(["jump", "relay"] as const)][dice.pick(["stop", "mute"] as const)](),
  ],
  "feed drops": [1, ({ world }, dice) => world[dice.pick(["jump", "relay"] as const)].drop()],
  "feeds back": [3, (lab) => lab.feedsBack()],
};
const weighted = Object.entries(changes).flatMap(([name, [times]]) => Array<string>(times).fill(name));

export class KillLab {
  readonly world: World;
  readonly #told: (line: string) => void;
  /** By `host NAME` or `stream TOPIC`, oldest first. */
  readonly #past = new Map<string, { atMs: number; standing: Standing }[]>();

  constructor(world: World, told: (line: string) => void) {
    this.world = world;
    this.#told = told;
    for (const [name, options] of Object.entries(layout)) world.addExperiment(name, options);
    world.addExperiment("lone00", { resource: null });
    world.addExperiment("turn00", { resource: "r-turn00-a", required: ["st-data"] });
    world.book.manifest.set("r-turn00-b", { stub: "turn00", streams: ["st-video"] });
    world.loadManifest();
    this.#note();
  }

  /** One thing happens; which, is the dice's. */
  async change(dice: Dice): Promise<void> {
    const name = dice.pick(weighted);
    this.#told(`change: ${name}`);
    await changes[name]?.[1](this, dice);
    this.#note();
  }

  /** Something happens of which both an event and a change in book follow, unless it is held. */
  stir(dice: Dice): void {
    (dice.chance(0.5) ? mend : stall)(this, dice);
    (dice.chance(0.5) ? pull : plug)(this, dice);
    this.#note();
  }

  /** A stream that sends stops, another sends again; the next report tells of it. */
  flip(topic: string): void {
    const stream = this.world.stream(topic);
    if (this.#now(`stream ${topic}`) === "ok") stream.stall(60_000);
    else stream.appear();
    this.#note();
  }

  /** The services are well; the experiments are as they are. */
  async heal(): Promise<void> {
    const { book, mailbox, hook } = this.world;
    await book.start();
    if (book.loaded().length === 0) this.world.loadManifest();
    await mailbox.start();
    if (hook.mode.kind !== "up") await hook.start();
    await this.feedsBack();
  }

  async feedsBack(): Promise<void> {
    await this.world.jump.start();
    await this.world.relay.start();
  }

  takeOff(dice: Dice): void {
    const [resource] = this.#aResource(dice);
    if (resource) this.world.book.takeOff(resource, dice.pick(["being repaired", "exam on Monday"]));
  }

  putBack(dice: Dice): void {
    const [resource] = this.#aResource(dice);
    if (resource) this.world.book.putBack(resource);
  }

  /** An experiment's resources leave the manifest, and book is told. */
  strike(dice: Dice): void {
    const { manifest } = this.world.book;
    if (manifest.size < 4) return;
    const { stub } = dice.pick([...manifest.values()]);
    for (const [name, each] of manifest) if (each.stub === stub) manifest.delete(name);
    this.world.loadManifest();
  }

  listAll(): void {
    const { manifest } = this.world.book;
    for (const [name, { streams, required = streams }] of Object.entries(layout)) {
      manifest.set(`r-${name}`, { stub: name, streams: required });
    }
    for (const [end, stream] of [["a", "st-data"], ["b", "st-video"]] as const) {
      manifest.set(`r-turn00-${end}`, { stub: "turn00", streams: [stream] });
    }
    this.world.loadManifest();
  }

  /** The whole topics that book requires of an experiment. */
  required(name: string): Set<string> {
    const own = this.world.book.loaded().filter(({ stub }) => stub === name);
    return new Set(own.flatMap(({ streams }) => streams.map((stream) => `${name}-${stream}`)));
  }

  /** What is wrong with an experiment of these streams, when things have stood as they do for long enough. */
  issues(name: string, topics: readonly string[]): string[] {
    const required = this.required(name);
    const sorted = topics.toSorted();
    const missing = sorted.filter((topic) => this.#now(`stream ${topic}`) === "absent");
    return [
      ...(this.#now(`host ${name}`) === "absent" ? ["missing jump"] : []),
      ...missing.filter((topic) => required.has(topic)).map((topic) => `missing required ${topic}`),
      ...missing.filter((topic) => !required.has(topic)).map((topic) => `missing ${topic}`),
      ...sorted.filter((topic) => this.#now(`stream ${topic}`) === "silent").map((topic) => `unhealthy ${topic}`),
    ];
  }

  /** Whether every stream that a resource requires is ok. */
  isWell({ stub, streams }: { stub: string; streams: readonly string[] }): boolean {
    return streams.every((stream) => this.#now(`stream ${stub}-${stream}`) === "ok");
  }

  /** The streams and the host that are reported of an experiment now. */
  reported(name: string): string[] {
    const own = [...this.world.lab.streams.keys()].filter((topic) => topic.startsWith(`${name}-st-`));
    return own.filter((topic) => this.#now(`stream ${topic}`) !== "absent");
  }

  /** Whether `issue` (null: none) of a stream or host can have been seen shortly before `atMs`. */
  wasSo(entry: string, issue: string | null, atMs: number): boolean {
    const wanted: Standing = issue === null ? "ok" : issue.startsWith("unhealthy") ? "silent" : "absent";
    const past = this.#past.get(entry) ?? [];
    return past.some(({ atMs: fromMs, standing }, at) =>
      standing === wanted && fromMs <= atMs && (past[at + 1]?.atMs ?? Infinity) >= atMs - lateMs
    );
  }

  #aResource(dice: Dice): string[] {
    const loaded = this.world.book.loaded();
    return loaded.length === 0 ? [] : [dice.pick(loaded).name];
  }

  #now(entry: string): Standing {
    return this.#past.get(entry)?.at(-1)?.standing ?? "absent";
  }

  #note(): void {
    const { lab, board } = this.world;
    const atMs = board.clock.nowMs();
    const seen = (entry: string, standing: Standing) => {
      const past = this.#past.get(entry) ?? [];
      if (past.at(-1)?.standing !== standing) this.#past.set(entry, [...past, { atMs, standing }]);
    };
    for (const [name, { connection }] of lab.hosts) seen(`host ${name}`, connection === null ? "absent" : "ok");
    for (const [topic, { senders }] of lab.streams) {
      const talks = senders.some(({ speech }) => speech.kind === "talking");
      seen(`stream ${topic}`, senders.length === 0 ? "absent" : talks ? "ok" : "silent");
    }
  }
}

function streams(world: World) {
  return [...world.lab.streams.values()];
}

function talking(world: World) {
  return streams(world).filter(({ senders }) => senders.some(({ speech }) => speech.kind === "talking"));
}

function hosts(world: World) {
  return [...world.lab.hosts.values()];
}

// Waiting for quiet, then comparing mails and webhook (`kill_audit`), PUTs, API and book.

const restMsMax = 120_000;

export class Settler {
  readonly #stage: KillStage;
  /** What the program knew of when it was last at rest. */
  #known: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(stage: KillStage) {
    this.#stage = stage;
  }

  /** The services are mended and the program started, if it does not run; it pays all that it owes. Throws what is wrong. */
  async rest(): Promise<void> {
    const stage = this.#stage;
    await stage.lab.heal();
    if (!stage.isRunning) stage.start();
    await stage.listening();
    let left: string[] = [];
    const isQuiet = async () => (left = await this.#unrest()).length === 0;
    // On a busy machine a feed may be late, and that be told of. What is wrong by a report shows up in the next few.
    const staysQuiet = async () => await isQuiet() && (await stage.reports(5), await isQuiet());
    await stage.until(staysQuiet, "rest", restMsMax).catch((error) => {
      throw new Error(`it does not come to rest:\n  ${left.join("\n  ")}`, { cause: error });
    });
    await this.#compare();
  }

  /** Throws what was found wrong so far. */
  check(faults: readonly string[] = []): void {
    const all = [...faults, ...this.#stage.audit.faults, ...this.#stage.book.faults];
    if (all.length > 0) throw new Error(all.join("\n  "));
  }

  async #unrest(): Promise<string[]> {
    const stage = this.#stage;
    const [status, experiments] = await this.#said();
    return [...unrest(status, experiments, stage.lab), ...forgotten(experiments, this.#known)];
  }

  async #said(): Promise<[StatusSaid, ExperimentJson[]]> {
    const stage = this.#stage;
    return [await stage.json<StatusSaid>("/api/v1/status"), await stage.json<ExperimentJson[]>("/api/v1/experiments")];
  }

  async #compare(): Promise<void> {
    const stage = this.#stage;
    const [, experiments] = await this.#said();
    this.#known = knownOf(experiments);
    const stored = storeContents(stage.storeFile);
    stage.audit.atRest(stored, stage.lab);
    const faults = stored.alerts.map((code) => `the alert ${code} is still up`);
    for (const said of experiments) {
      const name = said.topic_name;
      const path = `/api/v1/experiments/${name}/history?window=1h`;
      faults.push(...historyFaults(await stage.json<HistoryJson>(path), said, stage.gaps));
      const events = await stage.json<{ when: string; issues: string[] }[]>(`/api/v1/experiments/events/${name}`);
      const shown = events.map(({ when, issues }) => `${new Date(when).toISOString()} ${issues}`).join("; "); // as whole ms
      const kept = stored.events.filter(({ experiment }) => experiment === name)
        .map(({ atMs, issues }) => `${new Date(atMs).toISOString()} ${issues}`).join("; ");
      // Else a change was judged and nobody told: no event was lost that could be found by comparing events.
      const told = events.at(-1)?.issues.join(", "), now = said.issues.join(", ");
      if (told !== now) faults.push(`${name} has issues [${now}], and its last event told [${told}]`);
      if (shown !== kept) faults.push(`${name}: the API has the events ${shown}\n  and the store ${kept}`);
    }
    this.check(faults);
  }
}
