/**
 * The stage of the kill loop: the simulator, taps on the wires to book, mail and webhook, and the program that is started and
 * killed on them with one store. What happens, and when it is killed, is decided in `kill_loop`.
 */
import { systemClock } from "../../src/clock.ts";
import { clockTime } from "../simulator/board.ts";
import { startWorld, type World } from "../simulator/world.ts";
import { Audit, BookAudit } from "./kill_audit.ts";
import { KillLab } from "./kill_lab.ts";
import type { Gap, How, Moment } from "./kill_loop.ts";
import {
  autopsy,
  httpTalk,
  smtpTalk,
  type Step,
  type StoreContents,
  storedLetter,
  Subject,
  Tap,
  type Watcher,
} from "./kill_subject.ts";

const traceMax = 4_000;
const clock = systemClock;
const never = new AbortController().signal;

export class KillStage implements Watcher, AsyncDisposable {
  readonly world: World;
  readonly lab: KillLab;
  readonly audit = new Audit();
  readonly book: BookAudit;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** How often the program was started. */
  life = 0;
  subject: Subject | null = null;
  /** When it did not run, between two lives. */
  readonly gaps: Gap[] = [];
  readonly trace: string[] = [];
  readonly #taps: readonly Tap[];
  /** Sees each step before it is passed on. */
  onStep: (step: Step) => void = () => {};
  #aim: { moment: Moment & { on: "step" }; pauseMs: number } | null = null;

  private constructor(
    { world, folder, taps, env }: {
      world: World;
      folder: string;
      taps: { book: Tap; mail: Tap; hook: Tap };
      env: Readonly<Record<string, string>>;
    },
  ) {
    this.world = world;
    this.folder = folder;
    this.#taps = Object.values(taps);
    taps.book.lead({ servicePort: portOf(world.book.host), watcher: this });
    taps.mail.lead({ servicePort: world.mailbox.port, watcher: this });
    taps.hook.lead({ servicePort: portOf(world.hook.host), watcher: this });
    this.env = {
      ...world.env,
      STATUS_EMAIL_PORT: String(taps.mail.port),
      STATUS_WEBHOOK_URL: world.hook.url.replace(world.hook.host, `127.0.0.1:${taps.hook.port}`),
      STATUS_HEALTH_EVENTS: "10000",
      STATUS_HEALTH_LAST: "2s",
      STATUS_HEALTH_STARTUP: "500ms",
      STATUS_QUERY_BOOK_EVERY: "1s",
      STATUS_PORT_SERVE: "0",
      STATUS_STORE_FILE: this.storeFile,
      STATUS_LOG_FILE: "stdout",
      STATUS_LOG_LEVEL: "info",
      ...env,
    };
    world.board.listen((happening) => {
      this.tell(`${happening.part}: ${happening.text}`);
      this.book?.happened(happening, this.life);
    });
    this.lab = new KillLab(world, (line) => this.tell(line));
    this.book = new BookAudit(world.book);
  }

  /** `env`: settings that are others than the loop's. */
  static async open(env: Readonly<Record<string, string>> = {}): Promise<KillStage> {
    // The wires are there before the world, whose settings name them.
    const taps = { book: new Tap(httpTalk), mail: new Tap(smtpTalk), hook: new Tap(httpTalk) };
    const world = await startWorld({
      reportEveryMs: 100,
      hook: true,
      proxies: { book: `127.0.0.1:${taps.book.port}` },
    });
    const stage = new KillStage({ world, folder: await Deno.makeTempDir({ prefix: "kill" }), taps, env });
    await Deno.mkdir(`${stage.folder}/store`);
    return stage;
  }

  get storeFile(): string {
    return `${this.folder}/store/status.db`;
  }

  get isRunning(): boolean {
    return this.subject !== null && !this.subject.isKilled && this.subject.ended === null;
  }

  /** The program begins another life. */
  start(): Subject {
    const nowMs = clock.nowMs();
    const before = this.subject;
    if (before) this.gaps.push({ fromMs: before.killedMs ?? nowMs, toMs: nowMs });
    this.life++;
    this.tell("the program is started");
    return this.subject = new Subject(this.env, nowMs, () => this.world.board.version++);
  }

  /** Resolves when it listens. Throws where it ends by itself. */
  async listening(): Promise<void> {
    await this.until(() => this.subject?.port || this.subject?.isKilled, "the program to listen");
  }

  /** Kills it when that step comes: `pauseMs` after it, if it is to see it. */
  aim(moment: Moment & { on: "step" }, pauseMs: number): void {
    this.#aim = { moment, pauseMs };
  }

  kill(why: string): void {
    if (!this.isRunning) return;
    this.subject?.kill(clock.nowMs());
    this.#aim = null;
    this.tell(`killed: ${why}`);
  }

