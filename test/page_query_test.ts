import assert from "node:assert/strict";
import { linkTo, type PageQuery, readQuery } from "../src/page_model.ts";

const usual: PageQuery = {
  experiment: null,
  q: "",
  show: "all",
  order: "trouble",
  window: "24h",
  view: "list",
  theme: "system",
  rows: "first",
};

const addresses: Record<string, [string, Partial<PageQuery>]> = {
  "nothing asked for is the default": ["", {}],
  "each choice is read": ["show=held&order=since&window=7d&view=wall&theme=dark", {
    show: "held",
    order: "since",
    window: "7d",
    view: "wall",
    theme: "dark",
  }],
  "nonsense is the default": ["show=everything&order=&window=1y&view=WALL&theme=../x", {}],
  "what every object has is no choice": ["show=constructor&view=__proto__", {}],
  "of a choice given twice the first counts": ["view=wall&view=list", { view: "wall" }],
  "a search loses the spaces around it": ["q=%20Pend%20", { q: "Pend" }],
  "a search loses what cannot be seen": ["q=a%00b%E2%80%AE", { q: "a b" }],
  "a search longer than the limit is cut": [`q=${"x".repeat(300)}`, { q: "x".repeat(200) }],
  "an experiment is read as it is": ["experiment=a%2Fb%20%3Cc%3E", { experiment: "a/b <c>" }],
  "an empty experiment is none": ["experiment=", {}],
};
for (const [name, [address, want]] of Object.entries(addresses)) {
  Deno.test(`readQuery: ${name}`, () => {
    assert.deepEqual(readQuery(new URLSearchParams(address)), { ...usual, ...want });
  });
}

const links: Record<string, [Partial<PageQuery>, string]> = {
  "the default is left out": [usual, "?"],
  "what is not the default is there": [{ ...usual, window: "30d", show: "extra" }, "?show=extra&window=30d"],
  "what could break an address is escaped": [{ experiment: "a&b=c #d", q: "ü" }, "?experiment=a%26b%3Dc+%23d&q=%C3%BC"],
  "half a character does not throw": [{ experiment: "\ud800" }, "?experiment=%EF%BF%BD"],
};
for (const [name, [query, want]] of Object.entries(links)) {
  Deno.test(`linkTo: ${name}`, () => assert.equal(linkTo(query), want));
}

Deno.test("a link that is followed asks for what it was made of", () => {
  const query: PageQuery = { ...usual, experiment: "pend 00", q: "video", order: "name", view: "wall", theme: "light" };

  assert.deepEqual(readQuery(new URLSearchParams(linkTo(query))), query);
});
