/**
 * Has anything changed but times and statistics, which every report brings anew? Readers who are told of changes ask this
 * first, so that a laboratory in which nothing happens costs them nothing. What has changed is for them to find.
 */
import type { Experiment, Lab } from "./experiment.ts";
import { isSamePeer } from "./live_same.ts";
import { type ConnectionTable, noConnections } from "./report.ts";
import type { Feed } from "./sighting.ts";
import type { Known } from "./snapshot.ts";

/** Who is connected. The table itself would keep what they sent. */
type Peers = Pick<ConnectionTable, "rows" | "peers">;

const noPeers: Peers = noConnections;

export class Revision {
  #number = 0;
  #experiments: Lab["experiments"] = new Map();
  #findings: Feed["findings"] = new Map();
  #peers: Readonly<Record<"jump" | "relay", Peers>> = { jump: noPeers, relay: noPeers };
  #substance: readonly unknown[] = [];

  /** That of `known`: one more than the last if anything has changed since. */
  of(known: Omit<Known, "revision">): number {
    const { experiments, jump, relay, relay: { findings } } = known.lab;
    const peers = { jump: peersOf(jump), relay: peersOf(relay) };
    const substance = substanceOf(known);
    const isSame = sameExperiments(this.#experiments, experiments) && sameFindings(this.#findings, findings) &&
      samePeers(this.#peers.jump, peers.jump) && samePeers(this.#peers.relay, peers.relay) &&
      substance.length === this.#substance.length && substance.every((each, at) => each === this.#substance[at]);
    if (!isSame) this.#number++;
    this.#experiments = experiments;
    this.#findings = findings;
    this.#peers = peers;
    this.#substance = substance;
    return this.#number;
  }
}

/** Values, and objects that are made anew only when something in them changes. */
function substanceOf(
  { lab, conditions, sources, timeline, alerts, waitingForBook, mail, webhook, probes, heartbeat, store }: Omit<
    Known,
    "revision"
  >,
) {
  const { jump, relay, book } = sources;
  return [
    ...[lab.jump.verdicts, lab.relay.verdicts, conditions.jump, conditions.relay, timeline.revision, alerts],
    ...[jump.state, jump.lastError, jump.generation, relay.state, relay.lastError, relay.generation],
    ...[book.state, book.states, book.trouble?.message, book.writes, waitingForBook],
    ...[mail, webhook].flatMap((view) => [view.state, view.lastError, view.waiting, view.sent, view.failed]),
    ...[probes.state, probes.lastError, probes.streams, heartbeat.state, heartbeat.lastError],
    ...[store.state, store.lastError, store.waiting],
  ];
}

/** Listening again to what is as it was gives it another time, and nothing more. */
function sameFindings(was: Feed["findings"], now: Feed["findings"]): boolean {
  return was === now ||
    (was.size === now.size && [...now].every(([topic, { heard }]) => was.get(topic)?.heard === heard));
}

function peersOf({ newest }: Feed): Peers {
  return newest.kind === "none" ? noPeers : { rows: newest.connections.rows, peers: newest.connections.peers };
}

/** They are the same objects until one of them is another. Who is gone is told of by what that means for the experiment. */
function samePeers(was: Peers, now: Peers): boolean {
  if (was.peers === now.peers && was.rows === now.rows) return true;
  return [...now.rows].every(([topic, row]) => {
    const [before, peer] = [was.peers[was.rows.get(topic) ?? -1], now.peers[row]!];
    return before === peer || (before !== undefined && isSamePeer(before, peer));
  });
}

/** Another manifest, or a report that names what none has named, makes all of them anew (`roster`), most as they were. */
function sameExperiments(was: Lab["experiments"], now: Lab["experiments"]): boolean {
  if (was === now) return true;
  return was.size === now.size && [...now.values()].every((each) => isSame(was.get(each.name), each));
}

function isSame(was: Experiment | undefined, now: Experiment): boolean {
  return was !== undefined && was.isStarting === now.isStarting && was.judged === now.judged &&
    was.events === now.events && was.streams === now.streams && was.firstSeenMs === now.firstSeenMs &&
    was.resources.length === now.resources.length &&
    was.resources.every(({ name }, at) => name === now.resources[at]?.name);
}
