import assert from "node:assert/strict";
import { errorTextOf, sanitize } from "../src/failure.ts";

const bodies: Record<string, [body: string, want: string]> = {
  "code as a string": ['{"code":"404","message":"resource r-x not found"}', "resource r-x not found"],
  "code as a number": ['{"code":500,"message":"token invalid"}', "token invalid"],
  "a bare string": ['"Token Wrong Topic"\n', "Token Wrong Topic"],
  "plain text": ["upstream is down\n", "upstream is down"],
  "a proxy's page": [
    "<html><head><style>b{}</style><script>x()</script></head><body><h1>502 Bad Gateway</h1>nginx &amp; co</body></html>",
    "502 Bad Gateway nginx & co",
  ],
  "a message that is no text": ['{"code":401,"message":{"a":1}}', '{"code":401,"message":{"a":1}}'],
  "nothing": ["", ""],
};
for (const [name, [body, want]] of Object.entries(bodies)) {
  Deno.test(`answerWords: ${name}`, () => assert.equal(errorTextOf(body), want));
}

Deno.test("excerpt: one line, no control or direction characters, 200 characters at most", () => {
  assert.equal(sanitize("a\r\nBcc: b\u202ec\u0000d"), "a Bcc: b c d");
  assert.equal(sanitize("x".repeat(300)).length, 200);
});
