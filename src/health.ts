export type Verdict = "ok" | "missing" | "unhealthy";
