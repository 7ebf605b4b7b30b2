/**
 * What does a frame say, and what of it is new? One reader for each socket: most of what a report says is what the same
 * socket said in its last. A large report is one array, read in pieces, so that what JSON.parse makes of a piece can be
 * thrown away before the next. What entries mean is for `draft`, how glued documents come apart for `frame`.
 */
import type { Columns } from "./columns.ts";
import type { FeedName } from "./connection.ts";
import { Draft, nobody } from "./draft.ts";
import { splitFrame } from "./frame.ts";
import { jumpRule } from "./jump.ts";
import { relayRule } from "./relay.ts";

export type Read =
  | { readonly kind: "report"; readonly columns: Columns }
  | { readonly kind: "bad"; readonly why: string }
  /** No report: what another client of the topic said. */
  | { readonly kind: "other" };

const rules = { jump: jumpRule, relay: relayRule } as const;

// The objects of a piece take some ten times as much, which is little enough to be cleared away while it is young.
const pieceChars = 65_536;
// An entry takes some 400.
const pieceCharsMax = 2 * pieceChars;

export class FrameReader {
  readonly #feed: FeedName;
  readonly #known = nobody();

  constructor(feed: FeedName) {
    this.#feed = feed;
  }

  /** What is bad, or no report, changes nothing of what the next frame is compared with. */
  read(text: string): Read {
    const inPieces = this.#readPieces(text);
    if (inPieces !== null) return finish(inPieces);
    const frame = splitFrame(text);
    if (frame.kind === "bad") return frame;
    const draft = this.#newDraft();
    return draft.takeDocuments(frame.documents) ? finish(draft) : { kind: "other" };
  }

  /**
   * Null for what is small, or is not one array of objects. Brackets are not counted here (`tooIntricate`), which would take
   * half as long as all the rest: however many are in a piece, they are gone before the next one.
   */
  #readPieces(text: string): Draft | null {
    if (text.length <= pieceCharsMax || text[0] !== "[" || text.at(-1) !== "]") return null;
    const draft = this.#newDraft();
    draft.begin();
    for (let at = 1; at < text.length;) {
      const end = pieceEnd(text, at);
      const entries = end - at > pieceCharsMax ? null : parsed(`[${text.slice(at, end)}]`);
      if (entries === null) return null;
      draft.take(entries);
      at = end + 1;
    }
    return draft;
  }

  #newDraft(): Draft {
    return new Draft(rules[this.#feed], this.#known);
  }
}

function finish(draft: Draft): Read {
  // Of a service that was changed, or of another one: it must not look as if everybody had left.
  if (draft.entries > 0 && draft.skipped === draft.entries) {
    return { kind: "bad", why: `none of its ${draft.entries} entries can be read` };
  }
  return { kind: "report", columns: draft.keep() };
}

/**
 * Where the comma after the piece is that begins at `start`, or the bracket that closes the array. The comma may be another
 * than one between two entries, in a text or deeper: then the piece has no end, and can't be parsed. Where all pieces can be,
 * the whole is an array of what is in them.
 */
function pieceEnd(text: string, start: number): number {
  const before = text.indexOf("},{", start + pieceChars);
  return before === -1 ? text.length - 1 : before + 1;
}

function parsed(text: string): unknown[] | null {
  try {
    return JSON.parse(text) as unknown[];
  } catch {
    return null; // then it is read as a whole, and called bad if it is
  }
}
