/** Bytes that anybody sends to the port: they are answered, never with a fault of ours, and every error has our form. */
import { systemClock as clock } from "../../src/clock.ts";
import { listen } from "../../src/http_server.ts";
import { createLive } from "../../src/live_updates.ts";
import { appOf, oddNames, wellLab } from "../../test/support/app.ts";
import { snapshot } from "../../test/support/snapshot.ts";
import { type FuzzTarget, hope } from "./fuzz_target.ts";

const paths = [
  "/",
  "/api/?view=wall&q=a&order=name&window=7d",
  "/api/?experiment=pend00&theme=dark",
  "/api/v1/experiments",
  "/api/v1/experiments/events/pend00",
  "/api/v1/experiments/a%2Fb%20c/history?window=90m",
  "/api/v1/status",
  "/api/v1/live?page=list",
  "/api/v1/openapi.json",
  "/api/icon.svg?trouble=3",
  "/readyz",
  "/metrics",
];
// What comes is there at once; a stream of events, and half a request, go on for longer than anybody waits here.
const answerMsMax = 400;

export const http: FuzzTarget = {
  samples: [
    ...paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: lab\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`),
    "HEAD /api/ HTTP/1.0\r\n\r\n",
    "POST /api/v1/status HTTP/1.1\r\nHost: lab\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: lab\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET /api/page.css HTTP/1.1\r\nHost: lab\r\nIf-None-Match: *\r\nRange: bytes=0-9\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  ],
  grammar: {
    words: [
      ..."GET HEAD POST TRACE CONNECT OPTIONS PRI * HTTP/1.0 HTTP/1.1 HTTP/2.0 // /./ /../ %2e%2e %00 %ff %25 \\ ? & = # ; ..;/"
        .split(" "),
      ...oddNames.map(encodeURIComponent),
      ..."Host: Content-Length: Transfer-Encoding: chunked Connection: close Expect: 100-continue Range: bytes=0-"
        .split(" "),
      ..."Accept-Encoding: gzip;q=0 If-None-Match: window= experiment= revision= Accept: Last-Event-ID: Cookie:".split(
        " ",
      ),
      "\r\n",
      "\r\n\r\n",
      "\n",
    ],
    isJson: false,
  },
  begin() {
    const lab = snapshot(wellLab(oddNames).bench);
    const stop = new AbortController();
    const faults: string[] = [];
    const failed = (error: unknown) => void faults.push(String(error));
    const live = createLive({ snapshot: () => lab, clock, failed }, { addresses: false });
    const run = live.run(stop.signal);
    const app = appOf(lab, { live, failed: (method, path, error) => failed(`${method} ${path}: ${error}`) });
    const listening = listen(app, "127.0.0.1", 0);
    return {
      async run(text) {
        const answer = await answerTo(text, listening.port);
        hope(faults.length === 0, `nothing goes wrong inside: ${faults.join()}`);
        return answers(answer);
      },
      async end() {
        stop.abort();
        await run;
        await listening.stop(AbortSignal.timeout(2_000));
      },
    };
  },
};

async function answerTo(text: string, port: number): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  let answer = "";
  const reading = (async () => {
    const bytes = new Uint8Array(65_536);
    const decoder = new TextDecoder("latin1");
    for (let count = await conn.read(bytes); count !== null; count = await conn.read(bytes)) {
      answer += decoder.decode(bytes.subarray(0, count));
    }
  })().catch(() => {}); // reset, or given up below
  const limit = new AbortController();
  try {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0) & 255);
    for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
    await conn.closeWrite(); // or a connection that is kept would have to be waited for
    await Promise.race([reading, clock.wait(answerMsMax, limit.signal)]);
  } catch {
    // It was refused before all of it was sent.
  } finally {
    limit.abort();
    conn.close();
    await reading;
  }
  return answer;
}

/** The statuses of all that was answered. Bodies are looked at where they are errors of ours. */
function answers(text: string): string {
  const statuses = [...text.matchAll(/^HTTP\/1\.[01] (\d{3})[^\n]*\r\n/gm)].map(([, status = ""]) => status);
  for (const status of statuses) {
    hope(Number(status) < 500 || status === "503", `a ${status} is none that anybody can cause`);
  }
  for (const [, status, body = ""] of text.matchAll(errors)) {
    const { code, message } = JSON.parse(body);
    hope(code === status && typeof message === "string" && message.length < 300, `an error has our form: ${body}`);
  }
  const types = [...text.matchAll(/^content-(?:type|encoding): ([^\r;]*)/gim)].map(([, type]) => type);
  return `${statuses.slice(0, 3).join()} ${types.slice(0, 3).join()}`;
}

// Not of HEAD, and not packed.
const errors =
  /^HTTP\/1\.[01] (4\d\d|503)[^\r]*\r\n(?:[^\r\n]+\r\n)*\r\n(\{"code":"[^"]*","message":"(?:[^"\\]|\\.)*"\})/gim;
