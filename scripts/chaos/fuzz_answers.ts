/** Answers of book, of who grants access and of a webhook: any status, headers and body make a value or a typed error, in time. */
import { askAccess, relayClaims } from "../../src/access.ts";
import { type Availability, type BookList, bookTrouble, createBook, isBookError } from "../../src/book_client.ts";
import { systemClock as clock } from "../../src/clock.ts";
import { Secret } from "../../src/setting_types.ts";
import { createWebhook } from "../../src/webhook.ts";
import { unsafe } from "../../test/support/hostile.ts";
import { type FuzzTarget, hope } from "./fuzz_target.ts";

const never = new AbortController().signal;
const secret = new Secret("Xq7secretXq7");
const key = "Xq7keyXq7";

const status = "200 204 301 302 400 401 404 409 410 422 429 500 502 503 504 299 599".split(" ");
const headers = [
  "location: https://elsewhere.example/x?code=1",
  "location: //",
  "retry-after: 9e9",
  "content-type: text/html",
  "date: x",
];
const grammar = {
  words: [...status, ...headers, "available", "reason", "uri", "ws://x/?code=1", "status server:"],
  isJson: false,
};

export const book: FuzzTarget = {
  samples: [
    '200 content-type: application/json\n\n{"r-pend00":{"topic_stub":"pend00","streams":["st-data"],"tests":null}}',
    '200 \n\n{"available":false,"reason":"unavailable because of the weather"}',
    "204 \n\n",
    '422 \n\n{"code":602,"message":"reason in query is required"}',
    "502 content-type: text/html\n\n<html><head><style>b{}</style></head><body>Bad gateway</body></html>",
    "302 location: https://elsewhere.example/login\n\n",
  ],
  grammar,
  begin: () => ({ run: bookOutcome, end: () => Promise.resolve() }),
};

export const access: FuzzTarget = {
  samples: [
    '200 \n\n{"uri":"wss://app.example.org/t/relay/session/stats?code=c0de"}',
    '401 \n\n"Token Missing Required Claims"',
    '500 date: Sun, 22 Nov 2026 20:31:14 GMT\n\n{"code":500,"message":"token used before issued"}',
  ],
  grammar,
  begin: () => ({ run: accessOutcome, end: () => Promise.resolve() }),
};

export const webhook: FuzzTarget = {
  samples: ["200 \n\nok", "429 retry-after: 30\n\nslow down", `500 \n\nno ${key}`, "302 location: /login\n\n"],
  grammar,
  begin: () => ({ run: webhookOutcome, end: () => Promise.resolve() }),
};

/** The answer that a text stands for: its status, a header a line, an empty line, its body. */
function answerOf(text: string): Response {
  const [head = "", ...body] = text.split("\n\n");
  const [first = "", ...lines] = head.split("\n");
  const [, code = "", header = ""] = /^(\d{0,3}) ?(.*)$/s.exec(first) ?? [];
  const status = Number(code) >= 200 && Number(code) <= 599 ? Number(code) : 200;
  const headers = new Headers();
  for (const line of [header, ...lines]) {
    const [name = "", ...value] = line.split(":");
    try {
      headers.append(name.trim(), value.join(":").trim());
    } catch {
      // what could not be sent is not
    }
  }
  const bytes = new TextEncoder().encode(body.join("\n\n"));
  return new Response([204, 205, 304].includes(status) ? null : bytes, { status, headers });
}

async function bookOutcome(text: string): Promise<string> {
  const source = { base: "https://app.example.org/t/book", audience: "x", secret, timeoutMs: 5_000 };
  const asked: string[] = [];
  const fetch = (url: URL) => (asked.push(url.href), Promise.resolve(answerOf(text)));
  const book = createBook(source, { clock, fetch });
  const name = text.slice(-40);
  const calls = [
    () => book.resources(never),
    () => book.availability(name, never),
    () => book.setAvailability(name, { available: false, reason: text.slice(0, 300).toWellFormed() }, never),
  ];
  const outcomes = [];
  for (const call of calls) outcomes.push(await outcomeOf(call));
  for (const url of asked.slice(1)) {
    const { origin, pathname } = new URL(url);
    const resource = pathname.replace("/t/book/api/v1/admin/resources/", "");
    hope(origin === "https://app.example.org" && !resource.includes("/"), `${url} is the resource's own`);
    hope(decodeURIComponent(resource) === name, `${url} is the resource's own, to the character`);
  }
  return outcomes.join();
}

async function outcomeOf(call: () => Promise<BookList | Availability | void>): Promise<string> {
  try {
    return valueWords(await call());
  } catch (error) {
    if (!isBookError(error)) throw error;
    checkWords(bookTrouble(error).message);
    return `${error.code} ${error.message.replace(/.*?: /, "").replaceAll(/\d+|".*"/gs, "").slice(0, 60)}`;
  }
}

function valueWords(value: BookList | Availability | void): string {
  if (value === undefined) return "done";
  if ("available" in value) {
    hope(
      typeof value.available === "boolean" && value.reason.length <= 500 && value.reason.isWellFormed(),
      "it is an availability",
    );
    return `available ${value.available}`;
  }
  const isSound = value.resources.every(({ name, stub, required }) =>
    name !== "" && name.length <= 256 && stub !== "" && required.every((topic) => topic.startsWith(`${stub}-`))
  );
  hope(isSound, "resources are sound");
  return `list ${Math.min(value.resources.length, 2)}/${Math.min(value.skipped, 2)}`;
}

async function accessOutcome(text: string): Promise<string> {
  const accessUrl = new URL("https://app.example.org/t/relay/session/stats");
  const request = { name: "relay", accessUrl, claims: relayClaims("x"), secret, tokenLifeMs: 60_000 } as const;
  const answer = await askAccess(request, { clock, fetch: () => Promise.resolve(answerOf(text)) }, never);
  if (answer.kind === "granted") {
    hope(/^wss?:$/.test(new URL(answer.socketUrl).protocol), `${answer.socketUrl} can be dialled`);
    return "granted";
  }
  checkWords(answer.trouble.message);
  return `${answer.trouble.kind} ${answer.trouble.message.replaceAll(/\d+|".*"/gs, "")}`;
}

async function webhookOutcome(text: string): Promise<string> {
  const url = new Secret(`https://hooks.example.org/${key}?key=${key}`);
  const hook = createWebhook({ url, secret, userAgent: "status/1" }, {
    clock,
    fetch: () => Promise.resolve(answerOf(text)),
  });
  const delivery = await hook.deliver(`{"id":"5c1b4f0e-8f0a-4b7e-9d3a-2f6f0f5f3a11"}`, never);
  checkWords("why" in delivery ? delivery.why : delivery.answer);
  if (delivery.kind === "deferred" && delivery.afterMs !== undefined) hope(delivery.afterMs >= 0, "a wait is one");
  return `${delivery.kind} ${"why" in delivery ? delivery.why.replaceAll(/\d+|".*"/gs, "").slice(0, 60) : ""}`;
}

function checkWords(words: string): void {
  hope(
    words.length <= 1_500 && !unsafe.test(words) && !words.includes("\n"),
    `words are for people: ${JSON.stringify(words)}`,
  );
  hope(!words.includes(secret.reveal()) && !words.includes(key), `words hold no secret: ${words}`);
}
