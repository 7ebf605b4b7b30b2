/**
 * The pictures of the README: the page of a made-up laboratory, light, dark and on a phone. `deno run -A scripts/screenshots.ts
 * [FOLDER]` writes them to docs, or to FOLDER, with the Chromium that is on the PATH. The same each time, but for the fonts
 * of the machine.
 */
import { chromium } from "playwright-core";
import { FakeClock } from "../test/support/clock.ts";
import { PageServer } from "../test/support/page_server.ts";
import { shownLab } from "../test/support/shown_lab.ts";
import { findTool } from "../test/support/tool.ts";

interface Picture {
  readonly path: string;
  readonly size: { readonly width: number; readonly height: number };
  readonly colours: "light" | "dark";
}

const pictures: Readonly<Record<string, Picture>> = {
  "page-light.png": { path: "?window=7d", size: { width: 1320, height: 640 }, colours: "light" },
  "page-dark.png": { path: "?window=30d&view=wall", size: { width: 1320, height: 480 }, colours: "dark" },
  "page-phone.png": { path: "", size: { width: 390, height: 844 }, colours: "light" },
};

async function main(folder: string): Promise<void> {
  const executablePath = findTool("chromium", "chromium-browser", "google-chrome");
  if (executablePath === null) throw new Error("Cannot make pictures: there is no chromium on the PATH");
  const seen = shownLab({ experiments: 14 });
  await using server = new PageServer(seen, new FakeClock(seen.atMs));
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    for (const [name, { path, size, colours }] of Object.entries(pictures)) {
      const context = await browser.newContext({
        viewport: size,
        colorScheme: colours,
        locale: "en-GB",
        timezoneId: "Europe/London",
      });
      const page = await context.newPage();
      await page.clock.setFixedTime(seen.atMs);
      await page.goto(`${server.url}${path}`);
      await page.locator("#freshness[data-state=live]").waitFor();
      await page.screenshot({ path: `${folder}/${name}`, animations: "disabled" });
    }
  } finally {
    await browser.close();
  }
}

if (import.meta.main) await main(Deno.args[0] ?? `${import.meta.dirname}/../docs`);
