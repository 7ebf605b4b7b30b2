/** The examples of the OpenAPI document. A test holds them against the schemas. */

const connection = {
  can_read: true,
  can_write: true,
  connected: "2026-11-22T08:00:00Z",
  user_agent: "Go-http-client/1.1",
};

export const experimentExample = {
  topic_name: "pend00",
  resource_name: "r-pend00",
  state: "unhealthy",
  healthy: false,
  issues: ["unhealthy pend00-st-video"],
  since: "2026-11-22T20:31:14.120Z",
  available: false,
  held: null,
  trial: null,
  health_events: 3,
  first_checked: "2026-11-22T08:00:00Z",
  last_found_in_manifest: "2026-11-22T20:30:00Z",
  jump_ok: true,
  last_checked_jump: "2026-11-22T20:31:10Z",
  last_checked_streams: "2026-11-22T20:31:14Z",
  stream_required: { "pend00-st-video": true },
  stream_ok: { "pend00-st-video": false },
  stream_reports: {
    "pend00-st-video": {
      ...connection,
      topic: "pend00-st-video",
      scopes: ["read", "write", "expt"],
      expires_at: "2027-11-22T07:00:00Z",
      stats: {
        tx: { last: "35.1s", size: 1200, fps: 24.9, never: false },
        rx: { last: "Never", size: 0, fps: 0, never: true },
      },
    },
  },
  stream_probes: { "pend00-st-video": { when: "2026-11-22T20:31:12Z", heard: false } },
  jump_report: { ...connection, topic: "pend00", scopes: ["host", "read", "write"], expires_at: null, stats: null },
};

export const historyExample = {
  topic_name: "pend00",
  from: "2026-11-21T20:31:14Z",
  to: "2026-11-22T20:31:14Z",
  shares: { watched: 0.5, known: 0.5, healthy: 0.375, available: 0.5 },
  spans: [
    { from: "2026-11-21T20:31:14Z", to: "2026-11-22T08:31:14Z", state: "not_watched", available: null },
    { from: "2026-11-22T08:31:14Z", to: "2026-11-22T17:31:14Z", state: "healthy", available: true },
    { from: "2026-11-22T17:31:14Z", to: "2026-11-22T20:31:14Z", state: "unhealthy", available: true },
  ],
};

export const eventExample = {
  healthy: false,
  issues: ["unhealthy pend00-st-video"],
  jump_ok: true,
  stream_ok: { "pend00-st-video": false },
  when: "2026-11-22T20:31:14.120Z",
};

/** An extract of an event stream. */
export const liveExample = `event: experiment
data: ${JSON.stringify(experimentExample)}

event: forgotten
data: {"topic_name":"turn04"}

:

`;

export const webhookExample = {
  version: 1,
  kind: "news",
  id: "8e03978e-40d5-43e8-bc93-6894a57f9324",
  created: "2026-11-22T20:31:14.950Z",
  system: { name: "app.example.org/t", version: "0.1.0", link: "https://app.example.org/t/status" },
  events: [{
    experiment: "pend00",
    healthy: false,
    issues: ["unhealthy pend00-st-video"],
    jump_ok: true,
    stream_ok: { "pend00-st-data": true, "pend00-st-video": false },
    when: "2026-11-22T20:31:14.120Z",
    causes: [{ code: "unhealthy", topic: "pend00-st-video" }],
    available: false,
    held: null,
    lasted_seconds: 7412.5,
  }],
  alerts: [{
    code: "jump-lost",
    raised: true,
    text: "jump has no fresh reports so may be down: connection refused",
    when: "2026-11-22T20:31:13Z",
  }],
  problems: [{
    experiment: "pend00",
    issues: ["unhealthy pend00-st-video"],
    causes: [{ code: "unhealthy", topic: "pend00-st-video" }],
    available: false,
    held: null,
    since: "2026-11-22T20:31:14.120Z",
  }],
  left_out: { events: 0, alerts: 0, problems: 0 },
};
