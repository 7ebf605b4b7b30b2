/** What can be fuzzed: texts to begin with, of which grammar they are, and what has to be true whatever comes of them. */
import type { Grammar } from "./fuzz_mutate.ts";

export interface FuzzTarget {
  /** Small, made up here, and good. */
  readonly samples: readonly string[];
  readonly grammar: Grammar;
  /** Whatever a run needs: made once, ended with it. */
  begin(): FuzzRun | Promise<FuzzRun>;
}

export interface FuzzRun {
  /**
   * What came of `text`, in words that leave out what differs from text to text: one with new words is kept, to be changed
   * further. Rejects where something that has to be true is not.
   */
  run(text: string): Promise<string>;
  end(): Promise<void>;
}

/** Throws with what was hoped for, where it is not so. */
export function hope(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`It should be so that ${what}`);
}
