/**
 * `status serve`: the parts are made, wired and started, and when asked to stop are stopped in turn. What they do is theirs;
 * which setting goes where is for `parts`, what must be had before anything starts for `opening`.
 */
import { issueText } from "./alerts.ts";
import { historyTurnsMax, statusJson, time } from "./api.ts";
import {
  availabilityRules,
  bookSource,
  createOutboxes,
  createStreamWatch,
  feedRequest,
  monitorOptions,
  open,
  type Opened,
} from "./app.ts";
import { yieldForReaders } from "./async.ts";
import { createBook } from "./book_client.ts";
import { startBookSync } from "./book_sync.ts";
import { aborted, systemClock as clock } from "./clock.ts";
import type { Effectors } from "./effect_runner.ts";
import { watchFeed } from "./feed.ts";
import { createApp, listen, type Listening, type ServerPorts } from "./http_server.ts";
import { createLive } from "./live_updates.ts";
import { fault, logger } from "./log.ts";
import {
  createMetrics,
  measuredBook,
  measuredFeed,
  measuredStore,
  type Metrics,
  processFigures,
  type TapPorts,
} from "./metrics.ts";
import { Monitor } from "./monitor.ts";
import type { StoreChange } from "./persisted.ts";
import type { FeedName } from "./report.ts";
import type { Settings } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";
import { SocketPool, startSocketWorker } from "./socket_pool.ts";
import type { Live } from "./sse.ts";
import type { Store } from "./store.ts";
import { createRecorder, pruneEveryMs, Retention, type StoreWriter } from "./store_writer.ts";
import { createWatch, Liveness, type ManagerRequest } from "./watchdog.ts";

// A stop has 5 s; what is still in hand then is in the store, and goes on after the next start.
const stopMsMax = 4_000;
const random = () => Math.random();
const log = logger("status");

/** What of the program is not a setting. */
export interface Program {
  readonly version: string;
  /** Null where no service manager has asked for anything. */
  readonly manager: ManagerRequest | null;
}

/** What has to end before the program may, and what ends it. */
interface Life {
  readonly signal: AbortSignal;
  readonly ends: Promise<void>[];
}

/** Runs the monitor until SIGTERM or SIGINT. Throws where it can't start: no port, no store, no log. */
export async function serve(settings: Settings, warnings: readonly string[], program: Program): Promise<void> {
  const opened = await open(settings, clock);
  for (const warning of [...warnings, ...opened.warnings]) log.warn(warning);
  const stop = new AbortController();
  const { signal } = stop;
  const life: Life = { signal, ends: [] };
  if (settings.PROFILE) life.ends.push((await profiling(settings, signal)).done);
  const parts = made(settings, program, opened, life);
  start(settings, parts, opened, life);
  log.always(`status ${program.version} is listening on http://${settings.HOST_SERVE}:${parts.server.port}`);

  const release = onSignals(() => stop.abort(), () => opened.log.reopen());
  await Promise.race([aborted(signal), fault(opened.log, log)]);
  log.always("status was asked to stop");
  const enough = AbortSignal.timeout(stopMsMax);
  const ended = Promise.all([parts.server.stop(enough), ...life.ends, parts.monitor.settled()]);
  await Promise.race([ended, aborted(enough)]);
  release();
  await opened.store.close();
  await opened.log.close();
}

/** What is made first calls the monitor only later: all of it is made in one go. Throws ListenFailed. */
function made(settings: Settings, { version, manager }: Program, opened: Opened, life: Life) {
  const metrics = createMetrics({ process: processFigures, live: () => live, pause: yieldForReaders });
  const taps = { measures: metrics.measures, monotonicMs: clock.monotonicMs };
  const vigil = new Liveness(clock);
  const store = vigil.store(measuredStore(opened.store, taps));
  const changed = () => monitor.readersChanged();
  const recorder = createRecorder(store, { clock, random, changed, turned: (alerts) => monitor.judge(alerts) });
  const snapshot = () => monitor.snapshot();
  const told = { snapshot, clock, failed: (error: unknown) => failed("GET", "/api/v1/live", error) };
  const live = createLive(told, { addresses: settings.API_ADDRESSES });
  const server = listening(settings, { snapshot, store, live, metrics, vigil });
  const watch = createWatch(settings, manager, { clock, random, log, vigil, snapshot, changed });
  const prober = createStreamWatch(settings, () => monitor, { clock, random, log });
  const views = () => ({ probes: prober.view(), heartbeat: watch.heartbeat.view() });
  const monitor = new Monitor(
    monitorOptions(settings, version),
    { clock, log, recorder, views, changed: () => (live.changed(), prober.look()), turned: vigil.loop("the monitor") },
    opened,
    (monitor) => hands(settings, { monitor, recorder, opened, taps, version }, life),
  );
  return { monitor, prober, recorder, live, watch, server, vigil, taps };
}

