/** The page of the real program in a real browser, as people use it: without JavaScript, by keyboard, on a phone. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { ExperimentView, Snapshot } from "../../src/snapshot.ts";
import { browserTest, namesShown, untilInPage, untilLive } from "../support/browser.ts";
import { PageServer } from "../support/page_server.ts";
import { shownLab } from "../support/shown_lab.ts";
import { Station } from "../support/station.ts";

const experiments = { pend00: ["st-data", "st-video"], spin30: ["st-data"], spin31: ["st-data"], turn04: ["st-data"] };

/** All judged for the first time: four are well. */
function watching(): Promise<Station> {
  return Station.watching({ experiments });
}

browserTest(
  "without JavaScript the page has everything: banner, sources, rows, the form, each experiment",
  watching,
  async (visitor, station) => {
    station.world.stream("spin31-st-data").vanish();
    await station.line("spin31 ><   U [missing required spin31-st-data]");

    const page = await visitor.open(station.url, { javaScript: false });

    assert.match(await page.title(), /^\(1\) /);
    assert.match(await page.locator("#top h1").innerText(), /1 of 4 experiments needs attention/);
    assert.match(await page.locator("#top").innerText(), /jump[^]*relay[^]*book[^]*mail[^]*store/);
    assert.match(await page.locator("#freshness").innerText(), /^as of .* UTC; reload for newer$/);
    assert.deepEqual(await namesShown(page), ["spin31", "pend00", "spin30", "turn04"]);
    const row = await page.locator("#e-spin31").innerText();
    assert.match(row, /unhealthy for [^]*missing required st-data[^]*jump: connected[^]*not reported/);
    assert.match(
      await page.locator("#problems pre").textContent() ?? "",
      /^spin31 >< {3}U \[missing required spin31-st-data\]$/m,
    );

    await page.locator("#q").fill("SPIN");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.waitForURL(/[?&]q=SPIN/);
    assert.deepEqual(await namesShown(page), ["spin31", "spin30"]);
    await page.getByRole("link", { name: "spin31" }).last().click();
    assert.match(
      await page.locator("#experiment").innerText(),
      /spin31[^]*History[^]*unhealthy[^]*Events[^]*missing required/,
    );
  },
);

browserTest(
  "a search and a choice are kept by the address: on reload, and back from an experiment",
  watching,
  async (visitor, station) => {
    const page = await visitor.open(station.url);

    await page.locator("#q").pressSequentially("spin");
    await untilShown(page, ["spin30", "spin31"]);
    await page.getByLabel("History", { exact: true }).selectOption("7 days");
    await page.getByLabel("Order", { exact: true }).selectOption("by name");
    await untilInPage(page, "document.body.dataset.live.includes('window=7d')", "the window of seven days");
    assert.deepEqual(queryOf(page), { q: "spin", order: "name", window: "7d" });

    await page.reload();
    assert.deepEqual(await namesShown(page), ["spin30", "spin31"]);
    assert.equal(await page.locator("#q").inputValue(), "spin");
    assert.equal(await page.getByLabel("History", { exact: true }).inputValue(), "7d");

    await page.getByRole("link", { name: "spin31" }).click();
    assert.match(await page.locator("#experiment h2").innerText(), /spin31/);
    await page.goBack();
    await untilShown(page, ["spin30", "spin31"]);
    assert.equal(await page.locator("#q").inputValue(), "spin");
    await page.goForward();
    assert.match(await page.locator("#experiment h2").innerText(), /spin31/);
  },
);

browserTest("each filter shows what it says, live too", watching, async (visitor, station) => {
  const { world } = station;
  world.book.takeOff("r-turn04", "new belt");
  world.addExperiment("extra07", { resource: null });
  await station.line("extra07 ok   U");
  const page = await visitor.open(`${station.url}?show=held`);
  await untilShown(page, ["turn04"]);

  await page.getByLabel("extra").check();
  await untilShown(page, ["extra07"]);
  await page.getByLabel("in trouble").check();
  await untilShown(page, []);
  world.host("spin30").pull();
  await untilShown(page, ["spin30"]);
  world.host("spin30").plug();
  await untilShown(page, []);
});

browserTest(
  "by keyboard: the skip link first, then what can be chosen, then each row with its bar",
  watching,
  async (visitor, station) => {
    const page = await visitor.open(station.url);
    await untilLive(page);

    const stops: string[] = [];
    while (!stops.includes("bar") && stops.length < 30) stops.push(await nextStop(page));
    assert.equal(stops[0], "skip");
    const places = ["skip", "q", "show", "c-order", "c-window", "c-view", "pend00", "bar"].map((each) =>
      stops.indexOf(each)
    );
    assert.deepEqual(places, places.toSorted((a, b) => a - b), stops.join(", "));
    assert.ok(!places.includes(-1), stops.join(", "));

    await page.locator(".skip").focus();
    await page.keyboard.press("Enter");
    assert.equal(await nextStop(page), "pend00");
  },
);

browserTest(
  "the pieces of a bar are reached by the arrow keys, and say their span in the reader's zone",
  watching,
  async (visitor, station) => {
    station.world.stream("pend00-st-data").stall();
    await station.line("pend00 ><   U [unhealthy pend00-st-data]");
    const page = await visitor.open(station.url);
    await untilLive(page);
    const bar = page.locator("#e-pend00 .bar");
    const says = async (key: string) => {
      await page.keyboard.press(key);
      const [said = "", shown] = await bar.evaluate((bar) => { // at once: the last piece goes on
        return [bar.getAttribute("aria-valuetext") ?? "", bar.ownerDocument.getElementById("tip")?.textContent];
      });
      assert.equal(shown, said);
      assert.ok(await page.locator("#tip").isVisible());
      return said;
    };

    await bar.focus();
    assert.match(await says("End"), /^unhealthy.*, unavailable: .* to now \(\d+ s\)$/);
    assert.match(await says("Home"), /^starting, unavailable: .* \(\d+ s\)$/);
    assert.match(await says("ArrowRight"), /^healthy, unavailable|^starting, available|^healthy, available/);
    await page.keyboard.press("Escape");
    assert.ok(!await page.locator("#tip").isVisible());
    assert.equal(await page.locator("[tabindex]:not(svg.bar):not(main)").count(), 0);
  },
);

