import assert from "node:assert/strict";
import { systemClock } from "../src/clock.ts";
import { listen, type Listening } from "../src/http_server.ts";
import { createLive } from "../src/live_updates.ts";
import { chunkOf, eventText, jsonEventText, type Live, queuedBytesMax, readersMax, StreamReader } from "../src/sse.ts";
import { appOf } from "./support/app.ts";
import { eventsIn, Listener, LiveLab, textOf } from "./support/live_lab.ts";

const cases: Record<string, [text: string, want: string]> = {
  "an event is its name and its data, and a blank line ends it": [
    eventText("status", "{}"),
    "event: status\ndata: {}\n\n",
  ],
  "an id stands before the data": [eventText("top", "<p>", "1-2-3"), "event: top\nid: 1-2-3\ndata: <p>\n\n"],
  "JSON is one line of data": [jsonEventText("status", '{"a":"b\\nc"}'), 'event: status\ndata: {"a":"b\\nc"}\n\n'],
  "each line of the data is a line": [
    eventText("row", "a\nb\r\nc\rd"),
    "event: row\ndata: a\ndata: b\ndata: c\ndata: d\n\n",
  ],
  "no data is an empty line of data, or browsers would drop the event": [
    eventText("stale", ""),
    "event: stale\ndata: \n\n",
  ],
  "data that looks like a field stays data": [eventText("row", "event: x"), "event: row\ndata: event: x\n\n"],
};
for (const [name, [text, want]] of Object.entries(cases)) Deno.test(name, () => assert.equal(text, want));

Deno.test("several events go out in one piece, in UTF-8", () => {
  const piece = chunkOf([eventText("row", "Pendel Süd"), eventText("gone", "e-a")]);
  assert.deepEqual(eventsIn(textOf([piece])).map(({ data }) => data), ["Pendel Süd", "e-a"]);
});

const never = () => assert.fail("the client has not left");
const piece = (bytes: number) => new Uint8Array(bytes);

Deno.test("a reader gets the very pieces that it was given, in their order", async () => {
  const reader = new StreamReader(never);
  const [first, second, third] = [piece(3), piece(2), piece(1)] as const;
  reader.push(first);
  reader.push(second);
  const listener = new Listener(reader.body);
  await turn();
  reader.push(third);
  await turn();
  assert.deepEqual(listener.pieces.map((each) => each.length), [3, 2, 1]);
  assert.ok([first, second, third].every((each, at) => each === listener.pieces[at]));
  reader.end();
  await listener.ended;
});

Deno.test("what waits for a reader is counted in bytes until it is taken", async () => {
  const reader = new StreamReader(never);
  reader.push(piece(10));
  reader.push(piece(5));
  assert.equal(reader.queuedBytes, 15);
  const source = reader.body.getReader();
  await source.read();
  assert.equal(reader.queuedBytes, 5);
  await source.read();
  assert.equal(reader.queuedBytes, 0);
  reader.end();
  source.releaseLock();
});

const bounds: Record<string, [waiting: readonly number[], isTaken: boolean]> = {
  "with nothing waiting takes a piece of any size": [[], true],
  "takes one at the bound": [[queuedBytesMax], true],
  "takes none over the bound": [[queuedBytesMax, 1], false],
};
for (const [name, [waiting, isTaken]] of Object.entries(bounds)) {
  Deno.test(`a reader ${name}`, () => {
    const reader = new StreamReader(never);
    for (const bytes of waiting) assert.ok(reader.push(piece(bytes)));
    assert.equal(reader.push(piece(2 * queuedBytesMax)), isTaken);
    reader.end();
  });
}

Deno.test("what comes first goes out before all that has come while it was made, and does not count as waiting", async () => {
  const reader = new StreamReader(never);
  reader.hold();
  const listener = new Listener(reader.body);
  assert.ok(reader.push(piece(1)));
  await turn();
  assert.deepEqual(listener.pieces, []);

  let begun = 0;
  reader.begin([piece(queuedBytesMax), piece(9)].values(), () => begun++);
  assert.equal(reader.queuedBytes, 1);
  await turn();
  reader.push(piece(2));
  await turn();
  assert.deepEqual(listener.pieces.map(({ length }) => length), [queuedBytesMax, 9, 1, 2]);
  assert.equal(begun, 1);
  reader.end();
  await listener.ended;
});

Deno.test("nobody waits for what comes first of a reader that has been given up", () => {
  const [before, meanwhile] = [new StreamReader(never), new StreamReader(never)];
  let begun = 0;
  before.hold();
  before.end();
  before.begin([piece(1)].values(), () => begun++);
  assert.equal(begun, 1);
  meanwhile.hold();
  meanwhile.begin([piece(1)].values(), () => begun++);
  meanwhile.end();
  assert.equal(begun, 2);
});

Deno.test("a reader that is given up holds nothing, and its stream ends", async () => {
  const reader = new StreamReader(never);
  reader.push(piece(10));
  reader.end();
  assert.equal(reader.queuedBytes, 0);
  const listener = new Listener(reader.body);
  await listener.ended;
  assert.deepEqual(listener.pieces, []);
});

Deno.test("a reader that was given up can be given up again, and takes nothing more", () => {
  const reader = new StreamReader(never);
  reader.end();
  reader.end();
  reader.push(piece(10));
  assert.equal(reader.queuedBytes, 0);
});

