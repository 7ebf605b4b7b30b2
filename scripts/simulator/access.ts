/**
 * Access to jump and relay: `POST` for a socket address, relay's `GET /status`, the streams behind it, and which token each service
 * accepts; refusals in the words of the recordings.
 */
import { compactVerify } from "jose";
import { z } from "zod";
import { type Board, every } from "./board.ts";
import type { SessionFault } from "./fault.ts";
import { type FeedDialect, type Generation, goDuration, jumpEntries, relayEntries, relayStatus } from "./feed.ts";
import { type Answer, type Bytes, json } from "./http.ts";
import type { Lab } from "./lab.ts";
import { binaryFrame, ServerSocket, sitSilent, textFrame } from "./wire.ts";

export function jumpDialect(lab: Lab, rules: () => TokenRules, board: Board): FeedDialect {
  return {
    name: "jump",
    prefix: "connect",
    glues: false,
    entries: (watchers, sinceMs, nowMs) => jumpEntries(lab, watchers, sinceMs, nowMs),
    farewell: () => `{"action":"disconnect","uri":"","uuid":"${crypto.randomUUID()}"}`,
    async answer(asked, path, give) {
      const host = /^\/api\/v1\/connect\/([^/]+)$/.exec(path)?.[1];
      if (host === undefined) return noSuchPath(path);
      if (asked.method !== "POST") return noSuchMethod(asked.method, "POST");
      const token = await readToken(asked.headers.get("authorization"), rules(), board.clock.nowMs());
      if (token.kind !== "good") return badToken(token, "error reading token was ");
      return admitToJump(host, token.claims, give);
    },
  };
}

function admitToJump(host: string, claims: Claims, give: (grant: Grant) => string): Answer {
  const { topic, prefix, scopes } = claims;
  const has = (scope: string) => scopes.includes(scope);
  if (!topic || !prefix || scopes.length === 0) return refused(401, "token missing required claims");
  if (topic !== host) return refused(401, "host_id does not match topic in token");
  if (host === "stats" && !has("stats")) return refused(401, "path not valid without stats scope");
  if (host !== "stats" && has("stats")) return refused(401, "path not valid for stats scope");
  if (has("host") && has("client")) return refused(401, "can only have client or host scope, not both");
  const socketTopic = has("client") ? `${topic}/${crypto.randomUUID()}` : topic;
  // Jump grants a token of its own reading and writing, whatever its scopes say.
  return admit(
    { prefix, topic: socketTopic, scopes: [...scopes, "read", "write"], canRead: true, canWrite: true },
    claims,
    give,
  );
}

export function relayDialect(
  generation: Generation,
  { lab, sessions }: { lab: Lab; sessions: Sessions },
  rules: () => TokenRules,
  board: Board,
): FeedDialect {
  return {
    name: "relay",
    prefix: "session",
    glues: true,
    entries: (watchers, sinceMs, nowMs) => relayEntries(generation, lab, watchers, sinceMs, nowMs),
    farewell: () => null,
    serve: (bytes, grant, pingEveryMs) => sessions.serve(bytes, grant, pingEveryMs),
    silence: () => sessions.silence(),
    async answer(asked, path, give) {
      const topic = /^\/session\/([^/]+)$/.exec(path)?.[1];
      if (topic === undefined && path !== "/status") return noSuchPath(path);
      const method = topic === undefined ? "GET" : "POST";
      if (asked.method !== method) return noSuchMethod(asked.method, method);
      const nowMs = board.clock.nowMs();
      const token = await readToken(asked.headers.get("authorization"), rules(), nowMs);
      if (token.kind === "invalid") return json(500, `{"code":500,"message":"token invalid"}`);
      if (token.kind !== "good") return badToken(token, "");
      if (topic === "stats") return admitToRelay(topic, token.claims, give);
      if (topic !== undefined) return sessions.answer(topic, () => admitToRelay(topic, token.claims, give));
      if (!token.claims.scopes.includes("relay:stats")) return refused(401, "token missing relay:stats scope");
      return json(200, `${JSON.stringify(relayStatus(generation, lab, [], nowMs, nowMs))}\n`);
    },
  };
}

