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
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let lost = 0;
  let isFailing = false;
  let pumping: Promise<void> | null = null;

  async function pump(): Promise<void> {
    for (let line = waiting[0]; line !== undefined; line = waiting[0]) {
      await put(line);
      waiting.shift();
      waitingBytes -= line.length;
    }
    pumping = null;
  }

  async function put(line: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < line.length;) done += await pipe.write(line.subarray(done));
      isFailing = false;
    } catch (error) {
      lost++;
      if (!isFailing) complain(wordsOf(error));
      isFailing = true;
    }
  }

  return {
    get lost() {
      return lost;
    },
    write(text) {
      const line = new TextEncoder().encode(`${text}\n`);
      if (waiting.length > 0 && waitingBytes + line.length > waitingBytesMax) {
        lost++;
        return;
      }
      waiting.push(line);
      waitingBytes += line.length;
      pumping ??= pump();
    },
    reopen: () => {},
    async close() {
      if (pumping !== null) await Promise.race([pumping, aborted(AbortSignal.timeout(partingMs))]);
    },
  };
}