  /** Stopped dead, so that it does not see what `act` sends it, and killed. */
  async killUnseeing(act: () => void): Promise<void> {
    this.subject?.freeze();
    act();
    await clock.wait(5, never); // what was sent is on its way to a socket on this very machine
    this.kill("what came is unseen");
  }

  /** Killed as soon as its store is written to, if that is within `ms` after `act`. */
  async killWriting(act: () => void, ms: number): Promise<void> {
    const watch = Deno.watchFs(`${this.folder}/store`);
    const seen = new AbortController();
    clock.wait(ms, seen.signal).then(() => watch.close(), () => {}); // it was seen in time
    act();
    for await (const { kind, paths } of watch) {
      if (kind !== "modify" || !paths.some((path) => path.endsWith("-wal"))) continue;
      this.kill("its store is being written");
      break; // which closes the watch
    }
    seen.abort();
  }

  /** After its end: what it left, which has to be whole. */
  async buried(): Promise<StoreContents | null> {
    const { subject, life } = this;
    await subject?.gone();
    if (subject?.ended?.signal !== "SIGKILL") {
      throw new Error(`the program ended with ${JSON.stringify(subject?.ended)}`);
    }
    const left = await autopsy(this.storeFile, this.folder);
    this.audit.ended(life, subject, left);
    return left;
  }

  before(step: Step): boolean {
    const now = { atMs: clock.nowMs(), life: this.life };
    const letterOf = (text: string) => storedLetter(this.storeFile, text);
    if (step.kind === "smtp-message") this.audit.mailed(step.raw, now, letterOf);
    if (isPost(step) && step.kind === "http-asked") this.audit.posted(step.asked.body, now, letterOf);
    this.onStep(step);
    const how = this.#aimed(step);
    if (how === null) return true;
    if (how === "withheld") this.kill(`withheld ${wordsOf(step)}`);
    if (how === "unseen") this.subject?.freeze();
    return how !== "withheld";
  }

  after(step: Step): void {
    if (step.kind === "smtp-answer" && step.taken) this.audit.mails.told();
    if (isPost(step) && step.kind === "http-answered" && step.status < 300) this.audit.hooks.told();
    this.book.answered(step, this.life);
    const how = this.#aimed(step);
    if (how === "unseen") this.kill(`unseen ${wordsOf(step)}`);
    if (how !== "seen") return;
    const { subject } = this;
    const pauseMs = this.#aim?.pauseMs ?? 0;
    this.#aim = null;
    const then = () => this.subject === subject && this.kill(`${pauseMs} ms after ${wordsOf(step)}`);
    pauseMs === 0 ? then() : clock.wait(pauseMs, never).then(then);
  }

  #aimed(step: Step): How | null {
    return this.#aim?.moment.is(step) && !this.subject?.isKilled ? this.#aim.moment.how : null;
  }

  async json<Answer>(path: string): Promise<Answer> {
    const answer = await fetch(`http://127.0.0.1:${this.subject?.port}${path}`);
    return await answer.json();
  }

  /** As `Board.until`; a program that is gone ends the wait. */
  async until<T>(condition: () => T | Promise<T>, what: string, timeoutMs = 60_000) {
    let gone: Gone | null = null;
    const value = await this.world.until(async () => {
      try {
        const { ended, isKilled } = this.subject ?? {};
        if (ended && !isKilled) throw new Gone(`the program ended by itself: ${JSON.stringify(ended)}`);
        return await condition() || null;
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
        return gone = error;
      }
    }, { what, timeoutMs });
    if (gone !== null) throw gone;
    return value as Exclude<typeof value, Gone>;
  }

  /** Lets the world report so many more times. */
  async reports(count: number): Promise<void> {
    for (const feed of [this.world.jump, this.world.relay]) {
      const untilCount = feed.counts.reports + count;
      await this.until(() => feed.counts.reports >= untilCount, `${count} more reports`);
    }
  }

  tell(line: string): void {
    this.trace.push(`${clockTime(clock.nowMs())} life ${this.life} ${line}`);
    if (this.trace.length > traceMax) this.trace.shift();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("the end");
    await this.subject?.gone();
    await Promise.all(this.#taps.map((tap) => tap.stop()));
    await this.world.stop();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** It was to run, and does not. */
class Gone extends Error {}

function isPost(step: Step): boolean {
  return "asked" in step && step.asked.method === "POST";
}

function portOf(host: string): number {
  return Number(host.split(":")[1]);
}

function wordsOf(step: Step): string {
  if (!("asked" in step)) return step.kind;
  return `${step.kind} ${step.asked.method} ${step.asked.target.replace(/reason=.*/, "…")}`;
}
