/** What the monitor is made with: what it is told of the settings, what it needs of the world, and what it goes on from. */
import type { SystemAlert } from "./alert.ts";
import type { AvailabilityRules } from "./availability.ts";
import type { ConsequencePorts } from "./consequence.ts";
import type { HealthRules } from "./health.ts";
import type { Known } from "./snapshot.ts";
import type { Saved } from "./store.ts";

export interface MonitorOptions {
  readonly version: string;
  readonly health: HealthRules;
  readonly availability: AvailabilityRules;
  readonly forgetMs: number;
}

export interface MonitorPorts extends ConsequencePorts {
  /** How the parts are that the loop does not know of. */
  readonly views: () => Pick<Known, "probes" | "heartbeat">;
  /** Readers would be shown something else now, if only a time: called often, so it must cost nothing. */
  changed(): void;
  /** The loop has turned, which it does every `turnMsMax` at least. */
  turned(): void;
}

export interface Start {
  readonly saved: Saved;
  readonly alerts: readonly SystemAlert[];
}
