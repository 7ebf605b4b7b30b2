/**
 * Could the monitor write its log and its store, and listen on its port? For `status check`, which may run as another user, or
 * beside a monitor: nothing is made that stays, nothing that is there is changed, and what a running status holds is fine.
 */
import { dirname, join, resolve } from "node:path";
import type { Finding } from "./check.ts";
import { thrownWords } from "./failure.ts";
import { askDirectly, healthUrl } from "./healthcheck.ts";
import { lockFile, lockStore, openSqliteStore } from "./sqlite_file.ts";
import { StoreLocked } from "./store.ts";

/** Whether a person asked for it: a default falls back, what was asked for does not. */
export interface Wanted {
  readonly asked: boolean;
}

export function checkLogFile(path: string, { asked }: Wanted): Finding {
  if (path === "stdout" || path === "stderr") return { kind: "ok", words: path };
  try {
    return { kind: "ok", words: exists(path) ? `${path} can be written` : `${path} can be made` };
  } catch (error) {
    const words = `Cannot write ${path}: ${thrownWords(error)}`;
    return asked ? { kind: "failed", words } : { kind: "warn", words: `${words}, so the log goes to stderr` };
  }

  function exists(file: string): boolean {
    if (isWritable(file)) return true;
    const folder = dirname(resolve(file));
    if (nearestFolder(folder) !== folder) throw new Error(`there is no folder ${folder}`);
    probe(folder);
    return false;
  }
}

/** `nowMs` goes into the lock that is held for a moment. */
export async function checkStore(path: string, { asked }: Wanted, nowMs: number): Promise<Finding> {
  if (path === "memory") return { kind: "ok", words: "memory: nothing is kept beyond a run" };
  try {
    probe(nearestFolder(dirname(resolve(path))));
    if (!isWritable(path)) return { kind: "ok", words: `${path} can be made` };
    const file = await Deno.realPath(path);
    if (isWritable(lockFile(file))) lockStore(file, nowMs).release();
    if (!await isDamaged(file, nowMs)) return { kind: "ok", words: `${path} can be written` };
    return { kind: "warn", words: `${path} is damaged: it will be set aside, and a new one begun` };
  } catch (error) {
    const why = thrownWords(error).replace(/^Cannot open the store [^:]*: /, ""); // it may be the copy that was opened
    if (error instanceof StoreLocked) return { kind: "ok", words: `${path} is in use by a running status: ${why}` };
    const words = `Cannot use the store ${path}: ${why}`;
    return asked ? { kind: "failed", words } : { kind: "warn", words: `${words}, so nothing is kept beyond a run` };
  }
}

/** `host` as in the settings, without brackets. */
export function checkPort(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Finding> {
  const place = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return tryPort({ hostname: host === "localhost" ? "127.0.0.1" : host, port, place }, async () => {
    const url = new URL("/api/v1/status", healthUrl({ HOST_SERVE: host, PORT_SERVE: port }));
    const { version, feeds } = await jsonAt(url, signal);
    return feeds === undefined ? null : `a running status ${version} answers at ${place}`;
  });
}

/** The port of STATUS_PROFILE. */
export function checkProfilePort(port: number, signal: AbortSignal): Promise<Finding> {
  const place = `127.0.0.1:${port} (for profiles)`;
  return tryPort({ hostname: "127.0.0.1", port, place }, async () => {
    const { uptime_seconds } = await jsonAt(new URL(`http://127.0.0.1:${port}/memory`), signal);
    return uptime_seconds === undefined ? null : `a running status answers at ${place}`;
  });
}

/** `running`: the words for a status of ours that holds the port; null where it is another program that does. */
async function tryPort(
  { hostname, port, place }: { readonly hostname: string; readonly port: number; readonly place: string },
  running: () => Promise<string | null>,
): Promise<Finding> {
  try {
    Deno.listen({ hostname, port }).close();
    return { kind: "ok", words: port === 0 ? `any free one at ${place.replace(/:0$/, "")}` : `${place} is free` };
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) {
      return { kind: "failed", words: `Cannot listen on ${place}: ${thrownWords(error)}` };
    }
    const words = await running();
    return words === null ? { kind: "failed", words: `${place} is used by another program` } : { kind: "ok", words };
  }
}

/** What answers there; empty where nothing does, or not with an object. */
async function jsonAt(url: URL, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
  try {
    const { text } = await askDirectly(url, AbortSignal.any([signal, AbortSignal.timeout(5_000)]));
    const answer: unknown = JSON.parse(text);
    return typeof answer === "object" && answer !== null ? { ...answer } : {};
  } catch {
    return {}; // it does not answer as we would
  }
}

/** Opens a copy, since opening may migrate a store, or set it aside. Throws where even that can't be opened. */
async function isDamaged(file: string, nowMs: number): Promise<boolean> {
  // Beside it, since there need be no other place that can be written.
  const folder = await Deno.makeTempDir({ dir: dirname(file), prefix: ".status-check-" });
  try {
    const copy = join(folder, "copy.db");
    for (const part of ["", "-wal"]) {
      if (isWritable(file + part)) await Deno.copyFile(file + part, copy + part);
    }
    const { store, damaged } = await openSqliteStore(copy, { nowMs });
    await store.close();
    return damaged !== null;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** False where there is none; throws where there is one that can't be written. */
function isWritable(file: string): boolean {
  try {
    Deno.openSync(file, { append: true }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

function nearestFolder(folder: string): string {
  try {
    if (Deno.statSync(folder).isDirectory) return folder;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof Deno.errors.NotADirectory)) throw error;
    return nearestFolder(dirname(folder));
  }
  throw new Error(`${folder} is no folder`);
}

/** Throws where nothing can be made in `folder`. */
function probe(folder: string): void {
  Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".status-check-" }));
}
