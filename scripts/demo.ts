/**
 * The demo: a made-up laboratory whose faults come and go, the monitor watching it as a process of its own, and line by line
 * what happens, with the mails. `--once` plays the schedule through and exits 1 if something expected was not seen;
 * `--no-schedule` leaves all faults to the control page. Needs nothing but Deno; ends on Ctrl-C.
 */
import { parseArgs } from "node:util";
import { systemClock } from "../src/clock.ts";
import { beginning, type Expectation, furnish, schedule, type Step } from "./demo_schedule.ts";
import { clockTime, type Happening } from "./simulator/board.ts";
import { type Control, startControl } from "./simulator/control.ts";
import { print, toldToEnd } from "./simulator/process.ts";
import type { ReceivedMail } from "./simulator/receivers.ts";
import { freePort } from "./simulator/wire.ts";
import { startWorld, type World } from "./simulator/world.ts";

const usage = "Usage: deno task demo [--once | --no-schedule]\n";
const stepMsMax = 30_000;
const [pauseMs, pauseOnceMs, pauseBetweenRoundsMs] = [4_000, 300, 15_000];
// A monitor that is told to end does so within 5 s.
const endMsMax = 8_000;

/** How the demo runs out: told to by a person, or with what was not seen. */
type End = { readonly kind: "told" } | { readonly kind: "played"; readonly missing: readonly string[] };

async function demo(mode: { once: boolean; scheduled: boolean }): Promise<number> {
  const told = toldToEnd();
  const world = await startWorld({ reportEveryMs: 1_000, hook: true });
  furnish(world);
  const untell = world.board.listen(teller(world));
  const port = freePort(3007);
  const monitorAddress = `http://127.0.0.1:${port}`;
  const control = controlOn(world, monitorAddress);
  print(Deno.stdout, greeting(world, monitorAddress, control.address));
  const monitor = startMonitor(world, port);
  const lines = Promise.all([copyLines(monitor.stdout), copyLines(monitor.stderr)]);

  const end = await Promise.race<End>([
    told.then(() => ({ kind: "told" })),
    monitor.status.then(({ code }) => ({ kind: "played", missing: [`a monitor that runs: it exited with ${code}`] })),
    play(world, mode),
  ]);

  untell();
  await endMonitor(monitor);
  await lines;
  await control.stop();
  await world.stop();
  if (end.kind === "told") return mode.once ? 1 : 0; // not all was seen
  for (const each of end.missing) tell("demo", `NOT SEEN: ${each}`);
  if (end.missing.length === 0) tell("demo", "all that was expected was seen");
  return end.missing.length === 0 ? 0 : 1;
}

/** Plays the schedule, once or until the process is told to end. */
async function play(world: World, mode: { once: boolean; scheduled: boolean }): Promise<End> {
  const forever = new AbortController().signal;
  const missing = await playStep(world, beginning);
  if (!mode.scheduled) {
    tell("demo", "nothing else happens by itself: the controls are yours");
    await new Promise<never>(() => {});
  }
  for (;;) {
    for (const step of schedule) {
      await systemClock.wait(mode.once ? pauseOnceMs : pauseMs, forever);
      missing.push(...await playStep(world, step));
    }
    if (mode.once) return { kind: "played", missing };
    await systemClock.wait(pauseBetweenRoundsMs, forever);
  }
}

/** Does a step and waits for what has to follow; returns what did not in time. */
async function playStep(world: World, step: Step): Promise<string[]> {
  print(Deno.stdout, `\n--- ${step.title}\n`);
  const before = world.mailbox.mails.length;
  const missing = (each: Expectation) => !each.met(world, world.mailbox.mails.slice(before));
  await step.act(world);
  const done = () => !step.expected.some(missing);
  await world.until(done, { timeoutMs: stepMsMax, what: step.title }).catch(
    () => {/* what is missing is told below */},
  );
  const notSeen = step.expected.filter(missing).map(({ what }) => `${what} (${step.title})`);
  for (const each of notSeen) tell("demo", `NOT SEEN in ${stepMsMax / 1000} s: ${each}`);
  return notSeen;
}

