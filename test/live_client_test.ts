/** What page.js makes of what it hears, in a real browser, with a server and a clock that the test holds. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { systemClock } from "../src/clock.ts";
import { listen, type Listening } from "../src/http_server.ts";
import { createLive } from "../src/live_updates.ts";
import { appOf } from "./support/app.ts";
import { browserTest, untilInPage, untilLive } from "./support/browser.ts";
import { LiveLab } from "./support/live_lab.ts";

const bad = { healthy: false, state: "unhealthy", issues: [{ code: "missing-jump" }] } as const;

/** The page of four experiments, all well as of now. */
class Stage implements AsyncDisposable {
  readonly lab = new LiveLab(["pend00", "pend01", "spin31", "turn04"]);
  /** What the stream is answered with in the place of the real one. */
  instead: (() => Response | null) | null = null;
  asked = 0;
  readonly #live = createLive({ snapshot: () => this.lab.snapshot, clock: systemClock, failed: assert.ifError }, {
    addresses: false,
  });
  readonly #stop = new AbortController();
  readonly #run = this.#live.run(this.#stop.signal);
  readonly #server: Listening;

  constructor() {
    const nowMs = Date.now();
    const { experiments } = this.lab.snapshot;
    const turns = [1, 2, 3, 4, 5].map((hours) => {
      return {
        atMs: nowMs - (6 - hours) * 3_600_000,
        state: hours % 2 ? "healthy" : "unhealthy",
        available: true,
      } as const;
    });
    this.lab.changeWhole({
      atMs: nowMs,
      runs: [{ startedMs: nowMs - 9 * 86_400_000, aliveMs: nowMs }],
      experiments: experiments.map((view) => ({ ...view, turns, sinceMs: nowMs - 3_600_000 })),
    });
    const answer = (
      params: URLSearchParams,
    ) => (this.asked++, this.instead ? this.instead() : this.#live.answer(params));
    const app = appOf(this.lab.snapshot, { snapshot: () => this.lab.snapshot, nowMs: Date.now, live: { answer } });
    this.#server = listen(app, "127.0.0.1", 0);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}/`;
  }

  change(...change: Parameters<LiveLab["change"]>): void {
    this.lab.change(...change);
    this.#live.changed();
  }

  told(act: (lab: LiveLab) => void): void {
    act(this.lab);
    this.#live.changed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#run;
    await this.#server.stop(AbortSignal.timeout(1_000));
  }
}

const eventStream = { "Content-Type": "text/event-stream" };
const stage = () => new Stage();
const stateOf = (page: Page) => page.locator("#freshness").getAttribute("data-state");
const rowsOf = (page: Page) => page.locator(".row").evaluateAll((rows) => rows.map(({ id }) => id));

browserTest(
  "a page is stale when nothing has been heard for 25 s, though its connection is open",
  stage,
  async (visitor, stage) => {
    const page = await visitor.open("about:blank");
    await page.clock.install();
    stage.instead = silent;
    await page.goto(stage.url);
    await page.clock.pauseAt(Date.now() + 15_000);
    assert.equal(await stateOf(page), "reconnecting");
    await page.clock.runFor(12_000);
    assert.equal(await stateOf(page), "stale");

    stage.instead = null;
    await page.clock.runFor(30_000); // it is tried again
    await page.clock.resume();
    await untilLive(page);
    assert.doesNotMatch(await page.locator("body").getAttribute("class") ?? "", /stale/);
  },
);

browserTest(
  "a page that finds no place among the readers is stale, and live when there is one",
  stage,
  async (visitor, stage) => {
    visitor.expect(/503/);
    stage.instead = () => null;
    const page = await visitor.open(stage.url);
    await page.locator("#freshness[data-state=stale]").waitFor();
    stage.instead = null;
    await untilLive(page);
  },
);

browserTest(
  "a page that is told to fetch itself again and can't becomes stale, and asks ever less often",
  stage,
  async (visitor, stage) => {
    visitor.expect(/502/);
    const page = await visitor.open("about:blank");
    await page.route(stage.url, async (route) => {
      if (route.request().isNavigationRequest()) await route.continue();
      else await route.fulfill({ status: 502, body: "a proxy's page" });
    });
    stage.instead = () => new Response("event: stale\nid: 1-1-0\ndata:\n\n", { headers: eventStream });
    await page.goto(stage.url);
    await page.locator("#freshness[data-state=stale]").waitFor();
    const asked = stage.asked;
    await page.locator("#freshness[data-state=live]").waitFor({ timeout: 3_000 }).then(
      () => assert.fail("it says live"),
      () => {},
    );
    assert.ok(stage.asked - asked < 4, `${stage.asked - asked} times in 3 s`);

    await page.unroute(stage.url);
    stage.instead = null;
    await untilLive(page);
  },
);

