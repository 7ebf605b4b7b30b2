/**
 * For how long is the loop held up when all experiments change at once: the first judgement after the start, every stream
 * falling silent, all coming back? The real monitor, store, log, outboxes, bookkeeper and live events in this process, of
 * which one program reads; book is a Map, the webhook takes everything at once, and the mail server has a thread of its own.
 * What holds the loop up is the CPU time that this thread takes between two ticks.
 */
import { availabilityRules, createOutboxes, monitorOptions, open } from "../../src/app.ts";
import type { Availability } from "../../src/book_client.ts";
import { startBookSync } from "../../src/book_sync.ts";
import { systemClock as clock } from "../../src/clock.ts";
import { createLive } from "../../src/live_updates.ts";
import { logger } from "../../src/log.ts";
import type { Instrumentation } from "../../src/metrics.ts";
import { Monitor } from "../../src/monitor.ts";
import type { StoreChange } from "../../src/persisted.ts";
import { ConnectionTable, type Report } from "../../src/report.ts";
import { readSettings, type Settings } from "../../src/settings.ts";
import type { Live } from "../../src/sse.ts";
import { createRecorder } from "../../src/store_writer.ts";
import { connection } from "../../test/support/bench.ts";
import { mailEnvironment } from "../../test/support/environment.ts";
import { offViews } from "../../test/support/views.ts";
import type { Figure } from "./figures.ts";
import { nameOf } from "./frames.ts";
import { manifestOf } from "./lab.ts";
import { type BenchOptions, Findings, say, sleep } from "./timing.ts";

const tickMs = 2;
const random = () => 0;
const measures: Instrumentation = {
  book() {},
  store() {},
  judged() {},
  mailed() {},
  mailFailed() {},
  webhookFailed() {},
};

export async function benchBurst({ full, folder, sizes }: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("burst");
  for (const size of sizes.filter((each) => each >= 1_000)) {
    const goal = size === 1_000 ? { atMost: 50, by: "max" } as const : {};
    for (let round = 0; round < (full ? 5 : 3); round++) {
      say(`burst: all of ${size} change at once`);
      await using lab = await Burst.open(size, `${folder}/${crypto.randomUUID()}`);
      for (const [what, ms] of [["a first judgement", 0], ["all fall silent", null], ["all come back", 0]] as const) {
        const { longestMs, tookMs } = await lab.change(ms);
        findings.add({ what: `${what}: the loop is held up for`, size, unit: "ms", ...goal }, longestMs);
        findings.add({ what: `${what}: until the mail is taken`, size, unit: "ms" }, tookMs);
      }
    }
  }
  return findings.figures;
}

/** A laboratory whose streams send, or do not, all together. */
class Burst implements AsyncDisposable {
  readonly #names: readonly string[];
  readonly #monitor: Monitor;
  readonly #mails: { count: number };
  readonly #close: () => Promise<void>;

  private constructor(
    names: readonly string[],
    monitor: Monitor,
    mails: { count: number },
    close: () => Promise<void>,
  ) {
    this.#names = names;
    this.#monitor = monitor;
    this.#mails = mails;
    this.#close = close;
  }

  static async open(size: number, folder: string): Promise<Burst> {
    await Deno.mkdir(folder);
    const sink = new Worker(new URL("./sink.ts", import.meta.url), { type: "module" });
    const port = await new Promise<number>((resolve) => sink.onmessage = ({ data }) => resolve(data));
    const mails = { count: 0 };
    sink.onmessage = () => mails.count++;
    const settings = settingsOf(folder, port);
    const opened = await open(settings, clock);
    const stop = new AbortController();
    const { monitor, ended } = started(settings, opened, size, stop.signal);
    while (monitor.snapshot().book.resources < size) await sleep(tickMs);
    const names = Array.from({ length: size }, (_, at) => nameOf(at));
    return new Burst(names, monitor, mails, async () => {
      stop.abort();
      await ended;
      await opened.store.close();
      await opened.log.close();
      sink.terminate();
    });
  }

