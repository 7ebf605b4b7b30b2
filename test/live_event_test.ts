import assert from "node:assert/strict";
import { chunkOf, eventText, jsonEventText } from "../src/sse.ts";
import { eventsIn, textOf } from "./support/live_lab.ts";

const cases: Record<string, [text: string, want: string]> = {
  "an event is its name and its data, and a blank line ends it": [
    eventText("status", "{}"),
    "event: status\ndata: {}\n\n",
  ],
  "an id stands before the data": [eventText("top", "<p>", "1-2-3"), "event: top\nid: 1-2-3\ndata: <p>\n\n"],
  "JSON is one line of data": [jsonEventText("status", '{"a":"b\\nc"}'), 'event: status\ndata: {"a":"b\\nc"}\n\n'],
  "each line of the data is a line": [
    eventText("row", "a\nb\r\nc\rd"),
    "event: row\ndata: a\ndata: b\ndata: c\ndata: d\n\n",
  ],
  "no data is an empty line of data, or browsers would drop the event": [
    eventText("stale", ""),
    "event: stale\ndata: \n\n",
  ],
  "data that looks like a field stays data": [eventText("row", "event: x"), "event: row\ndata: event: x\n\n"],
};
for (const [name, [text, want]] of Object.entries(cases)) Deno.test(name, () => assert.equal(text, want));

Deno.test("several events go out in one piece, in UTF-8", () => {
  const piece = chunkOf([eventText("row", "Pendel Süd"), eventText("gone", "e-a")]);
  assert.deepEqual(eventsIn(textOf([piece])).map(({ data }) => data), ["Pendel Süd", "e-a"]);
});
