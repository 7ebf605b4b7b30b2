/**
 * A mail server for the bench, in a Worker so that it takes no time of the thread that is measured: takes every mail, and tells
 * of each. First it posts its port, then the bytes of each mail.
 */

// Type libraries of pages and of Workers can't be used together.
declare function postMessage(message: number): void;

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
postMessage((listener.addr as Deno.NetAddr).port);
for await (const connection of listener) talk(connection).catch(() => {}); // who called has gone

async function talk(connection: Deno.Conn): Promise<void> {
  const say = (line: string) => connection.write(new TextEncoder().encode(`${line}\r\n`));
  await say("220 bench");
  let heard = "", mailBytes: number | null = null;
  for await (const bytes of connection.readable) {
    heard += new TextDecoder("latin1").decode(bytes);
    if (mailBytes !== null) {
      mailBytes += bytes.length;
      if (!heard.endsWith("\r\n.\r\n")) {
        heard = heard.slice(-4);
        continue;
      }
      postMessage(mailBytes);
      [heard, mailBytes] = ["", null];
      await say("250 taken");
    }
    const lines = heard.split("\r\n");
    heard = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "DATA") mailBytes = 0;
      await say(line === "DATA" ? "354 go on" : line === "QUIT" ? "221 bye" : "250 ok");
    }
  }
}
