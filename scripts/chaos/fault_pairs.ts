/**
 * All faults of the simulator, one by one and in pairs, against the real program, in lanes side by side:
 * `deno run -A scripts/chaos/fault_pairs.ts [--lanes N] [--seed N] [--from N] [--pairs N] [--singles] [--only WORDS]`.
 * Prints a line per play and exits 1 if a promise was broken: no false message, no write to book, `/healthz` within a second,
 * and full recovery without help. `rows` lists the faults and what a person must be told of each.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/clock.ts";
import { Station } from "../../test/support/station.ts";
import { countDescriptors, residentBytes } from "../proc.ts";
import { randomOf } from "../seeded.ts";
import type { Certificates, HttpFault, MailFault } from "../simulator/fault.ts";
import type { ReceivedMail } from "../simulator/receivers.ts";

/** What is played in one go: one fault, or two. */
export type Play = readonly [Row] | readonly [Row, Row];

/** All pairs of faults of two services, in an order that `seed` decides. */
export function pairsOf(all: readonly Row[], seed: number): readonly (readonly [Row, Row])[] {
  const pairs = all.flatMap((one, at) =>
    all.slice(at + 1).filter(({ victim }) => victim !== one.victim).map((other) => [one, other] as const)
  );
  return shuffled(pairs, seed);
}

/** The same in an order that `seed` decides. */
export function shuffled<T>(items: readonly T[], seed: number): readonly T[] {
  const random = randomOf(seed);
  return items.map((item) => [random(), item] as const).sort(([one], [other]) => one - other).map(([, item]) => item);
}

/** Plays all of `plays`, in `count` lanes. Returns the broken promises, a line each. A lane that broke is started again. */
export async function runLanes(
  plays: readonly Play[],
  count: number,
  said: (line: string) => void = () => {},
): Promise<readonly string[]> {
  const waiting = [...plays];
  const broken: string[] = [];
  const lane = async () => {
    while (waiting.length > 0) {
      await using station = await startLane();
      const before = await figuresOf(station);
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const why = await wrong(station, next);
        said(
          `${plays.length - waiting.length}/${plays.length} ${next.map(nameOf).join(" + ")}: ${why ?? "as promised"}`,
        );
        if (why === null) continue;
        broken.push(why);
        break;
      }
      const more = await grown(station, before);
      if (more !== null) broken.push(more);
    }
  };
  await Promise.all(Array.from({ length: count }, lane));
  return broken;
}