function startMonitor(world: World, port: number): Deno.ChildProcess {
  const main = new URL("../main.ts", import.meta.url).pathname;
  const permissions = ["--allow-net", "--allow-env", "--allow-read", "--allow-write", "--allow-sys"];
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("STATUS_"));
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...permissions, main, "serve"],
    clearEnv: true,
    env: { ...Object.fromEntries(inherited), ...world.env, ...shortWindows, STATUS_PORT_SERVE: String(port) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  return command.spawn();
}

/** A laboratory of weeks in a minute: reports come every second. */
const shortWindows = {
  STATUS_HEALTH_LAST: "4s",
  STATUS_HEALTH_STARTUP: "3s",
  STATUS_QUERY_BOOK_EVERY: "2s",
  STATUS_EMAIL_SUBJECT: "demo.example.org",
  STATUS_EMAIL_LINK: "https://demo.example.org/status",
  STATUS_HOST_SERVE: "127.0.0.1",
  STATUS_STORE_FILE: "memory",
  STATUS_LOG_FILE: "stdout",
  STATUS_LOG_FORMAT: "text",
};

async function endMonitor(monitor: Deno.ChildProcess): Promise<void> {
  const slow = new AbortController();
  const signal = (name: Deno.Signal) => {
    try {
      monitor.kill(name);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended: that is what was wanted
    }
  };
  signal("SIGTERM");
  systemClock.wait(endMsMax, slow.signal).then(() => signal("SIGKILL"), () => {/* it ended in time */});
  await monitor.status;
  slow.abort();
}

function controlOn(world: World, monitor: string): Control {
  const links = {
    "the page": `${monitor}/`,
    "the experiments": `${monitor}/api/v1/experiments`,
    "the monitor's state": `${monitor}/api/v1/status`,
    "the metrics": `${monitor}/metrics`,
    "what the webhook got": "/control/posts",
  };
  return startControl(world, { port: freePort(3008), links });
}

function greeting(world: World, monitor: string, controls: string): string {
  return `A made-up laboratory of ${world.lab.hosts.size} experiments, and the monitor watching it. Ctrl-C ends it.

  the page          ${monitor}/
  the laboratory    ${controls}/   (break it yourself, and watch the page)
  the API           ${monitor}/api/v1/experiments   ${monitor}/api/v1/status
  the metrics       ${monitor}/metrics
  the mails         ${controls}/control/mails
  the webhook       ${controls}/control/posts
`;
}

/** Tells of what happens, and shows the first mail of each kind whole. */
function teller(world: World): (happening: Happening) => void {
  const shown = new Set<string>();
  return ({ part, text }) => {
    tell(part, text);
    const mail = world.mailbox.mails.at(-1);
    if (part !== "mail" || !text.startsWith("a mail arrives") || mail === undefined || shown.has(kindOf(mail))) return;
    shown.add(kindOf(mail));
    print(Deno.stdout, `\n${mail.text.trimEnd().replace(/^/gm, "    | ")}\n\n`);
  };
}

/** Mails of one kind differ in numbers and names alone; one that tells of a hold is a kind of its own. */
function kindOf({ subject, text }: ReceivedMail): string {
  const [, issues, oks] = /\((\d+) issues, (\d+) ok\)/.exec(text) ?? [];
  return `${subject.replace(/\d+/g, "N")} ${issues === "0"} ${oks === "0"} ${text.includes("(held: ")}`;
}

async function copyLines(stream: ReadableStream<Uint8Array>): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) tell("monitor", line);
  }
  if (rest !== "") tell("monitor", rest);
}

function tell(who: string, text: string): void {
  print(Deno.stdout, `${clockTime(systemClock.nowMs())}  ${who.padEnd(8)}${text}\n`);
}

function readOptions() {
  try {
    const options = {
      "once": { type: "boolean", default: false },
      "no-schedule": { type: "boolean", default: false },
    } as const;
    return parseArgs({ args: Deno.args, options }).values;
  } catch {
    print(Deno.stderr, usage);
    return Deno.exit(2);
  }
}

if (import.meta.main) {
  const { once, "no-schedule": unscheduled } = readOptions();
  Deno.exit(await demo({ once, scheduled: !unscheduled }));
}
