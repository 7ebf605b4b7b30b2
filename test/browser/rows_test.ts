/** The list of a laboratory larger than the list, in a real browser: what is in it, and what becomes of it live. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { rowsMax } from "../../src/page_model.ts";
import type { ExperimentView, Snapshot } from "../../src/snapshot.ts";
import { browserTest, namesShown, untilInPage, untilLive } from "../support/browser.ts";
import { missingJump } from "../support/letters.ts";
import { PageServer } from "../support/page_server.ts";
import { shownLab } from "../support/shown_lab.ts";

// By name the last of them, and so not listed: spin32, test99, truss05 (which a person holds), turn04.
const large = shownLab({ experiments: rowsMax + 139 });

/** As `seen`, with something else of one experiment: the next revision. */
function changed(seen: Snapshot, name: string, given: Partial<ExperimentView>): Snapshot {
  const experiments = seen.experiments.map((view) => view.name === name ? { ...view, ...given } : view);
  return { ...seen, experiments, revision: seen.revision + 1 };
}

const states = {
  ill: { state: "unhealthy", healthy: false, issues: [missingJump] },
  well: { state: "healthy", healthy: true, issues: [] },
} as const;

/** As `large`, with all but those of `wellNames` in trouble. */
function outage(revision: number, wellNames: readonly string[] = []): Snapshot {
  const stateOf = (name: string) => wellNames.includes(name) ? states.well : states.ill;
  const experiments = large.experiments.map((view) => ({ ...view, ...stateOf(view.name) }));
  return { ...large, experiments, revision: large.revision + revision };
}

function untilCounted(page: Page, what: string, count: number): Promise<void> {
  return untilInPage(
    page,
    `document.querySelector('[data-count=${what}]').textContent === '${count}'`,
    `${count} ${what}`,
  );
}

browserTest(
  "without JavaScript the first thousand are listed, a link leads to all, and a search finds what is not listed",
  () => new PageServer(large),
  async (visitor, server) => {
    const page = await visitor.open(`${server.url}?order=name`, { javaScript: false });

    assert.equal(await page.locator("#experiments > .row").count(), rowsMax);
    assert.equal(await page.locator("#e-turn04").count(), 0);
    assert.equal(
      await page.locator(".rest").first().innerText(),
      "The first 1000 of 1140 are listed, by name. List all",
    );

    await page.locator(".rest a").first().click();
    await page.waitForURL(/rows=all/);
    assert.equal(await page.locator("#experiments > .row").count(), 1_140);
    assert.equal(await page.locator("#c-order").inputValue(), "name");

    await page.locator(".rest a").last().click();
    await page.locator("#q").fill("turn04");
    await page.locator("[type=submit]").click();
    await page.waitForURL(/q=turn04/);
    assert.deepEqual(await namesShown(page), ["turn04"]);
  },
);

browserTest(
  "what is not listed comes into the list when it gets into trouble, in place of the last, and not before",
  () => new PageServer(large),
  async (visitor, server) => {
    const page = await visitor.open(server.url);
    await untilLive(page);
    const before = await namesShown(page);
    assert.equal(before.length, rowsMax);

    const held = changed(large, "turn04", { held: "new belt", available: false });
    server.show(held);
    await untilCounted(page, "held", 2);
    assert.deepEqual(await namesShown(page), before, "one that is well stays where it is");

    const issues = { state: "unhealthy", healthy: false, issues: [missingJump] } as const;
    server.show(changed(held, "spin32", issues));
    await page.locator("#e-spin32").waitFor();
    await untilCounted(page, "trouble", 3);
    assert.deepEqual(await namesShown(page), ["pend02", "spin31", "spin32", ...before.slice(2, -1)]);
  },
);

for (const [address, restLines] of Object.entries({ "?show=trouble": 0, "?order=trouble": 2 })) {
  browserTest(
    `in a large outage those listed recover, and those in trouble who were not listed take their places: ${address}`,
    () => new PageServer(outage(1)),
    async (visitor, server) => {
      const page = await visitor.open(`${server.url}${address}`);
      await untilLive(page);
      const listed = await namesShown(page);
      const rest = large.experiments.map(({ name }) => name).filter((name) => !listed.includes(name));
      assert.equal(rest.length, 140);

      server.show(outage(2, listed));
      await untilCounted(page, "trouble", 140);
      await page.locator(`#e-${rest.at(-1)}`).waitFor();
      assert.deepEqual((await namesShown(page)).slice(0, 140), rest);
      assert.equal(await page.locator(".none").isVisible(), false);
      assert.equal(await page.locator(".rest").count(), restLines);
    },
  );
}

browserTest(
  "the last that is listed recovers, and one in trouble that was not listed takes its place",
  () => new PageServer(outage(1)),
  async (visitor, server) => {
    const page = await visitor.open(server.url);
    await untilLive(page);
    const listed = await namesShown(page);
    server.show(outage(2, listed.slice(-1)));

    await page.locator(`#e-${listed.at(-1)}`).waitFor({ state: "detached" });
    assert.deepEqual((await namesShown(page)).slice(0, -1), listed.slice(0, -1));
    assert.equal((await namesShown(page)).length, rowsMax);
  },
);

browserTest(
  "one that is listed is known no more, and one of the rest takes its place",
  () => new PageServer(large),
  async (visitor, server) => {
    const page = await visitor.open(`${server.url}?order=name`);
    await untilLive(page);
    const before = await namesShown(page);
    const experiments = large.experiments.filter(({ name }) => name !== before[0]);
    server.show({ ...large, revision: large.revision + 1, experiments });

    await page.locator(`#e-${before[0]}`).waitFor({ state: "detached" }); // only for a second one is missing
    await untilInPage(page, `document.querySelectorAll("#experiments > .row").length === ${rowsMax}`, "another come");
    assert.deepEqual((await namesShown(page)).slice(0, -1), before.slice(1));
  },
);

browserTest(
  "where all are listed, each comes into the list that there is",
  () => new PageServer(large),
  async (visitor, server) => {
    const page = await visitor.open(`${server.url}?rows=all&order=name&view=wall`);
    await untilLive(page);
    server.show({
      ...large,
      revision: large.revision + 1,
      experiments: [...large.experiments, { ...large.experiments.at(-1)!, name: "zeta01" }],
    });

    await page.locator("#e-zeta01").waitFor();
    assert.equal((await namesShown(page)).length, 1_141);
    await untilInPage(page, "document.querySelector('.rest b').innerText === '1141'", "that they are counted");
    assert.equal(await page.locator("#experiments > .row:last-child").getAttribute("data-name"), "zeta01");
  },
);

browserTest(
  "while nothing is selected a row that moves asks for no selection, which would lay the page out anew",
  () => new PageServer(outage(1)),
  async (visitor, server) => {
    const page = await visitor.open(`${server.url}?rows=all`);
    await untilLive(page);
    const [first = ""] = await namesShown(page);
    await page.evaluate("const real = getSelection; window.asked = 0; window.getSelection = () => (asked++, real())");
    server.show(outage(2, [first]));

    await page.locator(`#experiments > .row:last-child[data-name=${first}]`).waitFor();
    assert.equal(await page.evaluate("asked"), 0);
  },
);