browserTest(
  "a page that is fetched afresh while something changes each time is live, and hears what it does not show yet",
  stage,
  async (visitor, stage) => {
    const page = await visitor.open(stage.url);
    await untilLive(page);
    let fetched = 0;
    await page.route(({ pathname }) => pathname === "/", async (route) => {
      const response = await route.fetch();
      stage.change(bad, ["spin31", "turn04", "pend00"][fetched++] ?? "pend01");
      await route.fulfill({ response });
    });

    await page.locator("#c-order").selectOption("name");
    await page.locator("#e-turn04.unhealthy").waitFor();
    stage.told((lab) => lab.add("pend02"));
    await page.locator("#e-pend02").waitFor();

    assert.equal(fetched, 2);
    assert.equal(await stateOf(page), "live");
    assert.deepEqual(await rowsOf(page), ["e-pend00", "e-pend01", "e-pend02", "e-spin31", "e-turn04"]);
    assert.equal(await page.locator("#e-spin31.unhealthy").count(), 1);
  },
);

for (const query of ["?show=nonsense", "?show=", "?order=nonsense"]) {
  browserTest(`rows that change stay where the server has them: ${query}`, stage, async (visitor, stage) => {
    const page = await visitor.open(stage.url + query);
    await untilLive(page);
    stage.change(bad, "spin31");
    await page.locator("#e-spin31.unhealthy").waitFor();
    const server = await (await visitor.open(stage.url + query, { javaScript: false })).locator(".row")
      .evaluateAll((rows) => rows.map(({ id }) => id));
    assert.deepEqual(await rowsOf(page), server);
  });
}

browserTest(
  "what a reader is at stays while the page changes: keyboard, chosen piece, selection, what is open",
  stage,
  async (visitor, stage) => {
    const page = await visitor.open(stage.url);
    await untilLive(page);
    await page.locator("#problems summary").click();
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('#e-pend01 h3'))");
    await page.locator("#e-turn04 .bar").focus();
    for (const key of ["End", "ArrowLeft", "ArrowLeft"]) await page.keyboard.press(key);
    const said = () => page.locator("#e-turn04 .bar").getAttribute("aria-valuetext");
    const before = await said();

    stage.change({ ...bad, sinceMs: Date.now() }, "turn04", "pend01");
    await page.locator("#e-turn04.unhealthy").waitFor();

    assert.equal(await page.evaluate("document.activeElement.closest('.row').id"), "e-turn04");
    assert.equal(await said(), before);
    assert.equal(await page.locator("#e-turn04 .chosen").count(), 1);
    assert.equal(await page.evaluate("document.querySelector('#problems').open"), true);
    assert.notEqual(await page.evaluate("String(getSelection())"), "");
    assert.deepEqual(await rowsOf(page), ["e-pend01", "e-turn04", "e-pend00", "e-spin31"]);
  },
);

browserTest("ages are by the server's clock, whatever the reader's says", stage, async (visitor, stage) => {
  const page = await visitor.open("about:blank");
  await page.clock.install({ time: Date.now() + 5 * 3_600_000 });
  await page.goto(stage.url);
  await untilLive(page);
  await untilInPage(
    page,
    "document.querySelector('#e-pend00 .standing .age').textContent === '1 h'",
    "an age of an hour",
  );
});

browserTest("rows come and go in the order that was asked for", stage, async (visitor, stage) => {
  const page = await visitor.open(`${stage.url}?order=since`);
  await untilLive(page);
  stage.change({ sinceMs: Date.now() }, "spin31");
  await untilInPage(page, "document.querySelector('.row').id === 'e-spin31'", "the newest change first");
  stage.told((lab) => lab.forget("pend00"));
  await page.locator("#e-pend00").waitFor({ state: "detached" });

  await page.goto(`${stage.url}?order=name`);
  await untilLive(page);
  stage.told((lab) => lab.add("pend02"));
  await page.locator("#e-pend02").waitFor();
  assert.deepEqual(await rowsOf(page), ["e-pend01", "e-pend02", "e-spin31", "e-turn04"]);
});

browserTest(
  "the window and the colours stay from visit to visit, unless the address says otherwise",
  stage,
  async (visitor, stage) => {
    const page = await visitor.open(stage.url);
    await untilLive(page);
    await page.locator("#c-window").selectOption("7d");
    await page.locator("#c-theme").selectOption("dark");
    await untilInPage(page, "document.documentElement.dataset.theme === 'dark'", "the dark page");

    await page.goto(`${stage.url}?experiment=pend00`);
    await untilInPage(page, "document.body.dataset.live.includes('window=7d')", "the window of the last visit");
    assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
    await page.getByRole("link", { name: "24 hours" }).click();
    await untilInPage(page, "document.body.dataset.live.includes('window=24h')", "the window that was asked for");
    await page.goto(`${stage.url}?window=30d`);
    await untilLive(page);
    assert.equal(await page.locator("#c-window").inputValue(), "30d");
  },
);

browserTest(
  "a page of an earlier version loads itself again when it hears of a newer one",
  stage,
  async (visitor, stage) => {
    const page = await visitor.open(stage.url);
    await untilLive(page);
    await page.evaluate("globalThis.isOld = true");
    stage.told((lab) => lab.changeWhole({ version: "9.9.9" }));
    await page.locator("#c-order").selectOption("name");
    await untilInPage(
      page,
      "globalThis.isOld === undefined && document.body.dataset.version === '9.9.9'",
      "the new version",
    );
  },
);

/** A stream that is open, and says nothing. */
function silent(): Response {
  return new Response(new ReadableStream<Uint8Array>(), { headers: eventStream });
}
