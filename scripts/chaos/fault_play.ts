/**
 * Plays faults of the stand-in world on the real program, one or several at a time, and says what was not as promised:
 * nothing false is told, nothing is written to book, `/healthz` answers within a second, and all comes back by itself.
 * Throws an Error that says which promise was broken. Which faults there are is for `fault_rows`.
 */
import assert from "node:assert/strict";
import { Station } from "../../test/support/station.ts";
import { countDescriptors, residentBytes } from "../proc.ts";
import type { Certificates } from "../simulator/fault.ts";
import type { ReceivedMail } from "../simulator/mail.ts";
import { type MailRow, nameOf, type Row, type SourceRow } from "./fault_rows.ts";

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
export async function grown(station: Station, before: Awaited<ReturnType<typeof figuresOf>>): Promise<string | null> {
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
