/**
 * What does jump report? An experiment is connected when an entry of its topic has the scope `host`; `client` entries are
 * users and `stats` entries monitors (protocol, "A jump entry"). Its statistics say nothing that is asked. Pure.
 */
import type { EntryRule } from "./entry.ts";

export const jumpRule: EntryRule = { scope: "host", measures: false, read: () => true };
