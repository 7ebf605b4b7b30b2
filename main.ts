/**
 * The command line: reads the settings, wires the parts, and turns what they say into exit codes.
 * 0: all is well; 1: something failed; 2: it was asked wrongly (a bad setting, an unknown command).
 *
 * Each command loads only what it needs: a container asks `healthcheck` every 30 s.
 */
import { Command, CommanderError } from "commander";
import config from "./deno.json" with { type: "json" };
import type { Settings } from "./src/settings.ts";

const program = new Command("status")
  .description("Watches a remote laboratory, keeps its booking system true, and tells people what changed.")
  .exitOverride()
  .showHelpAfterError()
  .helpCommand(false);

program.command("serve")
  .description("run the monitor until SIGTERM or SIGINT")
  .action(() =>
    withSettings(async (settings, warnings) => {
      const { serve } = await import("./src/serve.ts");
      const { managerRequest } = await import("./src/watchdog.ts");
      await serve(settings, warnings, {
        version: config.version,
        manager: managerRequest(Deno.env.toObject(), Deno.pid),
      });
      return 0;
    })
  );

program.command("check")
  .description("try the settings and every part, once")
  .option("--offline", "only the settings")
  .option("--send", "send a test mail and a test message to the webhook, and ask for the dead man's switch")
  .action((options: { offline?: true; send?: true }) =>
    withSettings(async (settings, warnings) =>
      (await import("./src/check.ts")).check(settings, warnings, { ...options, version: config.version })
    )
  );

program.command("healthcheck")
  .description("ask the running monitor whether it is alive")
  .action(async () => {
    const { healthcheck, placeIn } = await import("./src/healthcheck.ts");
    const place = placeIn(Deno.env.toObject());
    if (place === null) console.error("STATUS_HOST_SERVE or STATUS_PORT_SERVE is bad: status check --offline says how");
    Deno.exit(await healthcheck(place));
  });

program.command("version")
  .description("print the version")
  .action(() => console.log(`status ${config.version} (Deno ${Deno.version.deno}, V8 ${Deno.version.v8})`));

/** Runs `act` with the settings and exits with its code; with bad ones says all that is wrong and exits 2. */
async function withSettings(act: (settings: Settings, warnings: readonly string[]) => Promise<number>): Promise<void> {
  const { readSettings } = await import("./src/settings.ts");
  const read = readSettings(Deno.env.toObject(), (path) => Deno.readTextFileSync(path));
  if (read.kind === "faulty") {
    for (const fault of read.faults) console.error(fault);
    for (const warning of read.warnings) console.error(`warning: ${warning}`);
    Deno.exit(2);
  }
  try {
    Deno.exit(await act(read.settings, read.warnings));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}

if (import.meta.main) {
  try {
    if (Deno.args.length === 0) program.help({ error: true });
    await program.parseAsync(Deno.args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    Deno.exit(error.code === "commander.helpDisplayed" ? 0 : 2);
  }
}
