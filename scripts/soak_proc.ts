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
const listenState = "0A";

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

/** Where each descriptor leads, as `socket:[1234]`, `pipe:[1235]`, `/var/lib/status/status.db`. */
async function descriptors(pid: number): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`), ({ name }) => name);
  const links = names.map((name) => Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => null)); // closed meanwhile
  return (await Promise.all(links)).filter((link) => link !== null);
}

/** Of all sockets of the machine that listen: whether one is the process's own its descriptors say. */
async function listeningInodes(pid: number): Promise<Set<string>> {
  return new Set((await tcpSockets(pid)).filter(({ state }) => state === listenState).map(({ inode }) => inode));
}

export interface TcpSocket {
  readonly localPort: number;
  readonly remotePort: number;
  /** As the kernel writes it: 01 is a connection that is open. */
  readonly state: string;
  /** 0 of a connection that nobody has taken yet. */
  readonly inode: string;
}

/** All of the machine, as the process sees it. */
export async function tcpSockets(pid: number): Promise<TcpSocket[]> {
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => {
    return Deno.readTextFile(`/proc/${pid}/net/${name}`).catch(() => ""); // a machine without IPv6
  }));
  const rows = tables.flatMap((table) => table.trimEnd().split("\n").slice(1).map((line) => line.trim().split(/\s+/)));
  const portOf = (address = "") => parseInt(address.slice(address.lastIndexOf(":") + 1), 16);
  return rows.map((row) => {
    return { localPort: portOf(row[1]), remotePort: portOf(row[2]), state: row[3] ?? "", inode: row[9] ?? "" };
  });
}
