/**
 * What happens in the demo's laboratory, in order: what is broken or mended, and what then has to be seen in mails and in
 * book. How it is shown, and for how long, is `demo`'s.
 */
import type { ReceivedMail } from "./simulator/receivers.ts";
import type { World } from "./simulator/world.ts";

export interface Step {
  readonly title: string;
  act(world: World): void | Promise<void>;
  /** All of it has to hold at one time after the step. */
  readonly expected: readonly Expectation[];
}

export interface Expectation {
  readonly what: string;
  /** `mails` are those that arrived since the step began. */
  met(world: World, mails: readonly ReceivedMail[]): boolean;
}

const experiments = ["pend00", "pend01", "pend02", "pend03", "spin30", "spin31", "spin32", "truss05", "turn04"];

/** Adds the experiments, all of them well; one that a person has taken off book, and one that book does not list. */
export function furnish(world: World): void {
  for (const name of experiments) world.addExperiment(name);
  world.addExperiment("truss05", { streams: ["st-data", "st-video", "st-load", "st-strain"], required: ["st-data"] });
  world.addExperiment("turn04", { streams: ["st-data", "st-video", "st-audio"], required: ["st-data", "st-video"] });
  world.addExperiment("test99", { resource: null });
  world.stream("pend00-st-video").users(2);
  world.loadManifest();
  world.book.takeOff("r-spin32", "waits for a new motor");
}

/** Before the schedule: the monitor has found everything well. */
export const beginning: Step = {
  title: "the monitor starts, and judges every experiment for the first time",
  act: () => {},
  // What book lists is judged a report before what a feed alone knows, so these are two mails as often as one.
  expected: [...experiments, "test99"].map((name) => mail(`${name} is ok`, new RegExp(`^${name} ok`, "m"))),
};

export const schedule: readonly Step[] = [
  {
    title: "a required stream falls silent: its experiment comes off book",
    act: (world) => world.stream("pend00-st-data").stall(),
    expected: [
      inBook("r-pend00", false),
      mail("pend00 is unavailable", /^pend00 ><\s+U \[unhealthy pend00-st-data\]/m),
    ],
  },
  {
    title: "the ssh host of another is pulled: unhealthy, but students can go on using it",
    act: (world) => world.host("spin31").pull(),
    expected: [inBook("r-spin31", true), mail("spin31 lacks jump", /^spin31 --\s+A\s+\[missing jump\]/m)],
  },
  {
    title: "the silent stream talks again, and the host is back",
    act(world) {
      world.stream("pend00-st-data").resume();
      world.host("spin31").plug();
    },
    expected: [
      inBook("r-pend00", true),
      mail("pend00 is ok", /^pend00 ok A/m),
      mail("spin31 is ok", /^spin31 ok A/m),
    ],
  },
  {
    title: "one stream disconnects and another, not required, too",
    act(world) {
      world.stream("pend03-st-video").vanish();
      world.stream("turn04-st-audio").vanish();
    },
    expected: [
      inBook("r-pend03", false),
      inBook("r-turn04", true),
      mail("pend03 is unavailable", /^pend03 ><\s+U \[missing required pend03-st-video\]/m),
      mail("turn04 lacks its audio", /^turn04 --\s+A\s+\[missing turn04-st-audio\]/m),
    ],
  },
  {
    title: "a person takes an experiment off book, and its stream fails: book is left as the person wants it",
    act(world) {
      world.book.takeOff("r-pend02", "new belt on Thursday");
      world.stream("pend02-st-data").stall();
    },
    expected: [
      mail("pend02 is held", /^pend02 ><\s+U \[unhealthy pend02-st-data\] \(held: new belt on Thursday\)/m),
      heldBy("r-pend02", "unavailable because new belt on Thursday"),
    ],
  },
  {
    title: "all streams are back",
    act(world) {
      world.stream("pend02-st-data").resume();
      world.stream("pend03-st-video").appear();
      world.stream("turn04-st-audio").appear();
    },
    expected: [
      inBook("r-pend03", true),
      mail("pend03 and turn04 are ok", /^pend03 ok A[^]*^turn04 ok A/m),
      mail("pend02 is ok, and still held", /^pend02 ok\s+U .*held: new belt on Thursday/m),
      heldBy("r-pend02", "unavailable because new belt on Thursday"),
    ],
  },
  {
    title: "relay stops: no experiment is blamed, and nothing comes off book",
    act: (world) => world.relay.stop(),
    expected: [
      mail("relay may be down", /^relay has no fresh reports so may be down/m),
      ...["r-pend00", "r-pend01", "r-spin30"].map((resource) => inBook(resource, true)),
    ],
  },
  {
    title: "relay is back, and the person puts the experiment back",
    async act(world) {
      await world.relay.start();
      world.book.putBack("r-pend02");
    },
    expected: [mail("relay is back", /^relay reports again/m), inBook("r-pend02", true)],
  },
  {
    title: "the mail server stops, then a stream fails: book is told at once, people cannot be",
    async act(world) {
      await world.mailbox.stop();
      world.stream("pend01-st-video").stall();
    },
    expected: [inBook("r-pend01", false)],
  },
  {
    title: "the mail server is back: the mail that waited arrives",
    act: (world) => world.mailbox.start(),
    expected: [mail("pend01 is unavailable", /^pend01 ><\s+U \[unhealthy pend01-st-video\]/m)],
  },
  {
    title: "the last stream is mended",
    act: (world) => world.stream("pend01-st-video").resume(),
    expected: [inBook("r-pend01", true), mail("nothing is wrong any more", /health issues:\s+none/)],
  },
];

function mail(what: string, words: RegExp): Expectation {
  return { what: `a mail that says ${what}`, met: (_world, mails) => mails.some(({ text }) => words.test(text)) };
}

function inBook(resource: string, available: boolean): Expectation {
  return {
    what: `${resource} ${available ? "available" : "unavailable"} in book`,
    met: (world) => world.book.availability(resource)?.available === available,
  };
}

function heldBy(resource: string, reason: string): Expectation {
  return {
    what: `${resource} in book as the person left it`,
    met: (world) => world.book.availability(resource)?.reason === reason,
  };
}
