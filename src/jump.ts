/**
 * What does jump report, in our words? An experiment is connected when an entry of its topic has the scope `host`; `client`
 * entries are users and `stats` entries monitors (protocol, "A jump entry"). Its statistics say nothing that is asked. Pure.
 */
import { connectionOf, type Decoded, readReports } from "./entry.ts";

/** The hosts in the reports among `documents`, by topic stub; null when none of them is a report. Never throws. */
export function decodeJump(documents: readonly unknown[]): Decoded | null {
  const reports = readReports(
    documents,
    (entry) => entry.scopes.includes("host") ? connectionOf(entry, null) : "other",
  );
  return reports === null ? null : { ...reports, generation: "unmeasured" };
}