async function wrong(station: Station, [one, other]: Play): Promise<string | null> {
  try {
    await (other === undefined ? playOne(station, one) : playPair(station, [one, other]));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

// Playing faults; each throws an Error that names the broken promise.

const tls = new URL("../../test/support/tls/", import.meta.url);
const pem = (name: string) => Deno.readTextFileSync(new URL(name, tls));
const certificate = (name: string) => ({ cert: pem(`world_${name}.pem`), key: pem("world_key.pem") });

export const certificates: Certificates = {
  good: certificate("good"),
  expired: certificate("expired"),
  stranger: certificate("stranger"),
  elsewhere: certificate("elsewhere"),
};

const authority = new URL("world_ca.pem", tls).pathname;

/** A program that watches a world over TLS, with limits so short that a fault shows in two seconds. */
export function startLane(): Promise<Station> {
  return Station.watching({
    world: { certificates },
    env: {
      DENO_CERT: authority,
      STATUS_EMAIL_CA_FILE: authority,
      STATUS_TIMEOUT_BOOK: "2s",
      STATUS_HEALTH_EVENTS: "10000", // they are counted, and a lane plays hundreds of faults
    },
  });
}

/** What a program may have more than at its start, after whatever it went through: a pool keeps eight sockets that don't close. */
const descriptorsMoreMax = 20;
const residentMoreMax = 150 * 1024 * 1024;

/** How many descriptors and how much memory a program has; null where the system does not tell. */
export async function figuresOf({ pid }: Station): Promise<{ descriptors: number; resident: number } | null> {
  if (Deno.build.os !== "linux") return null;
  return { descriptors: await countDescriptors(pid), resident: await residentBytes(pid) };
}

/** What has grown too much since `before`; null where nothing has. */
export async function grown(
  station: Station,
  before: Awaited<ReturnType<typeof figuresOf>>,
): Promise<string | null> {
  const now = await figuresOf(station);
  if (now === null || before === null) return null;
  const isBounded = now.descriptors <= before.descriptors + descriptorsMoreMax &&
    now.resident <= before.resident + residentMoreMax;
  return isBounded ? null : `grown from ${JSON.stringify(before)} to ${JSON.stringify(now)}`;
}

/** One fault, from a laboratory that is well to one that is well again. */
export async function playOne(station: Station, row: Row): Promise<void> {
  await told(nameOf(row), async () => {
    const before = await begin(station);
    await (row.victim === "mail" ? playMail(station, row) : playSource(station, row, before));
    await end(station, before);
    assert.equal(distinct(station, before).length, 2, subjects(station, before)); // that it was so, and that it is over
  });
}

/** Two faults of two services at the same time. */
export async function playPair(station: Station, pair: readonly [Row, Row]): Promise<void> {
  await told(pair.map(nameOf).join(" + "), async () => {
    const before = await begin(station);
    for (const row of pair) await breakIt(station, row);
    const sources = pair.filter((row) => row.victim !== "mail");
    if (sources.length < pair.length) station.world.host("pend00").pull();
    for (const row of sources) await station.until(() => isBroken(station, row), `${row.victim} to be told broken`);
    await isAlive(station);
    for (const { victim } of pair) await station.world[boxOf(victim)].start();
    if (sources.length < pair.length) {
      const isMissing = async () => (await station.experiment("pend00"))?.issues[0] === "missing jump";
      await station.until(isMissing, "pend00 to miss jump");
      await owedOnce(station, before);
      station.world.host("pend00").plug();
    }
    await end(station, before);
  });
}

interface Before {
  readonly mails: number;
  readonly events: number;
}

async function begin(station: Station): Promise<Before> {
  await allBack(station);
  return { mails: station.mailCount, events: await eventsOf(station) };
}

async function playSource(station: Station, row: SourceRow, before: Before) {
  const { victim, words } = row;
  const [raised, cleared, state] = victim === "book"
    ? ["book does not answer so availability may be out of date", "book answers again", "lost"]
    : [`${victim} has no fresh reports so may be down`, `${victim} reports again`, "lost"];
  await breakIt(station, row);
  const mail = await station.mail(new RegExp(`^${raised}: .+`, "m"), before.mails);
  assert.equal(mail.subject, `system alert: ${raised}`);
  const detail = mail.text.split("\n").find((line) => line.startsWith(raised)) ?? "";
  assert.match(detail, new RegExp(`${words.source}|The connection to ${victim} .* ended`, words.flags));
  assert.equal((await station.states())[victim], state);
  if (!/silent/.test(words.source)) {
    await station.until(async () => words.test(await lastError(station, victim)), `${words}`);
  }
  await isAlive(station);
  await station.world[victim].start();
  await station.line(cleared, before.mails);
}

async function playMail(station: Station, row: MailRow): Promise<void> {
  const before = station.mailCount;
  await breakIt(station, row);
  station.world.host("pend00").pull();
  const isSo = async () => (await station.states()).mail === row.state;
  await station.until(isSo, `mail to be ${row.state}`);
  if (row.state === "failing") assert.match(await lastError(station, "mail"), row.words);
  await isAlive(station);
  await station.world.mailbox.start();
  await owedOnce(station, { mails: before, events: 0 });
  station.world.host("pend00").plug();
}

/** Nothing but what the pulled jump of pend00 makes: two events where mail was broken, none else. */
async function end(station: Station, before: Before): Promise<void> {
  await allBack(station);
  const mails = distinct(station, before);
  const told = mails.flatMap(({ text }) => text.match(/^pend00 .*$/gm) ?? []);
  const allowed = /^pend00 (-- A {3}\[missing jump\]|ok A)$/;
  assert.deepEqual(told.filter((line) => !allowed.test(line)), []);
  const events = (await eventsOf(station)) - before.events;
  assert.ok(events === 0 || events === 2, `${events} events`);
  assert.equal(events === 0 ? told.length : 0, 0, "a line about an experiment without an event");
  assert.equal(station.world.book.requests.filter(({ method }) => method === "PUT").length, 0, "a PUT");
}

async function owedOnce(station: Station, before: Before): Promise<void> {
  await station.line("pend00 -- A   [missing jump]", before.mails);
  await station.until(async () => (await station.states()).mail === "idle", "all mails to be sent");
  const about = distinct(station, before).filter(({ text }) => /events \(1 issues, 0 ok\)/.test(text));
  assert.equal(about.length, 1, "the owed mail, once");
}

/** Mails since, those that were sent twice with the same Message-ID counted once. */
function distinct(station: Station, { mails }: Before): readonly ReceivedMail[] {
  return [...new Map(station.world.mailbox.mails.slice(mails).map((mail) => [mail.messageId, mail])).values()];
}

function subjects(station: Station, before: Before): string {
  return distinct(station, before).map(({ subject }) => subject).join("\n");
}

async function allBack(station: Station): Promise<void> {
  const well = { jump: "live", relay: "live", book: "ok", mail: "idle", store: "ok" };
  const isWell = async () => {
    const pend00 = await station.experiment("pend00"); // first: its event owes a mail, which the states then show
    const states = await station.states();
    const isAll = Object.entries(well).every(([name, state]) => states[name] === state);
    return isAll && pend00?.available === true && pend00.state === "healthy";
  };
  await station.until(isWell, "all to be well again");
}

async function isBroken(station: Station, { victim }: Row): Promise<boolean> {
  return (await station.states())[victim] === "lost";
}

/** The fault lasts: where the program hung by it, no answer would come within a second, however often it is asked. */
async function isAlive(station: Station): Promise<void> {
  await station.until(async () => {
    const answer = await fetch(`${station.url}healthz`, { signal: AbortSignal.timeout(1_000) });
    await answer.body?.cancel();
    return answer.status === 200;
  }, "/healthz to answer within a second");
}

function breakIt({ world }: Station, row: Row): Promise<void> | void {
  if (row.victim === "mail") return row.fault.kind === "down" ? world.mailbox.stop() : world.mailbox.fail(row.fault);
  return row.fault.kind === "down" ? world[row.victim].stop() : world[row.victim].fail(row.fault);
}

function boxOf(victim: Row["victim"]) {
  return victim === "mail" ? "mailbox" : victim;
}

async function lastError(station: Station, victim: Row["victim"]): Promise<string> {
  const { feeds, ...parts } = await station.json<Record<string, Record<string, { last_error: string | null }>>>(
    "/api/v1/status",
  );
  const part = { ...feeds, ...parts }[victim] as unknown as { last_error: string | null };
  return part.last_error ?? "";
}

async function eventsOf(station: Station): Promise<number> {
  return (await station.experiment("pend00"))?.health_events ?? 0;
}

async function told(name: string, play: () => Promise<void>): Promise<void> {
  try {
    await play();
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

// The faults, and the message that each must cause: a change of the wording is noticed here.

export type Victim = "jump" | "relay" | "book" | "mail";

/** `down`: nothing listens any more. */
type Down = { readonly kind: "down" };

export interface SourceRow {
  readonly victim: "jump" | "relay" | "book";
  readonly fault: HttpFault | Down;
  readonly words: RegExp;
}

export interface MailRow {
  readonly victim: "mail";
  readonly fault: MailFault | Down;
  readonly words: RegExp;
  /** `waiting`: the program goes on waiting for an answer. */
  readonly state: "failing" | "waiting";
}

export type Row = SourceRow | MailRow;

type Spoken = readonly [fault: HttpFault | Down, words: RegExp];

const gatewayPage =
  "<html><head><title>503</title></head><body><h1>503 Service Temporarily Unavailable</h1></body></html>";

const refusals: readonly Spoken[] = [
  [{ kind: "down" }, /Connection refused/],
  [refusal(401, '{"code":401,"message":"no such scope"}'), /answered 401 "no such scope"/],
  [refusal(403, '{"code":"403","message":"go away"}'), /answered 403 "go away"/],
  [refusal(500, '{"code":500,"message":"token is expired by 3h"}'), /answered 500 "token is expired by 3h"/],
  [{ ...refusal(503, gatewayPage), contentType: "text/html" }, /answered 503 ".*Service Temporarily Unavailable"/],
  [{ kind: "redirect", status: 301, to: "itself" }, /answered 301 .*127\.0\.0\.1:\d+, which is not followed/],
  [{ kind: "redirect", status: 302, to: "elsewhere" }, /answered 302 .*127\.0\.0\.1:9, which is not followed/],
  [{ kind: "redirect", status: 307, to: "itself" }, /answered 307 .*not followed/],
  [{ kind: "redirect", status: 308, to: "elsewhere" }, /answered 308 .*not followed/],
  [{ kind: "cut", at: "accept" }, /eof|closed|reset|peer/i],
  [{ kind: "cut", at: "head" }, /eof|closed|reset|peer|incomplete/i],
  [{ kind: "cut", at: "body" }, /eof|closed|reset|peer|error (reading|decoding)/i],
  [{ kind: "certificate", which: "expired" }, /certificate.*expired/i],
  [{ kind: "certificate", which: "stranger" }, /UnknownIssuer.*DENO_TLS_CA_STORE/],
  [{ kind: "certificate", which: "elsewhere" }, /not valid for/i],
];

const ofFeeds: readonly Spoken[] = [
  ...refusals,
  [{ kind: "hang" }, /connected but silent|no answer within 10 s/],
  [{ kind: "slow" }, /connected but silent|no answer within 10 s/],
  [{ kind: "cut", at: "handshake" }, /Cannot connect to .*/],
  [{ kind: "garbage", what: "html" }, /answered 200 "Welcome It works!", which is no websocket address/],
  [{ kind: "garbage", what: "bytes" }, /answered 200 .*which is no websocket address/],
  [{ kind: "garbage", what: "half" }, /answered 200 .*which is no websocket address/],
  [{ kind: "garbage", what: "types" }, /answered 200 .*which is no websocket address/],
  [{ kind: "frames", what: "text" }, /is not JSON/],
  [{ kind: "frames", what: "bytes" }, /a binary frame/],
  [{ kind: "frames", what: "half" }, /is not JSON/],
  [{ kind: "frames", what: "types" }, /none of its \d+ entries can be read/],
  [{ kind: "frames", what: "none" }, /ended|frame|invalid/i],
  [{ kind: "frames", what: "cut" }, /ended/],
];

const ofBook: readonly Spoken[] = [
  ...refusals,
  [{ kind: "hang" }, /no (whole )?answer within 2 s/],
  [{ kind: "slow" }, /no (whole )?answer within 2 s/],
  [{ kind: "garbage", what: "html" }, /answered 200 "Welcome It works!", which is not what book says/],
  [{ kind: "garbage", what: "bytes" }, /answered 200 .*which is not what book says/],
  [{ kind: "garbage", what: "half" }, /answered 200 .*which is not what book says/],
  [{ kind: "garbage", what: "types" }, /answered 200 .*which is not what book says/],
];

type Posted = readonly [fault: MailFault | Down, words: RegExp, state?: "waiting"];

const ofMail: readonly Posted[] = [
  [{ kind: "down" }, /connection refused/],
  // A 5xx is tried again after 5 minutes, or with the next event (outbox_test): too long for here.
  [{ kind: "refuse", stage: "CONNECT", code: 421, text: "not now" }, /421 "not now"/],
  [{ kind: "refuse", stage: "MAIL", code: 451, text: "try later" }, /451 "try later" to the sender/],
  [{ kind: "refuse", stage: "RCPT", code: 450, text: "busy" }, /450 "busy" to the recipients/],
  [{ kind: "refuse", stage: "DATA", code: 452, text: "disk full" }, /452 "disk full"/],
  [{ kind: "hang", stage: "MAIL" }, /^$/, "waiting"],
  [{ kind: "hang", stage: "DATA" }, /^$/, "waiting"],
  [{ kind: "slow" }, /^$/, "waiting"],
  [{ kind: "cut", at: "accept" }, /closed|broke|eof/i],
  [{ kind: "cut", at: "greeting" }, /closed|broke|TLS|eof/i],
  [{ kind: "cut", at: "message" }, /closed|broke|eof/i],
  [{ kind: "cut", at: "answer" }, /Cannot know whether .* took the mail/],
  [{ kind: "garbage", what: "html" }, /TLS|greeting/i],
  [{ kind: "garbage", what: "bytes" }, /TLS|greeting/i],
  [{ kind: "certificate", which: "expired" }, /it has expired, or its issuer/],
  [{ kind: "certificate", which: "stranger" }, /its issuer is not known; name its authority in STATUS_EMAIL_CA_FILE/],
  [{ kind: "certificate", which: "elsewhere" }, /does not match certificate's altnames/],
];

/** All of them, one by one. */
export const rows: readonly Row[] = [
  ...sourceRows("jump", ofFeeds),
  ...sourceRows("relay", ofFeeds),
  ...sourceRows("book", ofBook),
  ...ofMail.map(([fault, words, state]): Row => ({ victim: "mail", fault, words, state: state ?? "failing" })),
];

export function nameOf({ victim, fault }: Row): string {
  const { kind, ...details } = fault;
  const words = Object.values(details).map((each) => String(each)).filter((each) => each.length < 12);
  return [victim, kind, ...words].join(" ");
}

function refusal(status: number, body: string) {
  return { kind: "refuse", status, body } as const;
}

function sourceRows(victim: SourceRow["victim"], faults: readonly Spoken[]): Row[] {
  return faults.map(([fault, words]) => ({ victim, fault, words }));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      lanes: { type: "string", default: "4" },
      seed: { type: "string", default: "1" },
      from: { type: "string", default: "0" },
      pairs: { type: "string", default: "Infinity" },
      only: { type: "string", default: "" },
      singles: { type: "boolean", default: false },
    },
  });
  const singles = rows.map((row): Play => [row]);
  const plays = values.singles
    ? singles
    : pairsOf(rows, Number(values.seed)).slice(Number(values.from)).slice(0, Number(values.pairs));
  const wanted = plays.filter((play) => play.map(nameOf).join(" + ").includes(values.only));
  const startMs = systemClock.monotonicMs();
  const broken = await runLanes(wanted, Number(values.lanes), console.log);
  const minutes = Math.round((systemClock.monotonicMs() - startMs) / 6_000) / 10;
  console.log(`${wanted.length} played in ${minutes} min, seed ${values.seed}: ${broken.length} not as promised`);
  for (const why of broken) console.log(`\n${why}`);
  Deno.exit(broken.length === 0 ? 0 : 1);
}