  /** `idleMs`: for how long no stream has sent anything; null: it never has. */
  async change(idleMs: number | null): Promise<{ longestMs: number; tookMs: number }> {
    const { count } = this.#mails;
    const { hands } = this.#monitor;
    const startMs = clock.monotonicMs();
    const ticks = ticking();
    this.#report("jump", this.#names, 0);
    this.#report("relay", this.#names.flatMap((name) => [`${name}-st-data`, `${name}-st-video`]), idleMs);
    while (this.#mails.count === count) await sleep(tickMs);
    const tookMs = clock.monotonicMs() - startMs;
    const isBusy = () => [hands.outbox, hands.webhook].some((each) => each.view().waiting > 0);
    while (hands.keeper.waiting > 0 || isBusy()) await sleep(tickMs);
    return { longestMs: await ticks.longestMs(), tookMs };
  }

  #report(feed: Report["feed"], topics: readonly string[], idleMs: number | null): void {
    const connections = ConnectionTable.of(topics.map((topic) => connection(topic, idleMs ?? "silent")));
    const counts = { entries: topics.length, skipped: 0, generation: "measured", intervalMs: 60_000 } as const;
    this.#monitor.report({ feed, atMs: clock.nowMs(), connections, ...counts });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

function settingsOf(folder: string, mailPort: number): Settings {
  const files = { STATUS_STORE_FILE: `${folder}/status.db`, STATUS_LOG_FILE: `${folder}/status.log` };
  const mail = { ...mailEnvironment, STATUS_EMAIL_HOST: "127.0.0.1", STATUS_EMAIL_PORT: String(mailPort) };
  const webhook = { STATUS_WEBHOOK_URL: "http://127.0.0.1:9/", STATUS_SECRET_WEBHOOK: "a secret of the bench's own" };
  const read = readSettings({ ...mail, ...webhook, ...files, STATUS_HEALTH_STARTUP: "0s" }, Deno.readTextFileSync);
  if (read.kind === "faulty") throw new Error(read.faults.join("; "));
  return read.settings;
}

function started(settings: Settings, opened: Awaited<ReturnType<typeof open>>, size: number, signal: AbortSignal) {
  const log = logger("status");
  const ended: Promise<unknown>[] = [];
  const changed = () => monitor.readersChanged();
  const recorder = createRecorder(opened.store, { clock, random, changed, turned: (alerts) => monitor.judge(alerts) });
  const record = (changes: readonly StoreChange[]) => recorder.record(changes);
  const ports = { clock, log, recorder, views: () => offViews, changed: () => live.changed(), turned() {} };
  const monitor: Monitor = new Monitor(monitorOptions(settings, "bench"), ports, opened, (monitor) => {
    const rules = availabilityRules(settings);
    const keeper = startBookSync(
      { queryEveryMs: 3_600_000, rules },
      { book: bookOf(size), clock, random },
      monitor,
      signal,
    );
    ended.push(keeper.done);
    const fetch = () => Promise.resolve(new Response());
    const told = { clock, random, fetch, version: "bench", snapshot: () => monitor.snapshot(), record, changed };
    return { keeper, ...createOutboxes(settings, { ...told, measures }, opened.saved) };
  });
  const live = createLive({ snapshot: () => monitor.snapshot(), clock, failed }, { addresses: false });
  const { outbox, webhook } = monitor.hands;
  ended.push(...[monitor, outbox, webhook, recorder, live].map((each) => each.run(signal)), readLive(live));
  return { monitor, ended: Promise.all(ended) };
}

function failed(error: unknown): void {
  throw error;
}

/** Until the live events end. */
async function readLive(live: Live): Promise<void> {
  for await (const _ of live.answer(new URLSearchParams())?.body ?? []);
}

/** All is available at first; an answer takes a turn of the loop. */
function bookOf(size: number) {
  const resources = manifestOf(size);
  const said = new Map(
    resources.map(({ name }): [string, Availability] => [name, { available: true, reason: "loaded" }]),
  );
  const answer = async <Answer>(what: () => Answer) => (await sleep(1), what());
  return {
    resources: () => answer(() => ({ resources, skipped: 0 })),
    availability: (name: string) => answer(() => said.get(name) ?? { available: false, reason: "" }),
    setAvailability: (name: string, wanted: Availability) => answer(() => void said.set(name, wanted)),
  };
}

/** The most CPU time that this thread took between two ticks, in milliseconds. */
function ticking(): { longestMs(): Promise<number> } {
  // What others do on the machine is not in it, as it would be in the time that passes.
  const cpuMs = () => Number(Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/schedstat`).split(" ")[0]) / 1e6;
  let longest = 0, last = cpuMs();
  const tick = () => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
  };
  let isOver = false;
  const run = async () => {
    while (!isOver) {
      await sleep(tickMs);
      tick();
    }
  };
  const ended = run();
  return {
    async longestMs() {
      isOver = true;
      await ended;
      return longest;
    },
  };
}