function start(settings: Settings, parts: ReturnType<typeof made>, { saved }: Opened, { signal, ends }: Life): void {
  const { monitor, prober, recorder, live, watch, vigil, taps } = parts;
  const must = (name: string, run: Promise<void>) => ends.push(vigil.running(name, run, signal));
  must("watching the feeds", watchFeeds(settings, parts, signal));
  must("listening to streams", prober.run(signal));
  must("judging", monitor.run(signal));
  must("sending mail", monitor.hands.outbox.run(signal));
  must("calling the webhook", monitor.hands.webhook.run(signal));
  must("recording", recorder.run(signal));
  ends.push(live.run(signal), watch.run(signal), clock.attend(signal, (ms) => taps.measures.lagged(ms)));
  const retention = new Retention(clock, saved.runs);
  const prune = () => recorder.prune(retention.nowMs() - settings.STORE_KEEP);
  ends.push(prune(), every(pruneEveryMs(settings.STORE_KEEP), signal, prune));
  ends.push(every(settings.HEALTH_LOG_EVERY, signal, () => logState(monitor)));
}

/** All that is shown to people and machines, each when it is asked for. Throws ListenFailed. */
function listening(
  settings: Settings,
  { snapshot, store, live, metrics, vigil }: {
    snapshot(): Snapshot;
    store: Store;
    live: Live;
    metrics: Metrics;
    vigil: Liveness;
  },
): Listening {
  const ports: ServerPorts = {
    snapshot,
    live,
    failed,
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    history: (name, sinceMs) => store.turns(name, { sinceMs, max: historyTurnsMax }),
    metrics: () => metrics.body(snapshot()),
    hanging: () => vigil.hanging(),
  };
  const app = createApp(ports, { addresses: settings.API_ADDRESSES, storeKeepMs: settings.STORE_KEEP });
  return listen(app, settings.HOST_SERVE, settings.PORT_SERVE);
}

function failed(method: string, path: string, error: unknown): void {
  log.error(`${method} ${path} failed`, { error });
}

/** Loaded only where it is asked for. Throws ListenFailed. */
async function profiling({ PORT_PROFILE: port }: Settings, signal: AbortSignal): Promise<{ done: Promise<void> }> {
  const { startProfiling } = await import("./profile.ts");
  const started = startProfiling(port, { clock, startedMs: clock.monotonicMs(), signal });
  log.always(`a CPU profile can be had at http://127.0.0.1:${started.port}/profile`);
  return started;
}

/** What acts on the monitor's judgements: book is kept true, and people are told. */
function hands(
  settings: Settings,
  { monitor, recorder, opened, taps, version }: {
    monitor: Monitor;
    recorder: StoreWriter;
    opened: Opened;
    taps: TapPorts;
    version: string;
  },
  { signal, ends }: Life,
): Effectors {
  const book = measuredBook(createBook(bookSource(settings), { clock, fetch }), taps);
  const options = { queryEveryMs: settings.QUERY_BOOK_EVERY, rules: availabilityRules(settings) };
  const keeper = startBookSync(options, { book, clock, random }, monitor, signal);
  const told = {
    clock,
    random,
    fetch,
    version,
    snapshot: () => monitor.snapshot(),
    record: (changes: readonly StoreChange[]) => recorder.record(changes),
    changed: () => monitor.readersChanged(),
    measures: taps.measures,
  };
  ends.push(keeper.done);
  return { keeper, ...createOutboxes(settings, told, opened.saved) };
}

async function watchFeeds(
  settings: Settings,
  { monitor, taps }: { monitor: Monitor; taps: TapPorts },
  signal: AbortSignal,
): Promise<void> {
  const sockets = new SocketPool(clock, startSocketWorker);
  const watch = (name: FeedName) =>
    watchFeed(
      { ...feedRequest(name, settings), lastCheckedMs: settings.HEALTH_LAST_CHECKED },
      { clock, random, sockets, fetch },
      measuredFeed(
        name,
        { report: (report) => monitor.report(report), news: (news) => monitor.news(name, news) },
        taps,
      ),
      signal,
    );
  await Promise.all([watch("jump"), watch("relay")]);
  sockets.close();
}

/** The whole state, whatever the level (HEALTH_LOG_EVERY). */
function logState(monitor: Monitor): void {
  const snapshot = monitor.snapshot();
  const experiments = snapshot.experiments.map(({ name, state, sinceMs, issues, available, held, trial }) => {
    return { name, state, since: time(sinceMs), issues: issues.map(issueText), available, held, trial };
  });
  log.always("the state of everything", { ...statusJson(snapshot, clock.nowMs()), experiments });
}

async function every(ms: number, signal: AbortSignal, act: () => void | Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await clock.wait(ms, signal).catch(() => {}); // the stop ends the loop
    if (!signal.aborted) await act();
  }
}

function onSignals(stop: () => void, reopen: () => void): () => void {
  const acts: [Deno.Signal, () => void][] = Deno.build.os === "windows"
    ? [["SIGINT", stop], ["SIGBREAK", stop]]
    : [["SIGINT", stop], ["SIGTERM", stop], ["SIGHUP", reopen]];
  for (const [name, act] of acts) Deno.addSignalListener(name, act);
  return () => acts.forEach(([name, act]) => Deno.removeSignalListener(name, act));
}
