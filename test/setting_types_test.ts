import assert from "node:assert/strict";
import { formatAddress, isLoopback, type MailAddress, parseAddresses } from "../src/setting_types.ts";

const ann: MailAddress = { name: "", address: "ann@a.org" };
const bob: MailAddress = { name: "", address: "bob@b.org" };
const lab: MailAddress = { name: "Lab, The", address: "lab@x.org" };

const read: Record<string, [string, MailAddress[]]> = {
  "one address": ["ann@a.org", [ann]],
  "commas": ["ann@a.org,bob@b.org", [ann, bob]],
  "semicolons": ["ann@a.org; bob@b.org", [ann, bob]],
  "spaces": ["ann@a.org bob@b.org", [ann, bob]],
  "separators too many": [" ;ann@a.org,, bob@b.org ;", [ann, bob]],
  "an address in brackets": ["<ann@a.org>", [ann]],
  "spaces inside the brackets": ["< ann@a.org >", [ann]],
  "a display name": ["Ann Other <ann@a.org>", [{ name: "Ann Other", address: "ann@a.org" }]],
  "a display name without a space after it": ["Ann<ann@a.org>", [{ name: "Ann", address: "ann@a.org" }]],
  "a quoted display name with a comma": ['"Lab, The" <lab@x.org>', [lab]],
  "an escaped quote in a display name": ['"The \\"Lab\\"" <lab@x.org>', [{ name: 'The "Lab"', address: "lab@x.org" }]],
  "an address as a display name": ["ann@a.org <ann@a.org>", [ann]],
  "with and without names, all separators": [
    '"Lab, The" <lab@x.org>; ann@a.org bob@b.org, Åsa <asa@c.org>',
    [lab, ann, bob, { name: "Åsa", address: "asa@c.org" }],
  ],
  "an address before a name, by a space": ["ann@a.org Bob <bob@b.org>", [ann, { name: "Bob", address: "bob@b.org" }]],
  "a display name with its own address after it": [
    "Jane Doe jane@x.org <jane@x.org>, bob@b.org",
    [{ name: "Jane Doe", address: "jane@x.org" }, bob],
  ],
  "an address before a name with its own address after it": [
    "ann@a.org Bob BOB@b.org <bob@b.org>",
    [ann, { name: "Bob", address: "bob@b.org" }],
  ],
  "its own address before a display name": ["ann@a.org Ann <ann@a.org>", [{ name: "Ann", address: "ann@a.org" }]],
  "two names by a space": ['"Lab, The" <lab@x.org> Bob <bob@b.org>', [lab, { name: "Bob", address: "bob@b.org" }]],
  "the same address twice": ["ann@a.org, Ann <ANN@a.org>", [ann]],
  "a local host": ["root@localhost", [{ name: "", address: "root@localhost" }]],
  "a plus and dots": ["a.b+c@sub.a-b.org", [{ name: "", address: "a.b+c@sub.a-b.org" }]],
};
for (const [name, [text, want]] of Object.entries(read)) {
  Deno.test(`parseAddresses: ${name}`, () => assert.deepEqual(parseAddresses(text), { ok: true, addresses: want }));
}

const unread: Record<string, [string, string]> = {
  "nothing": ["", "there is no address in it"],
  "separators alone": [" , ;", "there is no address in it"],
  "a word": ["lab", '"lab" is not an address'],
  "a name without its quotes": ["Lab, The <lab@x.org>", '"Lab" is not an address'],
  "a word before an address, by a space": ["labteam ok@x.org Ann <ann@a.org>", '"labteam" is not an address'],
  "words before another's address": ["Jane Doe ok@x.org <ann@a.org>", '"Jane Doe" is not an address'],
  "a name without an address": ["ann@a.org, Bob", '"Bob" is not an address'],
  "a quoted name without an address": ['"Bob"', '"Bob" is not an address'],
  "no local part": ["@a.org", '"@a.org" is not an address'],
  "no domain": ["ann@", '"ann@" is not an address'],
  "two at signs": ["ann@a@b.org", '"ann@a@b.org" is not an address'],
  "a dot at the end of the domain": ["ann@a.org.", '"ann@a.org." is not an address'],
  "an empty pair of brackets": ["Ann <>", '"<>" is not an address'],
  "a word in brackets": ["Ann <ann>", '"<ann>" is not an address'],
  "brackets that don't close": ["Ann <ann@a.org", '"Ann <ann@a.org" is not an address'],
  "quotes that don't close": ['"Ann <ann@a.org>', '"\\"Ann <ann@a.org>" is not an address'],
  "a line break": ["ann@a.org\nBcc: eve@e.org", "it holds a control character"],
  "a pasted link": ["mailto:ann@a.org", '"mailto:ann@a.org" is not an address'],
};
for (const [name, [text, why]] of Object.entries(unread)) {
  Deno.test(`parseAddresses: ${name} is refused`, () => assert.deepEqual(parseAddresses(text), { ok: false, why }));
}

const written: Record<string, [MailAddress, string]> = {
  "without a name, the address alone": [ann, "ann@a.org"],
  "with a name": [{ name: "Ann Other", address: "ann@a.org" }, "Ann Other <ann@a.org>"],
  "with a name that needs quotes": [lab, '"Lab, The" <lab@x.org>'],
  "with quotes in the name": [{ name: 'The "Lab"', address: "lab@x.org" }, '"The \\"Lab\\"" <lab@x.org>'],
};
for (const [name, [address, want]] of Object.entries(written)) {
  Deno.test(`formatAddress: ${name}`, () => assert.equal(formatAddress(address), want));
}

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