browserTest(
  "pieces that begin in one second are each walked through, to the beginning and back; after a change it goes on from there",
  () => new PageServer(hasty()),
  async (visitor, server) => {
    const page = await visitor.open(`${server.url}?experiment=pend00`);
    await untilLive(page);
    const bar = page.locator(".bar");
    const states = async (key: string, times: number) => {
      const said: string[] = [];
      for (let at = 0; at < times; at++) {
        await page.keyboard.press(key);
        said.push(/^[\w ]+/.exec(await bar.getAttribute("aria-valuetext") ?? "")?.[0] ?? "");
      }
      return said.join(", ");
    };

    await bar.focus();
    assert.equal(await states("ArrowLeft", 5), "unhealthy, unknown, starting, not watched, healthy");
    assert.equal(await states("ArrowLeft", 1), "healthy", "there is nothing before the first");
    assert.equal(await states("ArrowRight", 3), "not watched, starting, unknown");
    assert.equal(await page.locator(".bar .chosen").getAttribute("class"), "unknown chosen");

    await page.keyboard.press("Escape");
    server.show(hasty({ held: "new arm" }));
    await page.getByText("new arm").waitFor();
    assert.ok(!await page.locator("#tip").isVisible(), "what was put away stays away");
    assert.match(await bar.getAttribute("aria-valuetext") ?? "", /^unknown/);
    assert.equal(await states("ArrowRight", 3), "unhealthy, healthy, healthy");
  },
);

browserTest(
  "without JavaScript a bar is a picture with its story in words: nothing can be reached that does nothing",
  () => new PageServer(hasty()),
  async (visitor, server) => {
    for (const path of ["", "?experiment=pend00"]) {
      const page = await visitor.open(`${server.url}${path}`, { javaScript: false });

      assert.equal(await page.locator("[role=slider], svg[tabindex]").count(), 0);
      const name = await page.locator(".bar").first().getAttribute("aria-label") ?? "";
      assert.match(name, /^history of pend00, 24 hours: healthy .* %.*; healthy, available since /);
    }
  },
);

browserTest("times are told in the reader's zone, with UTC on hover", watching, async (visitor, station) => {
  const page = await visitor.open(station.url);
  await untilLive(page);
  const time = page.locator("#top time:not(.age)").first();
  const [datetime = "", words, title] = await time.evaluate((time) => { // at once: the next top has another
    return [time.getAttribute("datetime") ?? "", time.textContent, time.getAttribute("title") ?? ""];
  });
  const at = new Date(datetime);

  const inBerlin = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Berlin", timeStyle: "medium" }).format(at);
  assert.match(words ?? "", new RegExp(inBerlin));
  assert.match(title ?? "", new RegExp(`${at.toISOString().slice(11, 19)} UTC$`));
});

browserTest("the copy button copies the problems as a mail has them", watching, async (visitor, station) => {
  station.world.host("spin31").pull();
  await station.line("spin31 -- A   [missing jump]");
  const page = await visitor.open(station.url);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);

  await page.locator("#copy").click();
  await untilInPage(page, "document.getElementById('copy').textContent === 'Copied'", "that it was copied");
  assert.match(await page.evaluate<string>("navigator.clipboard.readText()"), /^spin31 -- A {3}\[missing jump\]$/m);
});

async function untilShown(page: Page, names: readonly string[]): Promise<void> {
  const shown = "JSON.stringify([...document.querySelectorAll('#experiments > .row')].map((row) => row.dataset.name))";
  await untilInPage(
    page,
    `${shown} === ${JSON.stringify(JSON.stringify(names))}`,
    `just ${names.join(", ") || "no row"}`,
  );
}

/** Where the next Tab leads: a class, an id, a name, or an experiment's link. */
async function nextStop(page: Page): Promise<string> {
  await page.keyboard.press("Tab");
  return await page.evaluate<string>(`(() => {
    const { id, name, classList, textContent, nodeName } = document.activeElement;
    return id || name || classList[0] || textContent || nodeName;
  })()`);
}

function queryOf(page: Page): Record<string, string> {
  return Object.fromEntries(new URL(page.url()).searchParams);
}

/** One experiment that has just been in five states within one second. */
function hasty(given: Partial<ExperimentView> = {}): Snapshot {
  const seen = shownLab({ experiments: 1 });
  const second = Math.floor((seen.atMs - 3_600_000) / 1_000) * 1_000;
  const states = ["not_watched", "starting", "unknown", "unhealthy", "healthy"] as const;
  const turns = states.map((state, at) => ({ atMs: second + 10 * at, state, available: true }));
  const runs = [{ startedMs: seen.atMs - 9 * 86_400_000, aliveMs: seen.atMs }];
  const before = { atMs: seen.atMs - 8 * 86_400_000, state: "healthy", available: true } as const;
  const revision = "held" in given ? 2 : 1;
  return { ...seen, revision, runs, experiments: [{ ...seen.experiments[0]!, turns: [before, ...turns], ...given }] };
}
