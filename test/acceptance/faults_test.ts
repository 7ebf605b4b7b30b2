/**
 * Every fault of every service, and a sample of their pairs, on the real program: what the user is told, that nothing false
 * is told and nothing written to book, that it lives, and that all comes back by itself. `fault_rows` has the faults and the
 * words, `fault_play` the promises; `deno run -A scripts/chaos/fault_pairs.ts` plays all pairs, which takes most of an hour.
 */
import assert from "node:assert/strict";
import { pairsOf, type Play, type Row, rows, runLanes, shuffled } from "../../scripts/chaos/fault_pairs.ts";
import { Station } from "../support/station.ts";

const seed = 5;
const lanes = 5;
// A label has 63 characters at most: this machine knows by itself that there is none, and waits for no name server.
const nowhere = `${"x".repeat(64)}.invalid`;

Deno.test("every fault of jump, relay, book and mail is told in its own words, nothing false is, and all comes back", async () => {
  // Jump and relay are watched by the same code: each fault is played on one of them here, on both by the script.
  const isOnOther = ({ victim }: Row, at: number) => (victim === "jump" || victim === "relay") && at % 2 === 0;
  const feeds = rows.filter(({ victim }) => victim === "jump").length;
  const singles = rows.filter((row, at) => !isOnOther(row, row.victim === "relay" ? at - feeds + 1 : at));
  assert.deepEqual(await runLanes(shuffled(singles.map((row): Play => [row]), seed), lanes), []);
});

Deno.test("two faults at a time: a sample of the pairs", async () => {
  assert.deepEqual(await runLanes(pairsOf(rows, seed).slice(0, 10), lanes), []);
});

Deno.test("names that cannot be looked up: each is told of, and nothing else is", async () => {
  await using station = await Station.with({
    env: { STATUS_HOST_JUMP: nowhere, STATUS_HOST_RELAY: nowhere, STATUS_HOST_BOOK: nowhere },
  });
  await station.start();
  for (const name of ["jump has no fresh reports so may be down", "relay has no fresh reports so may be down"]) {
    await station.mail(new RegExp(`^${name}: .*(lookup|dns|resolve)`, "mi"));
  }
  await station.mail(/^book does not answer so availability may be out of date: .*(lookup|dns|resolve)/mi);
  assert.ok(station.world.mailbox.mails.every(({ text }) => !text.includes("new health events")));
  const { jump, relay, book } = await station.states();
  assert.deepEqual([jump, relay, book], ["lost", "lost", "lost"]);
});

Deno.test("a mail server whose name cannot be looked up is told of at the API, and its mails wait", async () => {
  await using station = await Station.with({ env: { STATUS_EMAIL_HOST: nowhere } });
  await station.start();
  const mail = await station.until(async () => {
    const { mail } = await station.json<{ mail: { state: string; waiting: number; last_error: string | null } }>(
      "/api/v1/status",
    );
    return mail.state === "failing" ? mail : null;
  }, "the mail to fail");
  assert.equal(mail.waiting, 1);
  assert.match(mail.last_error ?? "", /there is no host of this name|its name cannot be looked up now/);
});
