/**
 * One experiment in full: how it is, its history, its events, and what the services last reported of it. Replaced as a whole
 * while the page is live. Network addresses are never shown here.
 */
import { type HealthEvent, issueText } from "./alerts.ts";
import { durationWords } from "./duration.ts";
import { sanitize } from "./failure.ts";
import { age, historyBar, instant, mark, pastTable } from "./page_history.tsx";
import { bookLine, issueList, markOf, statusLine } from "./page_list.tsx";
import {
  changeText,
  hostWords,
  nameText,
  type PageWindow,
  type SeenWords,
  serviceTimeMs,
  streamWords,
} from "./page_model.ts";
import type { Connection } from "./report.ts";
import type { ExperimentView, ProbeView, Snapshot, StreamView, TopicView } from "./snapshot.ts";

/** `<article id="experiment">`. */
export function renderExperiment(view: ExperimentView, snapshot: Snapshot, window: PageWindow): string {
  return String(experiment(view, snapshot, window));
}

export function experiment(view: ExperimentView, snapshot: Snapshot, window: PageWindow) {
  return (
    <article id="experiment" class={view.state} data-says={changeText(view)}>
      <div class="summary">
        <h2>
          {mark(markOf(view, snapshot))}
          <bdi>{nameText(view.name)}</bdi>
        </h2>
        {statusLine(view, snapshot)}
        {issueList(view)}
        {bookLine(view, snapshot)}
        <p class="first">
          watched in this run since {instant(view.firstSeenMs)}
          {view.foundInManifestMs !== null && <>, last listed by book {instant(view.foundInManifestMs)}</>}
        </p>
      </div>
      <section class="last" aria-labelledby="h-reports">
        <h3 id="h-reports">Last reports</h3>
        {reports(view, snapshot)}
      </section>
      <section aria-labelledby="h-history">
        <h3 id="h-history">History</h3>
        {historyBar(view, snapshot, window)}
        {pastTable(view, snapshot, window)}
      </section>
      <section aria-labelledby="h-events">
        <h3 id="h-events">Events</h3>
        {events(view, snapshot)}
      </section>
    </article>
  );
}

function events({ events }: ExperimentView, { atMs }: Snapshot) {
  if (events.length === 0) return <p>None yet.</p>;
  return (
    <table class="events">
      <caption>{events.length === 1 ? "The only event" : `The newest ${events.length} events, newest first`}</caption>
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">When</th>
          <th scope="col">Lasted</th>
        </tr>
      </thead>
      <tbody>{events.map((event, at) => eventRow(event, { next: events[at + 1], nowMs: atMs })).reverse()}</tbody>
    </table>
  );
}

function eventRow(event: HealthEvent, { next, nowMs }: { next: HealthEvent | undefined; nowMs: number }) {
  return (
    <tr>
      <td>
        {mark(event.healthy ? "healthy" : "unhealthy")}{" "}
        {event.healthy ? "ok" : event.issues.map(issueText).map(sanitize).join(", ")}
      </td>
      <td>{instant(event.atMs)}</td>
      <td>{next ? durationWords(next.atMs - event.atMs) : <>{age(event.atMs, nowMs)} so far</>}</td>
    </tr>
  );
}

const columns = [
  "What",
  "How it is",
  "Role",
  "Last in a report",
  "Connected",
  "Last sent",
  "Messages",
  "Scopes",
  "Program",
];

function columnHead(column: string) {
  return <th scope="col">{column}</th>;
}

function reports(view: ExperimentView, snapshot: Snapshot) {
  return (
    <div class="scroll" role="group" aria-label="Table of the last reports" tabindex={0}>
      <table class="reports">
        <thead>
          <tr>{columns.map(columnHead)}</tr>
        </thead>
        <tbody>
          {reportRow("jump", { seen: view.host, words: hostWords(view.host, snapshot), role: "login" }, snapshot.atMs)}
          {view.streams.map((stream) => {
            const role = stream.required ? "required" : "extra";
            return reportRow(stream.topic, { seen: stream, words: streamWords(stream, snapshot), role }, snapshot.atMs);
          })}
        </tbody>
      </table>
    </div>
  );
}

interface Reported {
  readonly seen: TopicView & Partial<Pick<StreamView, "probe">>;
  readonly words: SeenWords;
  readonly role: string;
}

function reportRow(name: string, { seen, words, role }: Reported, nowMs: number) {
  return (
    <tr>
      <th scope="row">
        <bdi>{nameText(name)}</bdi>
      </th>
      <td>
        {mark(words.mark)} {words.words}
        {words.sinceMs !== null && <>{" "}{age(words.sinceMs, nowMs)}</>}
      </td>
      <td>{role}</td>
      <td>{seen.seenMs === null ? "never" : instant(seen.seenMs)}</td>
      {connectionCells(seen.connection, seen.probe ?? null)}
    </tr>
  );
}

function connectionCells(connection: Connection | null, probe: ProbeView | null) {
  if (connection === null) return <td colspan={5}>nothing known in this run</td>;
  const { connected, scopes, userAgent, stats } = connection;
  const connectedMs = serviceTimeMs(connected);
  return (
    <>
      <td>{connectedMs === null ? "not said" : instant(connectedMs)}</td>
      <td>{stats === null ? heardCell(probe) : sanitize(stats.tx.last) || "not said"}</td>
      <td>{stats === null ? "not said" : messagesText(stats.tx)}</td>
      <td>{scopes.map(sanitize).join(", ") || "none"}</td>
      <td>{sanitize(userAgent) || "not said"}</td>
    </>
  );
}

/** Where relay does not say when it last sent: when it was last listened to and heard. */
function heardCell(probe: ProbeView | null) {
  return probe?.heard ? <>heard {instant(probe.atMs)}</> : "not said";
}

function messagesText({ size, fps }: { size: number; fps: number }): string {
  return `${Math.round(size)} B × ${Math.round(fps * 10) / 10}/s`;
}
