/**
 * What does jump report? An experiment is connected when an entry of its topic has the scope `host`; `client` entries are
 * users and `stats` entries monitors (protocol, "A jump entry"). Its statistics say nothing that is asked. Pure.
 */
import { goDurationMs } from "./duration.ts";
import { type ConnectionInfo, figuresEach, type Measurement } from "./report.ts";

export const jumpRule: EntryRule = { scope: "host", measures: false, read: () => true };

/*
 * What does relay report, whichever generation of it? A stream belongs to an experiment when its entry has the scope `expt`;
 * users who watch it share its topic (protocol, "A relay entry"). Whether it is ok is for `health`. Pure.
 */

export const relayRule: EntryRule = {
  scope: "expt",
  measures: true,
  read({ stats }, measure) {
    if (stats === undefined || stats === null) return unmeasured(measure);
    return isFields(stats) && readStats(stats, measure);
  },
};

function unmeasured(measure: Measurement): true {
  measure.numbers[0] = NaN;
  measure.txLast = measure.rxLast = "";
  return true;
}

function readStats({ tx, rx }: Fields, measure: Measurement): boolean {
  const txLast = readTraffic(tx, measure.numbers, 0);
  if (txLast === null) return false;
  measure.txLast = txLast;
  // What the connection was sent says nothing of whether it works, so an odd `rx` costs nobody a stream.
  measure.rxLast = readTraffic(rx, measure.numbers, rxAt) ?? (readTraffic(undefined, measure.numbers, rxAt) as string);
  return true;
}

/** Writes the three numbers; gives the text of `last`, or null where it can't be read. What is missing is zero or never. */
function readTraffic(value: unknown, numbers: Float64Array, at: number): string | null {
  const traffic = value ?? nothing;
  if (!isFields(traffic)) return null;
  const { last = null, size, fps } = traffic;
  const idleMs = parsedIdleMs(last);
  if (idleMs === null) return null;
  numbers[at] = idleMs;
  numbers[at + 1] = numberOf(size);
  numbers[at + 2] = numberOf(fps);
  return typeof last === "number" ? `${last}ns` : last as string ?? "";
}

/** Infinity for never, and null for what can't be read. */
function parsedIdleMs(last: unknown): number | null {
  if (last === null || last === "") return Infinity;
  if (typeof last === "number") return limited(last / 1e6);
  if (typeof last !== "string" || last.length > lastCharsMax) return null;
  const ms = goDurationMs(last);
  if (ms === null) return last.toLowerCase() === "never" ? Infinity : null;
  return limited(ms);
}

function limited(ms: number): number | null {
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), idleMsMax) : null;
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

const rxAt = figuresEach / 2;
const nothing: Fields = {};
// The longest that Go writes has 25.
const lastCharsMax = 64;
// The longest that Go knows is 292 years, which no calendar of ours reaches back.
const idleMsMax = 100 * 365 * 86_400_000;

/*
 * What is an entry of a report, of jump's and relay's alike: it has a topic, scopes and the like, in camel case or snake
 * case. Which entries are an experiment's is for `jump` and `relay`, which of several counts for `draft`. Pure. Read by hand,
 * since a report can hold 25,000 entries; strict in what matters (topic, scopes), deaf to what doesn't.
 */

export type Fields = Readonly<Record<string, unknown>>;

/** In what the entries of a service differ from those of another. */
export interface EntryRule {
  /** The scope that makes an entry an experiment's. */
  readonly scope: string;
  /** Whether an early generation of it says what was sent. */
  readonly measures: boolean;
  /** Reads what the connection sent into `measure`; false where that can't be read. */
  read(entry: Fields, measure: Measurement): boolean;
}

export const topicCharsMax = 256;
// User agents and chains of proxies are for people to read; nobody reads more.
const textCharsMax = 500;
// The services know a dozen; what decides is looked for among all that an entry has.
const scopesMax = 20;
const scopeCharsMax = 100;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isTopic(text: string): boolean {
  return text !== "" && text.length <= topicCharsMax && !unprintable.test(text);
}

