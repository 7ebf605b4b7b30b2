/**
 * The moments at which the program is killed: each step of an event's life that can be seen from outside, with what is seen,
 * and whether the step is held back from the other side, arrives and is never looked at, or is looked at for a moment.
 */
import type { Step } from "./kill_talk.ts";

/**
 * `withheld`: the other side never gets it. `unseen`: it reaches the program's machine, and the program, stopped before,
 * never looks at it. `seen`: the program gets it, and has a random while.
 */
export type How = "withheld" | "unseen" | "seen";

export type Moment =
  /** A step on a wire. */
  | { readonly on: "step"; readonly is: (step: Step) => boolean; readonly how: How }
  /** A report of jump or relay that tells of a change. */
  | { readonly on: "report"; readonly how: "unseen" | "seen" }
  /** The store's write-ahead log is written to. */
  | { readonly on: "commit" }
  /** So long after it was started at most; it may not listen yet. */
  | { readonly on: "opening"; readonly withinMs: number }
  /** So long after it listens at most, whatever it does. */
  | { readonly on: "time"; readonly withinMs: number };

const isPut = (step: Step, kind: "http-asked" | "http-answered") => step.kind === kind && step.asked.method === "PUT";
const isPost = (step: Step, kind: "http-asked" | "http-answered") =>
  step.kind === kind && step.asked.method === "POST" && (step.kind === "http-asked" || step.status < 300);
const isGet = (step: Step) =>
  step.kind === "http-answered" && step.asked.method === "GET" && /\/resources\/./.test(step.asked.target);
const isTaken = (step: Step) => step.kind === "smtp-answer" && step.taken;

export const moments = {
  "while it opens its store": { on: "opening", withinMs: 700 },
  "at any time": { on: "time", withinMs: 4_000 },
  "a report is there, unseen": { on: "report", how: "unseen" },
  "a report has come": { on: "report", how: "seen" },
  "the store is being written": { on: "commit" },
  "it connects to the mail server": { on: "step", is: ({ kind }) => kind === "smtp-connected", how: "withheld" },
  "a message is sent, and does not arrive": { on: "step", is: ({ kind }) => kind === "smtp-message", how: "withheld" },
  "a message is sent, and may arrive": { on: "step", is: ({ kind }) => kind === "smtp-message", how: "seen" },
  "a message was taken, the 250 is not sent": { on: "step", is: isTaken, how: "withheld" },
  "the 250 is there, unseen": { on: "step", is: isTaken, how: "unseen" },
  "the 250 has come": { on: "step", is: isTaken, how: "seen" },
  "it has read what book holds": { on: "step", is: isGet, how: "seen" },
  "before a PUT arrives": { on: "step", is: (step) => isPut(step, "http-asked"), how: "withheld" },
  "a PUT is done, its answer not sent": { on: "step", is: (step) => isPut(step, "http-answered"), how: "withheld" },
  "the answer to a PUT is there, unseen": { on: "step", is: (step) => isPut(step, "http-answered"), how: "unseen" },
  "the answer to a PUT has come": { on: "step", is: (step) => isPut(step, "http-answered"), how: "seen" },
  "a webhook message is sent, and does not arrive": {
    on: "step",
    is: (step) => isPost(step, "http-asked"),
    how: "withheld",
  },
  "a webhook message was taken, its answer not sent": {
    on: "step",
    is: (step) => isPost(step, "http-answered"),
    how: "withheld",
  },
  "the webhook's answer is there, unseen": { on: "step", is: (step) => isPost(step, "http-answered"), how: "unseen" },
  "the webhook's answer has come": { on: "step", is: (step) => isPost(step, "http-answered"), how: "seen" },
} as const satisfies Record<string, Moment>;

export type MomentName = keyof typeof moments;

export const momentNames = Object.keys(moments) as MomentName[];
