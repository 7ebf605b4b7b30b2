/** An open page of the real program stays true: what changes, a server that goes away, and one that comes back. */
import assert from "node:assert/strict";
import { freePort } from "../../scripts/simulator/wire.ts";
import { browserTest, namesShown, untilInPage, untilLive } from "../support/browser.ts";
import { Nginx, nginxFile } from "../support/nginx.ts";
import { Station } from "../support/station.ts";
import { toolTest } from "../support/tool.ts";

const experiments = { pend00: ["st-data"], spin31: ["st-data", "st-video"], turn04: ["st-data"] };

function watching(env: Record<string, string> = {}): Promise<Station> {
  return Station.watching({ experiments, env });
}

/** What the tests about a server that goes and comes need: the same address for both. */
function watchingOnOnePort(): Promise<Station> {
  return watching({ STATUS_PORT_SERVE: String(freePort()) });
}

browserTest(
  "a stream that stops changes its row within seconds, and nothing of the others",
  () => watching(),
  async (visitor, station) => {
    const page = await visitor.open(station.url);
    await untilLive(page);
    await page.evaluate(`
      const measured = "time, svg.bar, .shares, .streams span"; // times and figures go on in every row
      for (const row of document.querySelectorAll(".row")) row.wasThere = true;
      globalThis.touched = new Set();
      new MutationObserver((records) => {
        for (const { target } of records) {
          const element = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
          if (element && !element.closest(measured)) touched.add(element.closest(".row")?.id ?? element.id);
        }
      }).observe(document.getElementById("experiments"), { subtree: true, childList: true, characterData: true, attributes: true });
    `);

    station.world.stream("turn04-st-data").stall();

    await page.locator("#e-turn04.unhealthy").waitFor();
    assert.match(await page.locator("#e-turn04").innerText(), /unhealthy for [^]*unhealthy st-data[^]*silent for/);
    assert.deepEqual(await namesShown(page), ["turn04", "pend00", "spin31"]); // in trouble first
    assert.deepEqual(await page.evaluate("[...touched].sort()"), ["e-turn04", "experiments"]);
    const stillThere =
      "[...document.querySelectorAll('.row')].filter((row) => row.wasThere).map((row) => row.dataset.name)";
    assert.ok((await page.evaluate<string[]>(stillThere)).join().endsWith("pend00,spin31"));

    station.world.stream("turn04-st-data").resume();
    await page.locator(`#e-turn04.healthy[data-rank="2"]`).waitFor();
    assert.deepEqual(await namesShown(page), ["pend00", "spin31", "turn04"]);
  },
);