/** The scopes of an entry, none where it has none; null where they can't be read. */
export function scopesOf({ scopes }: Fields): readonly string[] | null {
  if (scopes === undefined || scopes === null) return noScopes;
  return isTexts(scopes) ? scopes : null;
}

/** Who an entry is: `before` where it says the same of them. What is missing is false or empty: Go leaves such out. */
export function peerOf(
  topic: string,
  scopes: readonly string[],
  entry: Fields,
  before: ConnectionInfo | undefined,
): ConnectionInfo {
  if (before !== undefined && isSaid(before, scopes, entry)) return before;
  const peer = {
    topic,
    scopes: keptScopes(scopes),
    canRead: canReadIn(entry) === true,
    canWrite: canWriteIn(entry) === true,
    connected: textOf(connectedIn(entry)),
    expiresAt: textOf(expiresAtIn(entry)),
    remoteAddr: textOf(remoteAddrIn(entry)),
    userAgent: textOf(userAgentIn(entry)),
  };
  return before !== undefined && isSame(peer, before) ? before : peer;
}

const canReadIn = (entry: Fields) => entry.canRead ?? entry.can_read;
const canWriteIn = (entry: Fields) => entry.canWrite ?? entry.can_write;
const connectedIn = (entry: Fields) => entry.connected ?? entry.connected_at ?? entry.connectedAt;
const expiresAtIn = (entry: Fields) => entry.expiresAt ?? entry.expires_at;
const remoteAddrIn = (entry: Fields) =>
  entry.remoteAddr ?? entry.remote_addr ?? entry.remote_address ?? entry.remoteAddress;
const userAgentIn = (entry: Fields) => entry.userAgent ?? entry.user_agent;

/** Whether the entry has word for word what is known, as nearly every one has. */
function isSaid(peer: ConnectionInfo, scopes: readonly string[], entry: Fields): boolean {
  return connectedIn(entry) === peer.connected && expiresAtIn(entry) === peer.expiresAt &&
    canReadIn(entry) === peer.canRead && canWriteIn(entry) === peer.canWrite &&
    remoteAddrIn(entry) === peer.remoteAddr && userAgentIn(entry) === peer.userAgent &&
    isSameSet(scopes, peer.scopes);
}

function isSame(one: ConnectionInfo, other: ConnectionInfo): boolean {
  return one.connected === other.connected && one.expiresAt === other.expiresAt &&
    one.canRead === other.canRead && one.canWrite === other.canWrite &&
    one.remoteAddr === other.remoteAddr && one.userAgent === other.userAgent && isSameSet(one.scopes, other.scopes);
}

/** Jump gives scopes in any order. */
function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (const [at, scope] of one.entries()) {
    if (scope !== other[at] && !(one.includes(other[at]!) && other.includes(scope))) return false;
  }
  return true;
}

function isTexts(value: unknown): value is readonly string[] {
  if (!Array.isArray(value)) return false;
  for (const each of value) if (typeof each !== "string") return false;
  return true;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? cut(value, textCharsMax) : "";
}

function keptScopes(scopes: readonly string[]): readonly string[] {
  const fits = scopes.length <= scopesMax && scopes.every((scope) => scope.length <= scopeCharsMax);
  return fits
    ? scopes.map((scope) => scope.toWellFormed())
    : scopes.slice(0, scopesMax).map((scope) => cut(scope, scopeCharsMax));
}

/** Without half a character, which many who read JSON don't take. */
function cut(text: string, charsMax: number): string {
  return text.slice(0, charsMax).toWellFormed();
}

const noScopes: readonly string[] = [];
// Control characters, what turns the direction of writing, halves of a character, separators of lines.
const unprintable = /[\p{Cc}\p{Bidi_Control}\p{Cs}\u2028\u2029]/u;
