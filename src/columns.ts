/**
 * How a report gets from the Worker to the pool: what has changed since the last one of the same socket, and what was sent as
 * numbers side by side: 25,000 connections take 70 ms to hand over as objects, and 3 so. `frame_reader` makes them, a `Mirror`
 * for each socket makes reports of them. Pure.
 */
import type { Peer, Report } from "./connection.ts";
import { ConnectionTable, type Figures } from "./connection_table.ts";

/** One report of a socket. Every one has to be applied, in their order: each says only what the last did not. */
export interface Columns extends Pick<Report, "entries" | "skipped" | "generation"> {
  /** Rows that nobody has any more: free before `peers` are told, and for others from then on. */
  readonly gone: readonly number[];
  /** Who is new or not as before, with the row. */
  readonly peers: readonly (readonly [row: number, peer: Peer])[];
  /** Null where nothing is measured. */
  readonly figures: Figures<ArrayBuffer> | null;
}

/** What of it is handed over instead of copied. */
export function buffersOf({ figures }: Columns): ArrayBuffer[] {
  return figures === null ? [] : [figures.numbers.buffer, figures.places.buffer];
}

/** One frame in our words. Only connections of experiments are in it. */
export type Decoded = Pick<Report, "connections" | "entries" | "skipped" | "generation">;

/** What a socket has said so far, on the side of those who want to know. */
export class Mirror {
  #rows: ReadonlyMap<string, number> = new Map();
  #peers: readonly Peer[] = [];

  /** What did not change is the same object as in the report before; what that report has stays as it is. */
  apply({ gone, peers, figures, entries, skipped, generation }: Columns): Decoded {
    const isNew = ([row, { topic }]: Columns["peers"][number]) => this.#rows.get(topic) !== row;
    if (gone.length > 0 || peers.some(isNew)) this.#rows = this.#rowsAfter(gone, peers);
    if (peers.length > 0) this.#peers = withPeers(this.#peers, peers);
    const connections = new ConnectionTable(this.#rows, this.#peers, figures);
    return { connections, entries, skipped, generation };
  }

  #rowsAfter(gone: Columns["gone"], peers: Columns["peers"]): ReadonlyMap<string, number> {
    const rows = new Map(this.#rows);
    for (const row of gone) rows.delete(this.#peers[row]!.topic);
    for (const [row, { topic }] of peers) rows.set(topic, row);
    return rows;
  }
}

function withPeers(before: readonly Peer[], changed: Columns["peers"]): readonly Peer[] {
  const peers = [...before];
  for (const [row, peer] of changed) peers[row] = peer;
  return peers;
}
