/**
 * A port where no mail server answers as one would: slowly, cut off, or with what is no SMTP. Whatever the client says is read
 * and not heeded. With TLS the client sees bytes that are none of TLS, which is how such a port looks; but one that is slow
 * speaks it, and is slow in what it says: else it would be told at once for what it is not.
 */
import { type Certificate, garbageBytes, garbagePage, type MailFault } from "./fault.ts";
import { Bytes } from "./http.ts";
import { listenAt, type TcpListener } from "./port.ts";

export class RawServer {
  readonly #fault: MailFault;
  readonly #listener: TcpListener;
  readonly #open = new Set<Bytes>();
  readonly #tasks = new Set<Promise<void>>();

  /** Listens on 127.0.0.1 at `port`. Throws when it is taken. `certificate`: null where it is to speak no TLS. */
  constructor(port: number, fault: MailFault, certificate: Certificate | null) {
    this.#fault = fault;
    this.#listener = listenAt(port, fault.kind === "slow" ? certificate : null);
    this.#task(this.#accept());
  }

  async stop(): Promise<void> {
    this.#listener.close();
    for (const bytes of this.#open) bytes.close();
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for (;;) {
      const conn = await this.#listener.accept().catch(() => null); // the listener was closed
      if (conn === null) return;
      this.#task(this.#converse(new Bytes(conn, () => this.#fault.kind === "slow")));
    }
  }

  #task(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  async #converse(bytes: Bytes): Promise<void> {
    this.#open.add(bytes);
    const greeting = greetingOf(this.#fault);
    if (greeting.length > 0) await bytes.write(greeting).catch(() => {/* it has gone, as the next read sees */});
    if (this.#fault.kind !== "cut") { while (await bytes.take(1) !== null); }
    this.#open.delete(bytes);
    bytes.close();
  }
}

function greetingOf(fault: MailFault): Uint8Array {
  if (fault.kind === "garbage" && fault.what === "bytes") return garbageBytes;
  if (fault.kind === "garbage") return new TextEncoder().encode(garbagePage);
  const greeting = "220 mail.lab.example.org ESMTP\r\n";
  if (fault.kind !== "cut") return new TextEncoder().encode(greeting);
  return new TextEncoder().encode(fault.at === "accept" ? "" : greeting.slice(0, 10));
}
