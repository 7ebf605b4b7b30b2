/**
 * Whom jump and relay let in, and in which words they say no: `POST` for a socket's address, and relay's `GET /status`.
 * The words are those that the services were recorded with.
 */
import type { Board } from "./board.ts";
import { type Generation, jumpEntries, relayEntries, relayStatus } from "./entries.ts";
import type { FeedDialect } from "./feed.ts";
import { type Answer, json } from "./http.ts";
import type { Lab } from "./lab.ts";
import type { Sessions } from "./session.ts";
import { type Claims, type Grant, readToken, type Token, type TokenRules } from "./token.ts";

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