function admitToRelay(wanted: string, claims: Claims, give: (grant: Grant) => string): Answer {
  const { topic, prefix, scopes, booking_id } = claims;
  if (!topic || !prefix || scopes.length === 0) return json(401, `"Token Missing Required Claims"\n`);
  if (topic !== wanted) return json(401, `"Token Wrong Topic"\n`);
  if (!booking_id) return refused(400, "empty bookingID field is not permitted");
  const canWrite = scopes.includes("write");
  // Scopes are not looked at here: a token that may not read gets a socket that is silent.
  return admit({ prefix, topic, scopes, canRead: canWrite || scopes.includes("read"), canWrite }, claims, give);
}

function admit(grant: Omit<Grant, "expiresMs">, claims: Claims, give: (grant: Grant) => string): Answer {
  const { iat, nbf, exp } = claims;
  if (iat === undefined || nbf === undefined || exp === undefined) return { kind: "drop" };
  return json(200, `${JSON.stringify({ uri: give({ ...grant, expiresMs: exp * 1000 }) })}\n`);
}

/** What the framework says before a handler is reached; `tried` opens the message of a token that doesn't verify. */
export function badToken(token: Exclude<Token, { kind: "good" }>, tried: string): Answer {
  switch (token.kind) {
    case "none":
      return json(401, `{"code":401,"message":"unauthenticated for invalid credentials"}`);
    case "invalid":
      return json(500, JSON.stringify({ code: 500, message: `${tried}${token.why}` }));
    case "elsewhere":
      return json(500, JSON.stringify({ code: 500, message: token.why }));
  }
}

/** What a handler says: the code a string, the body a line. */
export function refused(status: number, message: string): Answer {
  return json(status, `${JSON.stringify({ code: String(status), message })}\n`);
}

export function noSuchPath(path: string): Answer {
  return json(404, JSON.stringify({ code: 404, message: `path ${path} was not found` }));
}

export function noSuchMethod(method: string, allow: string): Answer {
  const message = `method ${method} is not allowed, but [${allow}] are`;
  return json(405, JSON.stringify({ code: 405, message }), { allow });
}

/** A request for access to a stream, granted or not. */
export interface Asking {
  readonly topic: string;
  readonly atMs: number;
}

// As the entries of relay's reports have it.
const messageEveryMs = 100;
const messageBytes = 1_200;
const dropAfterMs = 50;
// A world that runs for days must not grow.
const askingsMax = 100_000;

export class Sessions {
  /** Oldest first. */
  readonly askings: Asking[] = [];
  /** Sockets that are open now, and the most that ever were at a time. */
  open = 0;
  most = 0;
  readonly #lab: Lab;
  readonly #board: Board;
  readonly #faults = new Map<string, SessionFault>();
  #fault: SessionFault | null = null;
  #silenced = new AbortController();

  constructor(lab: Lab, board: Board) {
    this.#lab = lab;
    this.#board = board;
  }

