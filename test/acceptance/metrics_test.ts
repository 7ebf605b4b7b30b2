/** The metrics of the real program, watching a stand-in laboratory: is every tap where it should be? */
import assert from "node:assert/strict";
import { promtoolTest, seriesOf } from "../support/metrics.ts";
import { Station } from "../support/station.ts";

async function scrape(station: Station): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${station.port}/metrics`);
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  return await answer.text();
}

/** The value of one series, whose labels are `labels`. */
function value(text: string, name: string, labels = ""): number {
  const line = seriesOf(text, name).find((each) => each.startsWith(labels)) ?? "";
  return Number(line.slice(labels.length) || NaN);
}

Deno.test("an experiment that fails shows in the metrics, with the request, the mail and the writing that follow", async () => {
  await using station = await Station.watching();
  station.world.stream("pend00-st-video").stall();
  await station.line("pend00 ><   U [unhealthy pend00-st-video]");
  await station.until(
    async () => value(await scrape(station), "status_mail_sent_total") >= 2,
    "both mails to be told of",
  );
  const text = await scrape(station);

  const video = '{experiment="pend00",stream="pend00-st-video"}';
  assert.equal(value(text, "status_experiment_state", '{experiment="pend00",state="unhealthy"}'), 1);
  assert.equal(value(text, "status_experiment_available", '{experiment="pend00"}'), 0);
  assert.equal(value(text, "status_experiment_wanted", '{experiment="pend00"}'), 0);
  assert.equal(value(text, "status_stream_ok", video), 0);
  assert.equal(value(text, "status_stream_required", video), 1);
  assert.ok(value(text, "status_stream_idle_seconds", video) > 2);
  assert.equal(value(text, "status_feed_up", '{feed="relay"}'), 1);
  assert.ok(value(text, "status_judgement_duration_seconds_count", '{feed="jump"}') > 1);
  assert.ok(value(text, "status_judgement_entries_sum", '{feed="relay"}') > 1);
  assert.ok(value(text, "status_book_requests_total", '{operation="list",result="ok"}') >= 1);
  assert.ok(value(text, "status_book_requests_total", '{operation="read",result="ok"}') >= 2);
  assert.ok(value(text, "status_book_requests_total", '{operation="write",result="ok"}') >= 1);
  assert.ok(value(text, "status_mail_delay_seconds_count") >= 2);
  assert.ok(value(text, "status_store_operations_total", '{operation="record",result="ok"}') > 2);
  assert.equal(value(text, "status_store_operations_total", '{operation="prune",result="ok"}'), 1);
});

Deno.test("a mail that is refused is counted with its reason", async () => {
  await using station = await Station.with();
  station.world.mailbox.refuse("DATA", 550, "no");
  await station.start();

  await station.until(
    async () => value(await scrape(station), "status_mail_failures_total", '{reason="refused"}') >= 1,
    "a refusal to be counted",
  );
});

promtoolTest("promtool finds nothing wrong with what the real program serves", async (promtool) => {
  await using station = await Station.watching();

  assert.deepEqual(await promtool(["check", "metrics"], await scrape(station)), { success: true, says: "" });
});
