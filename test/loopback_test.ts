import assert from "node:assert/strict";
import { isLoopback } from "../src/setting_types.ts";

const cases: Record<string, boolean> = {
  "localhost": true,
  "LocalHost": true,
  "mail.localhost": true,
  "127.0.0.1": true,
  "127.1.2.3": true,
  "::1": true,
  "[::1]": true,
  "smtp.example.org": false,
  "localhost.example.org": false,
  "notlocalhost": false,
  "127.0.0.1.example.org": false,
  "127.example.org": false,
  "127.0.0": false,
  "10.127.0.0.1": false,
  "::11": false,
  "::": false,
  "0.0.0.0": false,
};
for (const [host, want] of Object.entries(cases)) {
  Deno.test(`isLoopback: ${host} is ${want ? "this machine" : "somewhere else, or may be"}`, () => {
    assert.equal(isLoopback(host), want);
  });
}