  /** `fault` from now on, null for none: of `topic`, or of all that have none of their own. Open sockets stay. */
  fail(fault: SessionFault | null, topic?: string): void {
    if (topic === undefined) this.#fault = fault;
    else if (fault === null) this.#faults.delete(topic);
    else this.#faults.set(topic, fault);
    this.#board.happened(
      "relay",
      `listening to ${topic ?? "streams"} ${fault === null ? "works" : `fails: ${fault.kind}`}`,
    );
  }

  /** Nothing more is sent on the sockets that are open. */
  silence(): void {
    this.#silenced.abort();
    this.#silenced = new AbortController();
  }

  /** What is answered to who asks for access to `topic`; `admit` is what a relay that is well answers. */
  answer(topic: string, admit: () => Answer): Answer {
    this.askings.push({ topic, atMs: this.#board.clock.nowMs() });
    if (this.askings.length > askingsMax) this.askings.shift();
    const fault = this.#faultOf(topic);
    if (fault?.kind === "refuse") return json(fault.status, fault.body);
    return fault?.kind === "hang" ? { kind: "hang" } : admit();
  }

  /** Serves one socket, until either side ends it. */
  async serve(bytes: Bytes, grant: Grant, pingEveryMs: number): Promise<void> {
    this.most = Math.max(this.most, ++this.open);
    const ended = new AbortController();
    try {
      const over = AbortSignal.any([ended.signal, this.#silenced.signal]);
      await this.#play(bytes, grant, { pingEveryMs, over });
    } finally {
      this.open--;
      ended.abort();
    }
  }

  async #play(
    bytes: Bytes,
    { topic, expiresMs }: Grant,
    { pingEveryMs, over }: { pingEveryMs: number; over: AbortSignal },
  ): Promise<void> {
    const { clock } = this.#board;
    const kind = this.#faultOf(topic)?.kind;
    if (kind === "mute") return await sitSilent(bytes);
    if (kind === "deaf") {
      const send = () =>
        void bytes.write(this.#message(topic)).catch(() => {/* it has ended, which the reader sees */});
      every(messageEveryMs, clock, over, send);
      return await sitSilent(bytes);
    }
    const socket: ServerSocket = new ServerSocket(bytes, { glues: false, pingEveryMs, expiresMs }, clock, () => {});
    if (kind === "drop") every(dropAfterMs, clock, over, () => socket.drop());
    else every(messageEveryMs, clock, over, () => socket.spoil({ bytes: this.#message(topic), ends: false }));
    await socket.run();
  }

  /** A frame of the stream; nothing while none of its connections sends. */
  #message(topic: string): Uint8Array {
    const isTalking = this.#lab.streams.get(topic)?.senders.some(({ speech }) => speech.kind === "talking");
    if (!isTalking) return new Uint8Array(0);
    return topic.includes("video")
      ? binaryFrame(new Uint8Array(messageBytes))
      : textFrame(JSON.stringify({ at: this.#board.clock.nowMs(), value: Math.random() }));
  }

  #faultOf(topic: string): SessionFault | null {
    return this.#faults.get(topic) ?? this.#fault;
  }
}

// Tokens: signature, times, audience, as book, jump and relay check them.

/** A claim that is absent is as the services see it: empty. */
const claims = z.object({
  aud: z.union([z.string().transform((one) => [one]), z.array(z.string())]).default([]),
  scopes: z.array(z.string()).default([]),
  topic: z.string().default(""),
  prefix: z.string().default(""),
  booking_id: z.string().default(""),
  iat: z.number().optional(),
  nbf: z.number().optional(),
  exp: z.number().optional(),
});

export type Claims = z.infer<typeof claims>;

export type Token =
  | { readonly kind: "good"; readonly claims: Claims }
  | { readonly kind: "none" }
  /** Not a token, or not one of now and of this secret. */
  | { readonly kind: "invalid"; readonly why: string }
  /** Good, but meant for another audience. */
  | { readonly kind: "elsewhere"; readonly why: string };

export interface TokenRules {
  readonly secret: string;
  /** The service's own address, without a slash at its end: a token must be meant for it to the character. */
  readonly audience: string;
}

/** What an access code stands for. */
export interface Grant {
  readonly prefix: string;
  readonly topic: string;
  readonly scopes: readonly string[];
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly expiresMs: number;
}

/** Judges what came in `Authorization`, at `nowMs`. Never throws. */
export async function readToken(
  authorization: string | null,
  rules: TokenRules,
  nowMs: number,
): Promise<Token> {
  if (!authorization) return { kind: "none" };
  if (authorization.split(".").length !== 3) return invalid("token contains an invalid number of segments");
  if (/^bearer /i.test(authorization)) return invalid("tokenstring should not contain 'bearer '");
  const payload = await verify(authorization, rules.secret);
  if (payload === null) return invalid("signature is invalid");
  const parsed = claims.safeParse(payload);
  if (!parsed.success) return invalid("token is malformed");
  const { aud, iat, nbf, exp } = parsed.data;
  if (nbf !== undefined && nbf * 1000 > nowMs) return invalid("token is not valid yet");
  if (iat !== undefined && iat * 1000 > nowMs) return invalid("token used before issued");
  if (exp !== undefined && exp * 1000 <= nowMs) return invalid(`token is expired by ${goDuration(nowMs - exp * 1000)}`);
  if (!aud.includes(rules.audience)) {
    return { kind: "elsewhere", why: `aud [${aud.join(" ")}] does not match this host ${rules.audience}` };
  }
  return { kind: "good", claims: parsed.data };
}

async function verify(token: string, secret: string): Promise<unknown> {
  try {
    const { payload } = await compactVerify(token, new TextEncoder().encode(secret), { algorithms: ["HS256"] });
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null; // whatever is wrong with it, it was not signed with this secret
  }
}

function invalid(why: string): Token {
  return { kind: "invalid", why };
}