browserTest(
  "the tab and the voice say what changed: title, icon, banner and live region",
  () => watching(),
  async (visitor, station) => {
    const page = await visitor.open(station.url);
    await untilLive(page);
    assert.doesNotMatch(await page.title(), /^\(/);

    station.world.host("spin31").pull();

    await untilInPage(page, "document.title.startsWith('(1) ')", "the number in trouble in the title");
    assert.match(await page.locator("#icon").getAttribute("href") ?? "", /icon\.svg\?trouble=1$/);
    assert.match(await page.locator("#top h1").innerText(), /1 of 3/);
    await untilInPage(
      page,
      "/spin31: unhealthy, missing jump/.test(document.getElementById('said').textContent)",
      "it said",
    );
    assert.equal(await page.locator("#said").getAttribute("aria-live"), "polite");
    const icon = await page.request.get(new URL("api/icon.svg?trouble=1", station.url).href);
    assert.match(await icon.text(), /<svg[^]*>1</);
  },
);

browserTest(
  "one experiment's page is kept true as a whole",
  () => watching(),
  async (visitor, station) => {
    const page = await visitor.open(`${station.url}?experiment=spin31`);
    await untilLive(page);

    station.world.stream("spin31-st-video").stall();

    await page.locator("#experiment.unhealthy").waitFor();
    assert.match(await page.locator("#experiment .events").innerText(), /unhealthy spin31-st-video[^]*ok/);
  },
);

browserTest(
  "an experiment that appears gets a row, and one that book and feeds forget loses it",
  () => watching({ STATUS_HEALTH_FORGET: "3s" }),
  async (visitor, station) => {
    const page = await visitor.open(station.url);
    await untilLive(page);

    station.world.addExperiment("extra07", { resource: null });
    await page.locator("#e-extra07").waitFor();

    station.world.removeExperiment("extra07");
    await page.locator("#e-extra07").waitFor({ state: "detached" });
  },
);

browserTest(
  "a page whose server is killed says that it is stale, and looks so; when the server is back it shows what is true now",
  watchingOnOnePort,
  async (visitor, station) => {
    const page = await visitor.open(station.url);
    await untilLive(page);
    const looks = () => page.evaluate("getComputedStyle(document.getElementById('freshness')).backgroundColor");
    const looksLive = await looks();
    visitor.expect(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET/);

    await station.end("SIGKILL");

    await page.locator("#freshness:not([data-state=live])").waitFor();
    await page.locator("#freshness[data-state=stale]").waitFor();
    assert.match(await page.locator("#freshness").innerText(), /^stale since .*: the monitor does not answer$/);
    await untilInPage(
      page,
      "/stale since/.test(document.getElementById('said').textContent)",
      "that it is stale, said",
    );
    assert.notEqual(await looks(), looksLive);
    assert.match(await page.locator("body").getAttribute("class") ?? "", /\bstale\b/);

    station.world.stream("pend00-st-data").vanish();
    await station.start();

    await untilLive(page);
    await page.locator("#e-pend00.unhealthy").waitFor();
    assert.match(await page.title(), /^\(1\) /);
    assert.doesNotMatch(await page.locator("body").getAttribute("class") ?? "", /\bstale\b/);
  },
);

browserTest(
  "a restart in an orderly way is noticed, and the page goes on with the new run",
  watchingOnOnePort,
  async (visitor, station) => {
    const page = await visitor.open(station.url);
    await untilLive(page);
    const run = () => page.locator("body").getAttribute("data-revision");
    const before = (await run())?.split("-")[0];
    visitor.expect(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET/); // it may ask while the port closes

    assert.equal((await station.end("SIGTERM")).code, 0);
    await page.locator("#freshness:not([data-state=live])").waitFor();
    await station.start();

    await untilLive(page);
    await untilInPage(page, `!document.body.dataset.revision.startsWith("${before}-")`, "the new run's page");
    await page.locator("#e-pend00.healthy").waitFor();
  },
);

browserTest(
  "a source that is lost, and mail that waits, are said at the top with what is known of them",
  () => watching(),
  async (visitor, station) => {
    const page = await visitor.open(station.url);
    await untilLive(page);

    await station.world.relay.stop();
    await untilInPage(
      page,
      "/relay is lost/.test(document.querySelector('#top h1').textContent)",
      "that relay is lost",
    );
    assert.match(
      await page.locator("#top .alerts").innerText(),
      /relay has no fresh reports so may be down: .*refused/,
    );
    await page.locator("#e-pend00.unknown").waitFor();
    await station.world.relay.start();
    await page.locator("#e-pend00.healthy").waitFor();

    await station.mail(/relay reports again/);
    await station.until(async () => (await station.states()).mail === "idle", "all mail to be known as taken");
    await station.world.mailbox.stop();
    station.world.host("pend00").pull();
    await untilInPage(
      page,
      "/mail failing/.test(document.querySelector('#top .sources').innerText)",
      "that mail fails",
    );
    assert.match(
      await page.locator("#top .sources").innerText(),
      /1 mail waiting, the oldest for [^]*Cannot send mail through/,
    );
  },
);

interface Site extends AsyncDisposable {
  readonly station: Station;
  readonly url: string;
}

/** The program behind nginx with the lines of deploy, which pass on nothing but the tenant's path. */
async function behindNginx(): Promise<Site> {
  const station = await watching();
  const nginx = await Nginx.before({ file: nginxFile!, port: station.port, tenant: "lab7" });
  return {
    station,
    url: `http://127.0.0.1:${nginx.port}/lab7/status/api/`,
    async [Symbol.asyncDispose]() {
      await nginx[Symbol.asyncDispose]();
      await station[Symbol.asyncDispose]();
    },
  };
}

const saysNginx = "behind nginx, on a tenant's path, the page is whole, is live and leads to each experiment";
if (nginxFile === null) toolTest("nginx", null, saysNginx, () => Promise.resolve());
else {
  browserTest(
    saysNginx,
    behindNginx,
    async (visitor, { station, url }) => {
      const asked: string[] = [];
      const page = await visitor.open("about:blank");
      page.on("request", (request) => asked.push(request.url()));
      await page.goto(url);
      await untilLive(page);
      assert.equal(await page.evaluate("document.styleSheets.length && getComputedStyle(document.body).margin"), "0px");

      station.world.stream("pend00-st-data").stall();
      await page.locator("#e-pend00.unhealthy").waitFor();
      await page.getByRole("link", { name: "pend00" }).last().click();
      await page.locator("#experiment.unhealthy").waitFor();
      assert.equal(page.url(), `${url}?experiment=pend00`);
      await page.goBack();
      await page.locator("#q").fill("turn");
      await untilInPage(page, "document.querySelectorAll('.row').length === 1", "what was searched for");
      const href = await page.getByRole("link", { name: "what else there is" }).getAttribute("href");
      const document = await page.request.get(new URL(href ?? "", url).href);
      assert.match((await document.json()).openapi, /^3\.1/);

      assert.deepEqual(asked.filter((each) => !each.startsWith(url)), []);
    },
  );
}
