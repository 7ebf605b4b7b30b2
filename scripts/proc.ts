/**
 * What a process has of the machine, seen from outside by /proc (so on Linux alone): memory, descriptors by kind, threads,
 * processor time. Nothing is asked of the process itself.
 */

export interface ProcFigures {
  readonly residentBytes: number;
  /** What nobody else shares, so what its end would give back. */
  readonly privateBytes: number;
  readonly sockets: number;
  /** Of the sockets those that listen. */
  readonly listening: number;
  readonly pipes: number;
  readonly files: number;
  /** Event queues, timers and the like of the system. */
  readonly otherDescriptors: number;
  readonly threads: number;
  readonly cpuSeconds: number;
}

// Of a kernel as Linux is built everywhere: `getconf CLK_TCK`.
const ticksPerSecond = 100;

/** Throws Deno.errors.NotFound where no such process runs. */
export async function readProc(pid: number): Promise<ProcFigures> {
  const [memory, stat, links, inodes] = await Promise.all([
    Deno.readTextFile(`/proc/${pid}/smaps_rollup`),
    Deno.readTextFile(`/proc/${pid}/stat`),
    descriptors(pid),
    listeningInodes(pid),
  ]);
  const count = (is: (link: string) => boolean) => links.filter(is).length;
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(memory)?.[1] ?? 0) * 1024;
  // The name of the program, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [ticks, threads] = [Number(fields[11]) + Number(fields[12]), Number(fields[17])];
  const [sockets, pipes, files] = [
    count((link) => link.startsWith("socket:")),
    count((link) => link.startsWith("pipe:")),
    count((link) => link.startsWith("/")),
  ];
  return {
    residentBytes: kilobytes("Rss"),
    privateBytes: kilobytes("Private_Clean") + kilobytes("Private_Dirty"),
    ...{ sockets, pipes, files, otherDescriptors: links.length - sockets - pipes - files },
    listening: count((link) => inodes.has(link.slice("socket:[".length, -1))),
    threads,
    cpuSeconds: ticks / ticksPerSecond,
  };
}

/** What it has in memory, in bytes. Throws Deno.errors.NotFound where no such process runs. */
export async function residentBytes(pid: number): Promise<number> {
  return Number(/^VmRSS:\s*(\d+) kB/m.exec(await Deno.readTextFile(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

/** Throws Deno.errors.NotFound where no such process runs. */
export async function countDescriptors(pid: number): Promise<number> {
  return (await descriptorNames(pid)).length;
}

function descriptorNames(pid: number): Promise<string[]> {
  return Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`), ({ name }) => name);
}

/** Where each descriptor leads, as `socket:[1234]`, `pipe:[1235]`, `/var/lib/status/status.db`. */
async function descriptors(pid: number): Promise<string[]> {
  const names = await descriptorNames(pid);
  const links = names.map((name) => Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => null)); // closed meanwhile
  return (await Promise.all(links)).filter((link) => link !== null);
}

/** Of all sockets of the machine that listen: whether one is the process's own its descriptors say. */
async function listeningInodes(pid: number): Promise<Set<string>> {
  return new Set((await tcpSockets(pid)).filter(({ state }) => state === "listening").map(({ inode }) => inode ?? ""));
}

export interface TcpSocket {
  readonly localPort: number;
  readonly remotePort: number;
  /** `closing`: this end has closed it, and the other has not heard of it yet. */
  readonly state: "open" | "closing" | "listening" | "other";
  /** Null of a connection that nobody has taken yet. */
  readonly inode: string | null;
}

// As the kernel writes them (include/net/tcp_states.h).
const states: Readonly<Record<string, TcpSocket["state"]>> = { "01": "open", "04": "closing", "0A": "listening" };
const noInode = "0";

/** All of the machine, as the process sees it. */
export async function tcpSockets(pid: number): Promise<TcpSocket[]> {
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => {
    return Deno.readTextFile(`/proc/${pid}/net/${name}`).catch(() => ""); // a machine without IPv6
  }));
  const rows = tables.flatMap((table) => table.trimEnd().split("\n").slice(1).map((line) => line.trim().split(/\s+/)));
  const portOf = (address = "") => parseInt(address.slice(address.lastIndexOf(":") + 1), 16);
  return rows.map(([, local, remote, state = "", , , , , , inode = noInode]) => ({
    localPort: portOf(local),
    remotePort: portOf(remote),
    state: states[state] ?? "other",
    inode: inode === noInode ? null : inode,
  }));
}
