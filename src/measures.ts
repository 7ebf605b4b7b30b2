/**
 * What is measured as it happens, for whoever makes it happen or wires those who do. Leaf: what becomes of it is for
 * `metrics`. What is merely so at the moment (states, counts, ages) is not measured: metrics read it from a Snapshot.
 */

/** Is told at once, costs next to nothing, and never throws. Durations by the steady clock unless said otherwise. */
export interface Measures {
  /** A request to book was answered, or was not. */
  book(what: { readonly operation: BookOperation; readonly result: BookResult; readonly tookMs: number }): void;
  /** The store did what it was asked, or could not. */
  store(what: { readonly operation: StoreOperation; readonly result: StoreResult; readonly tookMs: number }): void;
  /** A report was taken in and everything judged by it. `entries`: how many the report held. */
  judged(what: { readonly feed: "jump" | "relay"; readonly entries: number; readonly tookMs: number }): void;
  /** The mail server took a mail. `waitedMs`: how long ago each thing happened that it tells of, by the wall clock. */
  mailed(waitedMs: readonly number[]): void;
  /** A try to send a mail failed. */
  mailFailed(reason: SendFailure): void;
  /** A try to tell the webhook failed. */
  webhookFailed(reason: SendFailure): void;
}

/** `list`: the manifest. `read`, `write`: the availability of one resource. */
export type BookOperation = "list" | "read" | "write";
/** `unknown`: it knows no resource of that name (404). `garbled`: what it said can't be read. */
export type BookResult = "ok" | "unreachable" | "refused" | "unknown" | "garbled" | "failed";
export type StoreOperation = "record" | "prune" | "turns";
export type StoreResult = "ok" | "failed";
/** `in-doubt`: the whole message went out and no answer came. */
export type SendFailure = "deferred" | "refused" | "in-doubt";
