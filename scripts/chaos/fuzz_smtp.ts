/** A mail server that says anything: a mail is taken, deferred, refused or in doubt, in time, and no word of it does harm. */
import { Secret } from "../../src/setting_types.ts";
import { createPostOffice } from "../../src/smtp.ts";
import { unsafe } from "../../test/support/hostile.ts";
import { type FuzzTarget, hope } from "./fuzz_target.ts";

const password = "Xq7passwordXq7";
const login = btoa(`\0user\0${password}`);
const timeouts = { connectMs: 1_000, greetingMs: 150, idleMs: 150, answerMs: 150, quitMs: 50 };
const conversationMsMax = 10_000;
const text = { subject: "one", text: "two\n.\nthree\n", html: "<p>four</p>" };

/** Replies in their order, a line each (`\n` within one is written as `|`); what is left out is never said. */
export const smtp: FuzzTarget = {
  samples: [
    "220 hello\n250-box|250 AUTH PLAIN\n235 welcome\n250 ok\n250 ok\n250 ok\n354 go on\n250 queued\n221 bye",
    "220 hello\n250 AUTH LOGIN\n334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n535 no such user",
    "220 hello\n250-box|250-STARTTLS|250 SIZE 10\n220 go on",
    "220 hello\n250 AUTH CRAM-MD5\n334 PDE+\n235 ok\n250 ok\n550 no such person\n250 ok\n354 go on\n452 full",
    `554 not for you\n${login}`,
  ],
  grammar: {
    words: [
      "220 ",
      "250-",
      "250 ",
      "354 ",
      "421 ",
      "452 ",
      "550-",
      "550 5.1.1 ",
      "|",
      "\n",
      "AUTH PLAIN LOGIN",
      "STARTTLS",
      "999 ",
      "-1 ",
      login,
      password,
    ],
    isJson: false,
  },
  begin() {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const open = new Set<Deno.Conn>();
    const said = { replies: [] as string[] };
    const serving = serve(listener, open, said);
    const options = {
      host: "127.0.0.1",
      port: listener.addr.port,
      tls: "auto",
      auth: { type: "plain", user: "user", password: new Secret(password) },
      from: { name: "", address: "status@lab.example.org" },
      to: [{ name: "", address: "a@a.org" }, { name: "", address: "b@b.org" }],
      cc: [],
      caPem: null,
      thread: "lab",
    } as const;
    const office = createPostOffice(options, timeouts);
    const raw = office.build({ id: "one", text, dateMs: 0 });
    return {
      async run(replies) {
        said.replies = replies.split("\n");
        const limit = AbortSignal.timeout(conversationMsMax);
        const delivery = await office.deliver(await raw, limit);
        hope(!limit.aborted, "a conversation ends by itself");
        const words = "why" in delivery ? delivery.why : [delivery.answer, ...delivery.rejected].join(" ");
        hope(!unsafe.test(words) && !words.includes("\n") && words.length < 1_500, `words are for people: ${words}`);
        hope(!words.includes(password) && !words.includes(login), `words hold no secret: ${words}`);
        return `${delivery.kind} ${words.replaceAll(/\d{4,5}|".*"/gs, "").slice(0, 60)}`;
      },
      async end() {
        listener.close();
        for (const conn of open) close(conn);
        await serving;
      },
    };
  },
};

async function serve(
  listener: Deno.TcpListener,
  open: Set<Deno.Conn>,
  said: { replies: readonly string[] },
): Promise<void> {
  const talks: Promise<void>[] = [];
  try {
    for await (const conn of listener) {
      open.add(conn);
      talks.push(talk(conn, said.replies).catch(() => {}).finally(() => (close(conn), open.delete(conn))));
    }
  } finally {
    await Promise.all(talks);
  }
}

async function talk(conn: Deno.Conn, replies: readonly string[]): Promise<void> {
  const bytes = new Uint8Array(65_536);
  for (const reply of replies) {
    await conn.write(new TextEncoder().encode(`${reply.replaceAll("|", "\r\n")}\r\n`));
    if (await conn.read(bytes) === null) return;
  }
  while (await conn.read(bytes) !== null);
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // closed before
  }
}
