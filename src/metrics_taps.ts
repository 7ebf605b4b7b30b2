/**
 * Where it is measured: each part with a tap on it, which the part knows nothing of. A tap passes everything on as it is,
 * errors included, and tells `measures` how it went. What becomes of that is for `metrics`.
 */
import { type Book, isBookError } from "./book_client.ts";
import type { FeedListener } from "./feed.ts";
import type { BookOperation, BookResult, Measures, StoreOperation } from "./measures.ts";
import type { OutboxListener } from "./outbox.ts";
import type { FeedName } from "./report.ts";
import type { Store } from "./store.ts";

/** What a tap needs of the world. `steadyMs`: milliseconds that only go forwards. */
export interface TapPorts {
  readonly measures: Measures;
  steadyMs(): number;
}

/** A request that the program itself gave up, since it stops, is none. */
export function measuredBook(book: Book, { measures, steadyMs }: TapPorts): Book {
  async function tapped<Answer>(operation: BookOperation, signal: AbortSignal, ask: () => Promise<Answer>) {
    const startMs = steadyMs();
    const tell = (result: BookResult) => measures.book({ operation, result, tookMs: steadyMs() - startMs });
    try {
      const answer = await ask();
      tell("ok");
      return answer;
    } catch (error) {
      if (!signal.aborted) tell(bookResult(error));
      throw error;
    }
  }
  return {
    resources: (signal) => tapped("list", signal, () => book.resources(signal)),
    availability: (name, signal) => tapped("read", signal, () => book.availability(name, signal)),
    setAvailability: (name, wanted, signal) =>
      tapped("write", signal, () => book.setAvailability(name, wanted, signal)),
  };
}

function bookResult(error: unknown): BookResult {
  if (!isBookError(error)) return "failed";
  switch (error.code) {
    case "BOOK_UNREACHABLE":
      return "unreachable";
    case "BOOK_REFUSED":
    case "BOOK_DID_NOT_KEEP":
      return "refused";
    case "BOOK_UNKNOWN_RESOURCE":
      return "unknown";
    case "BOOK_GARBLED":
      return "garbled";
  }
}

/** What is loaded at the start and closed at the end is not measured. */
export function measuredStore(store: Store, { measures, steadyMs }: TapPorts): Store {
  async function tapped<Result>(operation: StoreOperation, act: () => Promise<Result>) {
    const startMs = steadyMs();
    const tell = (result: "ok" | "failed") => measures.store({ operation, result, tookMs: steadyMs() - startMs });
    try {
      const done = await act();
      tell("ok");
      return done;
    } catch (error) {
      tell("failed");
      throw error;
    }
  }
  return {
    kind: store.kind,
    load: (max) => store.load(max),
    turns: (experiment, range) => tapped("turns", () => store.turns(experiment, range)),
    record: (changes) => tapped("record", () => store.record(changes)),
    prune: (beforeMs) => tapped("prune", () => store.prune(beforeMs)),
    close: () => store.close(),
  };
}

export function measuredFeed(feed: FeedName, listener: FeedListener, { measures, steadyMs }: TapPorts): FeedListener {
  return {
    report(report) {
      const startMs = steadyMs();
      listener.report(report);
      measures.judged({ feed, entries: report.entries, tookMs: steadyMs() - startMs });
    },
    news: (news) => listener.news(news),
  };
}

export function measuredWebhook(listener: OutboxListener, measures: Measures): OutboxListener {
  return {
    ...listener,
    failed(letter, failure, failuresInARow) {
      measures.webhookFailed(failure.kind);
      listener.failed(letter, failure, failuresInARow);
    },
  };
}

/** `nowMs`: the wall clock that the events were dated by. If it was put back since, they waited for no time. */
export function measuredMail(
  listener: OutboxListener,
  { measures, nowMs }: { measures: Measures; nowMs(): number },
): OutboxListener {
  return {
    ...listener,
    sent(letter, delivery) {
      const atMs = nowMs();
      measures.mailed([...letter.events, ...letter.alerts].map((told) => Math.max(atMs - told.atMs, 0)));
      listener.sent(letter, delivery);
    },
    failed(letter, failure, failuresInARow) {
      measures.mailFailed(failure.kind);
      listener.failed(letter, failure, failuresInARow);
    },
  };
}
