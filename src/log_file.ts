/**
 * Where lines of the log go when they go to a file: to its end, to a new one of that name when it is told to (a rotation),
 * and never into an exception: what can't be written is counted and complained of. How a line looks is for `log_line`.
 */

export interface LineWriter {
  /** Writes `line` and the line's end, at once. Never throws. */
  write(line: string): void;
  reopen(): void;
  /** Resolves when all is written that can be, some moments later at most. */
  close(): Promise<void>;
  /** Lines that could not be written, since the start. */
  readonly lost: number;
}

/**
 * Opens `path` to write to its end, and makes it where there is none; throws as Deno does where that can't be done.
 * `complain` is called once for each run of lines that can't be written.
 */
export function openLogFile(path: string, complain: (line: string) => void): LineWriter {
  const open = () => Deno.openSync(path, { append: true, create: true, mode: 0o640 });
  let file = open();
  const lines = lineStream({ writeSync: (bytes) => file.writeSync(bytes) }, (words) => {
    complain(`Cannot write the log ${path}: ${words}`);
  });
  return {
    write: lines.write,
    get lost() {
      return lines.lost;
    },
    reopen() {
      try {
        const next = open();
        file.close();
        file = next;
      } catch (error) {
        complain(`Cannot reopen the log ${path}: ${wordsOf(error)}`);
      }
    },
    close: () => Promise.resolve(file.close()),
  };
}

/** Lines on what is open already. `complain` is told why, once for each run of lines that can't be written. */
export function lineStream(
  stream: { writeSync(bytes: Uint8Array): number },
  complain: (words: string) => void,
): LineWriter {
  let lost = 0;
  let isFailing = false;
  let isTorn = false; // the last line that arrived is half a line
  return {
    get lost() {
      return lost;
    },
    write(line) {
      const bytes = new TextEncoder().encode(isTorn ? `\n${line}\n` : `${line}\n`);
      let done = 0;
      try {
        while (done < bytes.length) done += stream.writeSync(bytes.subarray(done));
        isFailing = false;
        isTorn = false;
      } catch (error) {
        isTorn ||= done > 0;
        lost++;
        if (!isFailing) complain(wordsOf(error));
        isFailing = true;
      }
    },
    reopen: () => {},
    close: () => Promise.resolve(),
  };
}

/** What was thrown, for a person. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
