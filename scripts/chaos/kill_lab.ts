/**
 * The laboratory of the kill loop: what changes in it at random, what was true when, and so what a monitor has to say in the
 * end and what it may have said on the way. Whoever watched, or did not, is no matter here.
 */
import type { World } from "../simulator/world.ts";
import type { Dice } from "./kill_dice.ts";

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
  "manifest anew": [1, ({ world }) => world.loadManifest()],
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
