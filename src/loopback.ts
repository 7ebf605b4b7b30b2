/**
 * Is a host this machine itself, by its name? What goes there crosses no network, so it needs no encryption. Leaf.
 */

/** IPv6 with or without brackets. What a name resolves to is not asked: only names that can't mean anything else count. */
export function isLoopback(host: string): boolean {
  return /^(?:(?:.*\.)?localhost|127(?:\.\d+){3}|::1|\[::1\])$/i.test(host);
}
