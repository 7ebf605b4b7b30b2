/** How the page looks to everybody: axe (WCAG 2.2 AA), phones, names that mean harm, and a thousand experiments. */
import axe from "axe-core";
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { Snapshot } from "../../src/snapshot.ts";
import { Bench, resource } from "../support/bench.ts";
import { browserTest, namesShown, untilInPage, untilLive, type Visit } from "../support/browser.ts";
import { PageServer } from "../support/page_server.ts";
import { shownLab } from "../support/shown_lab.ts";
import { snapshot } from "../support/snapshot.ts";

const desktop = { width: 1280, height: 900 };
const phone = { width: 390, height: 844 };
const lightAndDark: Visit[] = [{ colours: "light", size: desktop }, { colours: "dark", size: phone }];

const views = {
  "the list": "",
  "the wall": "?view=wall",
  "one experiment": "?experiment=pend00",
  "an unknown one": "?experiment=nobody",
};
type View = keyof typeof views;

/** Every view of a laboratory that has everything; of the others what is another there. */
const looks: Record<string, [lab: () => Snapshot, views: View[], ways: Visit[]]> = {
  "everything, relay lost and mail waiting": [
    () => shownLab({ experiments: 14, lost: "relay", mails: 3 }),
    Object.keys(views) as View[],
    lightAndDark,
  ],
  "everything, the other way round": [() => shownLab({ experiments: 14, lost: "relay", mails: 3 }), ["the list"], [
    { colours: "dark", size: desktop },
    { colours: "light", size: phone },
  ]],
  "no experiment": [() => shownLab({ experiments: 0 }), ["the list", "the wall"], lightAndDark],
  "one experiment": [() => shownLab({ experiments: 1 }), ["the list"], lightAndDark],
  "8 experiments": [() => shownLab({ experiments: 8 }), ["the list", "the wall", "one experiment"], lightAndDark],
  "100 experiments": [() => shownLab({ experiments: 100 }), ["the list", "the wall"], lightAndDark],
};
for (const [what, [make, shown, ways]] of Object.entries(looks)) {
  browserTest(`axe finds nothing with ${what}`, () => new PageServer(make()), async (visitor, server) => {
    visitor.expect(/404 \(Not Found\)/); // of the one that is not known
    for (const way of ways) {
      for (const view of shown) {
        const page = await visitor.open(`${server.url}${views[view]}`, way);
        await untilLive(page);
        assert.deepEqual(await violations(page), [], `${view}, ${JSON.stringify(way)}`);
        await page.context().close();
      }
    }
  });
}

browserTest(
  "axe finds nothing where the page's script does not run",
  () => new PageServer(shownLab({ experiments: 8, lost: "relay", mails: 3 })),
  async (visitor, server) => {
    visitor.expect(/404 \(Not Found\)|page\.js/);
    for (const path of Object.values(views)) {
      const page = await visitor.open("about:blank");
      await page.route("**/page.js", (route) => route.abort()); // axe itself needs JavaScript
      await page.goto(`${server.url}${path}`);
      assert.equal(await page.locator("#freshness[data-state=static]").count(), 1);
      assert.deepEqual(await violations(page), [], path);
      await page.context().close();
    }
  },
);

for (const width of [320, 390]) {
  browserTest(
    `at a width of ${width} nothing has to be scrolled sideways`,
    () => new PageServer(longNames()),
    async (visitor, server) => {
      for (const path of Object.values({ ...views, long: `?experiment=${"very-long-name-".repeat(5)}0` })) {
        visitor.expect(/404 \(Not Found\)/);
        const page = await visitor.open(`${server.url}${path}`, { size: { width, height: 700 } });
        await untilLive(page);
        assert.equal(await page.evaluate("document.documentElement.scrollWidth"), width, path);
      }
    },
  );
}

browserTest(
  "on paper nothing is cut off, and nothing is said to be live",
  () => new PageServer(shownLab({ experiments: 8 })),
  async (visitor, server) => {
    for (const path of ["", "?experiment=pend02"]) {
      const page = await visitor.open(`${server.url}${path}`, { size: { width: 720, height: 1000 } }); // A4 with margins
      await untilLive(page);
      await page.emulateMedia({ media: "print" });

      assert.ok(!await page.locator("#freshness").isVisible());
      assert.ok(await page.locator(".asof").isVisible());
      const cut =
        "[...document.querySelectorAll('body, .scroll')].filter((each) => each.scrollWidth > each.clientWidth)";
      assert.equal(await page.evaluate(`${cut}.length`), 0, path);
    }
  },
);

const harm = [
  `<img src=x onerror="hacked=1">`,
  `<script>hacked=1</script>`,
  `"><svg onload=hacked=1>`,
  `' onfocus='hacked=1' autofocus='`,
  "</title><h1>gone",
  "abc\u202Etxt.exe",
  "&lt;b&gt;",
];

