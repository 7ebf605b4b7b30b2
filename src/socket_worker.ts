/**
 * Holds native sockets, and reads the frames of the feeds, in a Worker of its own: the runtime never lets go of a
 * socket whose server doesn't answer the close frame until the Worker that holds it ends. `socket_pool` starts and ends it,
 * and is the only one that talks to it. No other module may import more than types from here.
 */
import { sanitize } from "./failure.ts";
import { buffersOf, type FeedName, type ReportDelta } from "./report.ts";
import { FrameReader } from "./report_decoder.ts";

/** How frames are read; `any`: not at all, it is told that one has come, once. */
export type Dialect = FeedName | "any";

/** What the pool asks for. `id` is the pool's own number of a socket. */
export type SocketOrder =
  | { readonly kind: "dial"; readonly id: number; readonly url: string; readonly dialect: Dialect }
  | { readonly kind: "close"; readonly id: number };

/** What becomes of a socket. Nothing comes after `closed`. Frames that are no reports are not told of. */
export type SocketEvent =
  & { readonly id: number }
  & (
    | { readonly kind: "open" }
    | { readonly kind: "report"; readonly columns: ReportDelta }
    | { readonly kind: "message" }
    | { readonly kind: "bad-frame"; readonly why: string }
    | { readonly kind: "closed"; readonly why: string }
  );

declare function postMessage(event: SocketEvent, transfer?: ArrayBuffer[]): void;

const sockets = new Map<number, WebSocket>();

globalThis.addEventListener("message", (event) => {
  if (event instanceof MessageEvent) obey(event.data as SocketOrder);
});

function obey(order: SocketOrder): void {
  if (order.kind === "close") return close(order.id);
  try {
    dial(order);
  } catch (error) { // an address that is none
    postMessage({ id: order.id, kind: "closed", why: wordsOf(String(error)) });
  }
}

function dial({ id, url, dialect }: SocketOrder & { kind: "dial" }): void {
  const socket = new WebSocket(url);
  let failure = "";
  sockets.set(id, socket);
  socket.onopen = () => postMessage({ id, kind: "open" });
  socket.binaryType = "arraybuffer";
  socket.onmessage = dialect === "any" ? tellOnce(id) : tellOfFrames(id, new FrameReader(dialect));
  socket.onerror = (event) => failure = event instanceof ErrorEvent ? wordsOf(event.message) : "";
  socket.onclose = (event) => {
    sockets.delete(id);
    postMessage({ id, kind: "closed", why: failure || closingWords(event) });
  };
}

function close(id: number): void {
  const socket = sockets.get(id);
  if (socket === undefined) return;
  // Its server may go on sending: nobody wants to know, and what a reader remembers of 10,000 experiments takes 8 MB.
  socket.onmessage = null;
  socket.close();
}

/** The messages themselves are nobody's business here, and a video is large. They are all read: see the protocol, 8. */
function tellOnce(id: number): (event: MessageEvent) => void {
  let isTold = false;
  return ({ data }) => {
    const length = typeof data === "string" ? data.length : (data as ArrayBuffer).byteLength;
    if (isTold || length === 0) return;
    isTold = true;
    postMessage({ id, kind: "message" });
  };
}

function tellOfFrames(id: number, reader: FrameReader): (event: MessageEvent) => void {
  return ({ data }) => {
    if (typeof data !== "string") return postMessage({ id, kind: "bad-frame", why: "a binary frame" });
    const read = reader.read(data);
    switch (read.kind) {
      case "report":
        return postMessage({ id, ...read }, buffersOf(read.columns));
      case "bad":
        return postMessage({ id, kind: "bad-frame", why: read.why });
      case "other":
        return;
    }
  };
}

/** The runtime's words, without what each of them begins with. */
function wordsOf(message: string): string {
  const words = sanitize(
    message.replace(/^(?:NetworkError|SyntaxError|Error): /, "").replace("failed to connect to WebSocket: ", ""),
  );
  return words === "Frame too large" ? "Frame too large (more than 64 MB)" : words;
}

function closingWords({ code, reason }: CloseEvent): string {
  return reason === "" ? `closed with code ${code}` : `closed with code ${code} "${sanitize(reason)}"`;
}
