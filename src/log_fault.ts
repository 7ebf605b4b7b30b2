/**
 * What happens when an error of the program is caught by nobody: the log says so, and the program ends. Better to be started
 * afresh than to go on half alive.
 */
import type { Log, Logger } from "./log.ts";

/**
 * Rejects with the first error that nobody caught, be it thrown or a promise's, when the log has its last words: without this
 * the runtime would end the program with a word on stderr, where nobody who reads the log looks.
 */
export function fault(opened: Pick<Log, "close">, log: Pick<Logger, "error">): Promise<never> {
  return new Promise((_, reject) => {
    const end = (event: Event, reason: unknown) => {
      event.preventDefault();
      const error = reason instanceof Error ? reason : new Error(String(reason));
      log.error(`a fault of the program ends it: ${error.message}`, { stack: error.stack });
      opened.close().finally(() => reject(error));
    };
    globalThis.addEventListener("unhandledrejection", (event) => end(event, event.reason));
    globalThis.addEventListener("error", (event) => end(event, event.error));
  });
}
