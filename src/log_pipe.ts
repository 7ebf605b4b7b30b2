/**
 * Lines of the log on stdout or stderr, which may be a pipe whose reader is slow, stuck or gone: a write there would hold up
 * the whole program until somebody reads. So lines wait in order, up to a limit, and are written beside everything else;
 * beyond it they are counted as lost. How a line looks is for `log_line`, files are for `log_file`.
 */
import { type LineWriter, wordsOf } from "./log_file.ts";
import { aborted } from "./wait.ts";

export interface Pipe {
  write(bytes: Uint8Array): Promise<number>;
}

/** Some minutes of a talkative log; a pipe itself holds 64 KB. */
export const waitingBytesMax = 1024 * 1024;
// What still waits at the end is given so long to be read.
const partingMs = 500;

/** Lines on what is open already. `complain` is told why, once for each run of lines that can't be written. */
export function linesOnPipe(pipe: Pipe, complain: (words: string) => void): LineWriter {
  return new PipeLines(pipe, complain);
}

class PipeLines implements LineWriter {
  readonly #pipe: Pipe;
  readonly #complain: (words: string) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #isFailing = false;
  #pumping: Promise<void> | null = null;

  constructor(pipe: Pipe, complain: (words: string) => void) {
    this.#pipe = pipe;
    this.#complain = complain;
  }

  get lost(): number {
    return this.#lost;
  }

  write(text: string): void {
    const line = new TextEncoder().encode(`${text}\n`);
    if (this.#waitingBytes > 0 && this.#waitingBytes + line.length > waitingBytesMax) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#pumping ??= this.#pump();
  }

  reopen(): void {}

  async close(): Promise<void> {
    if (this.#pumping !== null) await Promise.race([this.#pumping, aborted(AbortSignal.timeout(partingMs))]);
  }

  async #pump(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      for (const line of lines) {
        await this.#put(line);
        this.#waitingBytes -= line.length;
      }
    }
    this.#pumping = null;
  }

  async #put(line: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < line.length;) done += await this.#pipe.write(line.subarray(done));
      this.#isFailing = false;
    } catch (error) {
      this.#lost++;
      if (!this.#isFailing) this.#complain(wordsOf(error));
      this.#isFailing = true;
    }
  }
}
