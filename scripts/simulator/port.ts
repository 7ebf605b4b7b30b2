/** Ports on 127.0.0.1 for the stand-in world, such that a service which is stopped finds its own free when it is back. */
import type { Certificate } from "./fault.ts";

/** With TLS or without. */
export type TcpListener = Deno.Listener<Deno.Conn<Deno.NetAddr>> & { readonly addr: Deno.NetAddr };

/**
 * A port below those that the system gives to clients and to listeners that ask for none: a service that is stopped must
 * find its port free when it starts again.
 */
export function portsToTry(): number[] {
  return Array.from({ length: 50 }, () => 20_000 + Math.floor(Math.random() * 12_000));
}

/** `preferred` where nothing listens there, else another. It is free now, not reserved. */
export function freePort(preferred: number): number {
  for (const port of [preferred, ...portsToTry()]) {
    const listener = tryToListen(port);
    if (listener === null) continue;
    listener.close();
    return port;
  }
  throw new Error("Cannot find a free port on 127.0.0.1: 50 were tried, and all are in use");
}

/** With TLS by a certificate. Throws where the port is taken. */
export function listenAt(port: number, certificate: Certificate | null): TcpListener {
  const place = { hostname: "127.0.0.1", port };
  return certificate === null ? Deno.listen(place) : Deno.listenTls({ ...place, ...certificate });
}

export function listenAnywhere(certificate: Certificate | null = null): TcpListener {
  for (const port of portsToTry()) {
    const listener = tryToListen(port, certificate);
    if (listener !== null) return listener;
  }
  throw new Error("Cannot listen on 127.0.0.1: 50 ports were tried, and all are in use");
}

/** Null where the port is taken. */
function tryToListen(port: number, certificate: Certificate | null = null): TcpListener | null {
  try {
    return listenAt(port, certificate);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    throw error;
  }
}