Deno.test("a client that leaves is told of at once, and nothing waits for it", async () => {
  let left = 0;
  const reader = new StreamReader(() => left++);
  reader.push(piece(10));
  await reader.body.cancel();
  assert.equal(left, 1);
  assert.equal(reader.queuedBytes, 0);
  reader.push(piece(10));
  reader.end();
  assert.equal(reader.queuedBytes, 0);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/*  Live streams over a real network: what the runtime does with readers that are many, that do not read, and that leave. */

/** The server of a laboratory, and whoever listens to it. */
class Stage implements AsyncDisposable {
  readonly lab: LiveLab;
  readonly live: Live;
  readonly #server: Listening;
  readonly #stop = new AbortController();
  readonly #run: Promise<void>;
  readonly #listeners: Listener[] = [];

  constructor(names: readonly string[] = ["pend00", "spin31"]) {
    this.lab = new LiveLab(names);
    const ports = {
      snapshot: () => this.lab.snapshot,
      clock: systemClock,
      failed: (error: unknown) => assert.fail(`${error}`),
    };
    this.live = createLive(ports, { addresses: false });
    this.#run = this.live.run(this.#stop.signal);
    const app = appOf(this.lab.snapshot, { snapshot: () => this.lab.snapshot, live: this.live });
    this.#server = listen(app, "127.0.0.1", 0);
  }

  get port(): number {
    return this.#server.port;
  }

  get(query = ""): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}/api/v1/live?${query}`);
  }

  async listen(query = ""): Promise<Listener> {
    const { body } = await this.get(query);
    const listener = new Listener(body!);
    this.#listeners.push(listener);
    return listener;
  }

  /** Somebody who asks and never reads. HTTP/1.0, so that the answer comes without chunks and ends with the connection. */
  async stick(): Promise<Deno.TcpConn> {
    const { readers } = this.live;
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    await connection.write(new TextEncoder().encode("GET /api/v1/live HTTP/1.0\r\nHost: x\r\n\r\n"));
    await until(() => this.live.readers > readers, "the one that never reads to be there");
    return connection;
  }

  /** Changes everything again and again, as fast as `listener` reads it, until somebody is given up. */
  async changeUntilDropped(listener: Listener): Promise<void> {
    for (let changes = 1; this.live.dropped === 0; changes++) {
      assert.ok(changes < 200, "it is given up before 200 changes of everything");
      await this.tell(`repair ${changes}`, listener, ...many);
      assert.ok(this.live.queuedBytes < 3_000_000, `${this.live.queuedBytes} bytes wait`);
    }
  }

  change(held: string, ...names: readonly string[]): void {
    this.lab.change({ held }, ...names);
    this.live.changed();
  }

  /** Changes `names`, and waits until `listener` has been told of one of them: others may follow in any piece, so all that came is read. */
  async tell(held: string, listener: Listener, ...names: readonly string[]): Promise<void> {
    const from = listener.text.length;
    this.change(held, ...names);
    await until(() => listener.text.includes(`"${held}"`, from), `"${held}" to be told`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#run;
    await Promise.all(this.#listeners.map(({ ended }) => ended));
    await this.#server.stop(AbortSignal.timeout(2_000));
  }
}

Deno.test("200 readers at once are all told of a change, in the same words", async () => {
  await using stage = new Stage();
  const readers = await Promise.all(Array.from({ length: 200 }, () => stage.listen()));
  assert.equal(stage.live.readers, 200);
  await until(() => readers.every(({ events }) => events.length >= 3), "everybody to have the picture");

  stage.change("repair", "spin31");
  const told = ({ events }: Listener) => events.find(({ data }) => data.includes('"repair"'))?.data;
  await until(() => readers.every(told), "everybody to be told");
  assert.equal(new Set(readers.map(told)).size, 1); // pictures are made anew each second, and each has its time
});

Deno.test("a reader beyond the limit is answered 503 with when to come again, until another leaves", async () => {
  await using stage = new Stage();
  const readers = await Promise.all(Array.from({ length: readersMax }, () => stage.listen()));
  const refused = await stage.get();
  assert.equal(refused.status, 503);
  assert.match(refused.headers.get("Retry-After")!, /^\d+$/);
  assert.equal((await refused.json()).code, "503");

  await readers[0]!.leave();
  await until(() => stage.live.readers < readersMax, "the server to see that one has left");
  await stage.listen();
});

Deno.test("a reader that leaves is seen to have left without anything being sent", async () => {
  await using stage = new Stage();
  const listener = await stage.listen();
  await until(() => listener.events.length >= 3, "the picture");
  await listener.leave();
  await until(() => stage.live.readers === 0, "the server to see it");
});

const many = Array.from({ length: 1_000 }, (_, at) => `pend${at}`);

Deno.test("a reader that never reads is given up, what waits for it is freed, and the others miss nothing", async () => {
  await using stage = new Stage(many);
  const listener = await stage.listen();
  const stuck = await stage.stick();
  await stage.changeUntilDropped(listener);
  assert.equal(stage.live.readers, 1);
  await until(() => stage.live.queuedBytes === 0, "what waited to be freed");

  await stage.tell("over", listener, "pend500"); // which still stands among those that are to be told of the last change
  stuck.close();
});

Deno.test("what a reader that was given up can still read ends between two events", async () => {
  await using stage = new Stage(many);
  const listener = await stage.listen();
  const stuck = await stage.stick();
  await stage.changeUntilDropped(listener);
  const text = await new Response(stuck.readable).text();
  assert.ok(text.length > 1_000_000, `${text.length} characters were read`);
  assert.ok(text.endsWith("\n\n"));
});

Deno.test("a stop ends the streams, so that the server is done at once", async () => {
  const stage = new Stage();
  const listener = await stage.listen("page=list");
  await until(() => listener.events.length > 0, "the first event");
  await stage[Symbol.asyncDispose]();
  assert.equal(stage.live.readers, 0);
});

async function until(isSo: () => boolean, what: string): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  while (!isSo()) {
    if (signal.aborted) throw new Error(`Waited 20 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
