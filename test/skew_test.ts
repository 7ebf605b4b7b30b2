import assert from "node:assert/strict";
import { skewWords } from "../src/failure.ts";

const nowMs = Date.UTC(2026, 10, 22, 20, 30, 0);
const dated = (ms: number) => new Date(ms).toUTCString();
const at5min = dated(nowMs - 300_000);

const backdatedMs = 10_000, lifeMs = 3_600_000;

const right = ", so one of them has to be set right";
const ahead = `this machine's clock is 5 min ahead of jump's${right}`;
const eitherAhead = `${ahead}, or the secret is wrong`;
const cases: Record<string, [words: string, date: string | null, want: string | null]> = {
  "jump and book, a token of their future": ["token used before issued", at5min, ahead],
  "golang-jwt before, capitals": ["Token used before issued", at5min, ahead],
  "nbf is judged before iat": ["token is not valid yet", at5min, ahead],
  "as relay's log has it, in a longer sentence": ["token was token is not valid yet", at5min, ahead],
  "golang-jwt v5": ["token has invalid claims: token is not valid yet", at5min, ahead],
  "jose": ['"nbf" claim timestamp check failed', at5min, ahead],
  "jose, of iat": ['"iat" claim timestamp check failed (it should be in the past)', at5min, ahead],
  "an expired token": [
    "token is expired by 1h2m3.5s",
    dated(nowMs + 7_200_000),
    `this machine's clock is 2 h behind jump's${right}`,
  ],
  "an expired token, jose": [
    '"exp" claim timestamp check failed',
    null,
    `this machine's clock is behind jump's${right}`,
  ],
  "without a date it is not said by how much": [
    "token used before issued",
    null,
    `this machine's clock is ahead of jump's${right}`,
  ],
  "a date that is none is no date": [
    "token used before issued",
    "x",
    `this machine's clock is ahead of jump's${right}`,
  ],
  "a proxy's date says nothing of the service's clock": [
    "token used before issued",
    dated(nowMs),
    `this machine's clock is ahead of jump's${right}`,
  ],
  "a proxy whose clock is wrong the other way says nothing of it either": [
    "token used before issued",
    dated(nowMs + 300_000),
    `this machine's clock is ahead of jump's${right}`,
  ],
  "relay says only that it does not take it: by the date it may be the clock": ["token invalid", at5min, eitherAhead],
  "relay, and the clock behind by more than a token lives": [
    "token invalid",
    dated(nowMs + 86_400_000 * 2),
    `this machine's clock is 2 d behind jump's${right}, or the secret is wrong`,
  ],
  "relay, and the clocks agree: it is something else": ["token invalid", dated(nowMs - 2_000), null],
  "relay, and the clock ahead by as much as a token is dated back": ["token invalid", dated(nowMs - 10_000), null],
  "relay, and the clock ahead by more": [
    "token invalid",
    dated(nowMs - 11_000),
    `this machine's clock is 11 s ahead of jump's${right}, or the secret is wrong`,
  ],
  "relay, and the clock behind by as much as a token lives": ["token invalid", dated(nowMs + lifeMs), null],
  "relay, and the clock behind by more": [
    "token invalid",
    dated(nowMs + lifeMs + 1_000),
    `this machine's clock is 1 h behind jump's${right}, or the secret is wrong`,
  ],
  "relay, without a date: nobody knows": ["token invalid", null, null],
  "a date by which a token would be taken is a proxy's": [
    "token is expired by 5s",
    dated(nowMs + lifeMs),
    `this machine's clock is behind jump's${right}`,
  ],
  "another reason is another reason, whatever the date": ["signature is invalid", at5min, null],
  "another audience": ["aud [a] does not match this host b", at5min, null],
  "nothing of a token has expired": ["the booking expired", at5min, null],
};
for (const [name, [words, date, want]] of Object.entries(cases)) {
  Deno.test(`skewWords: ${name}`, () => {
    const refusal = { words, date, nowMs, token: { backdatedMs, lifeMs } };
    assert.equal(skewWords("jump", refusal), want);
  });
}