browserTest(
  "names and words that mean harm are shown as they are, and do nothing",
  () => new PageServer(harmfulLab("silent")),
  async (visitor, server) => {
    const page = await visitor.open(server.url);
    await untilLive(page);
    assert.equal((await namesShown(page)).length, harm.length);

    server.show(harmfulLab(300));
    await untilInPage(page, "document.querySelectorAll('.row.healthy').length > 0", "the rows that changed");
    for (const name of harm) {
      const one = await visitor.open(`${server.url}?experiment=${encodeURIComponent(name)}`);
      await one.locator("#experiment").waitFor();
    }

    assert.equal(await page.evaluate("typeof hacked"), "undefined");
    assert.equal(await page.locator("img, main script, [onload], [onfocus], [onerror], h1 ~ h1").count(), 0);
    assert.doesNotMatch(await page.locator("body").innerText(), /\u202e/);
    const names = await page.locator(".row h3").allInnerTexts();
    assert.ok(names.some((each) => each.trim() === harm[0]), names.join("\n"));
  },
);

browserTest(
  "of a thousand experiments a change moves its own row alone, and the page is small enough",
  () => new PageServer(shownLab({ experiments: 1_000 })),
  async (visitor, server) => {
    const answers: Promise<number>[] = [];
    const page = await visitor.open("about:blank");
    page.on("response", (answer) => {
      if (!answer.url().includes("live")) {
        answers.push(answer.request().sizes().then((sizes) => sizes.responseBodySize));
      }
    });
    await page.goto(server.url);
    await untilLive(page);
    const bytes = (await Promise.all(answers)).reduce((sum, each) => sum + each, 0);
    assert.ok(bytes < 300_000, `${bytes} bytes`);

    await page.evaluate(`
      globalThis.rows = new Map([...document.querySelectorAll(".row")].map((row) => [row.id, row]));
      globalThis.touched = new Set();
      new MutationObserver((records) => {
        for (const { target } of records) {
          const element = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
          if (element && !element.closest("time, svg.bar")) touched.add(element.closest(".row")?.id ?? element.id);
        }
      }).observe(document.getElementById("experiments"), { subtree: true, childList: true, characterData: true, attributes: true });
    `);
    server.show(withTrouble(shownLab({ experiments: 1_000 }), "rig500"));
    await page.locator("#e-rig500.unhealthy").waitFor();

    assert.deepEqual(await page.evaluate("[...touched].sort()"), ["e-rig500", "experiments"]);
    assert.equal(
      await page.evaluate("[...rows].filter(([id, row]) => document.getElementById(id) === row).length"),
      1_001,
    );
    assert.deepEqual((await namesShown(page)).slice(0, 3), ["pend02", "rig500", "spin31"]);
  },
);

/** What axe finds against WCAG 2.2 AA: the rule, and where. */
async function violations(page: Page): Promise<string[]> {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>(`axe.run({ runOnly: ${JSON.stringify(tags)} })`);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`)
  );
}

function longNames(): Snapshot {
  const names = ["pend00", ...Array.from({ length: 3 }, (_, at) => `${"very-long-name-".repeat(5)}${at}`)];
  const bench = new Bench(names.map((name) => resource(name, ["st-data"], `resource-of-${name}`)));
  bench.jump(names);
  bench.relay(Object.fromEntries(names.map((name) => [`${name}-st-data`, "silent"])));
  const reason = "unavailable because " + "somebody_wrote_a_reason_without_spaces_".repeat(5);
  return snapshot(
    bench,
    Object.fromEntries(names.map((name) => [`resource-of-${name}`, { available: false, reason }])),
  );
}

function harmfulLab(sending: "silent" | number): Snapshot {
  const bench = new Bench(harm.map((name) => resource(name, ["st-data"])));
  bench.jump(harm);
  bench.relay(Object.fromEntries(harm.map((name) => [`${name}-st-data`, sending])));
  const book = Object.fromEntries(harm.map((name) => [`r-${name}`, { available: false, reason: harm.join(" ") }]));
  const seen = snapshot(bench, book, { revision: sending === "silent" ? 1 : 2 });
  const lastError = harm.join(" ");
  return {
    ...seen,
    mail: { ...seen.mail, state: "failing", lastError },
    book: { ...seen.book, state: "lost", lastError },
  };
}

function withTrouble(seen: Snapshot, name: string): Snapshot {
  const experiments = seen.experiments.map((view) =>
    view.name === name
      ? {
        ...view,
        state: "unhealthy" as const,
        healthy: false,
        issues: [{ code: "missing-jump" as const }],
        sinceMs: seen.atMs,
      }
      : view
  );
  return { ...seen, revision: seen.revision + 1, experiments };
}
