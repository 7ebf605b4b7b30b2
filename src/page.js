/**
 * Keeps an open page true: it becomes what the server sends, times are told in the reader's zone, and a page whose server is
 * silent says so. Without this file the page is complete, as of when it was loaded. What the pieces look like is for
 * page.tsx; which of them come when, and their ids (RUN-REVISION-TIME), for live_page.ts.
 * For the stylesheet: `stale` on body, `data-state` of #freshness (live, reconnecting, stale), `changed` on a row that has
 * just changed, `chosen` on a piece of a history bar, and #tip, which says that piece.
 */
import { choose, clock, dress, tick } from "./page_time.js";

const byId = (id) => document.getElementById(id);
const on = (type, act) => document.addEventListener(type, act);
const { body, documentElement: root } = document;

// ---- The connection

const silentMsMax = 25_000; // the server says something every 10 s
const retryMsMax = 10_000;
let source, retry, failures = 1, triedMs = 0, heardMs = Date.now();
let revision = body.dataset.revision; // up to which the page shows everything
let waiting = null; // what is heard while the page is being fetched

function connect() {
  clearTimeout(retry);
  source?.close();
  triedMs = Date.now();
  source = new EventSource(`${body.dataset.live}&revision=${revision}`);
  for (const name of Object.keys(acts)) source.addEventListener(name, hear);
  source.onerror = lose;
}

function lose() {
  clearTimeout(retry);
  source?.close();
  retry = setTimeout(connect, Math.min(500 * 2 ** failures++, retryMsMax) * (0.5 + Math.random() / 2));
  showFreshness();
}

function hear({ type, data, lastEventId }) {
  const [run, told, sentMs] = lastEventId.split("-");
  [heardMs, clock.skewMs, failures] = [Date.now(), Date.now() - sentMs, 0];
  showFreshness();
  const act = () => {
    const [shownRun, shown] = body.dataset.revision.split("-");
    if (run === shownRun && Number(told) < Number(shown)) return; // the page has been fetched since
    if (type === "top") revision = `${run}-${told}`;
    acts[type](data);
  };
  waiting ? waiting.push(act) : act();
}

function showFreshness() {
  const isSilent = Date.now() - heardMs > silentMsMax;
  const state = isSilent || failures > 2 ? "stale" : failures > 0 ? "reconnecting" : "live";
  const freshness = byId("freshness");
  if (freshness.dataset.state === state) return;
  const wasStale = freshness.dataset.state === "stale";
  freshness.dataset.state = state;
  const since = new Date(heardMs).toLocaleTimeString("en-GB");
  freshness.textContent = state === "stale" ? `stale since ${since}: the monitor does not answer` : state;
  body.classList.toggle("stale", state === "stale");
  if (state === "stale" || wasStale) say("freshness", `This page is ${freshness.textContent}`);
}

setInterval(() => {
  const isOpen = source && source.readyState !== EventSource.CLOSED;
  if (isOpen && Date.now() - Math.max(heardMs, triedMs) > silentMsMax) lose(); // it lets us in, and says nothing
  showFreshness();
  if (!body.classList.contains("stale")) tick(document); // else all is as it was then
}, 1_000);
on("visibilitychange", () => !document.hidden && Date.now() - heardMs > 12_000 && connect()); // awake again

// ---- What is heard

const acts = {
  top: (html) => become(byId("top"), pieceOf(html)),
  row: (html) => placeRow(pieceOf(html)),
  gone: (id) => remove(byId(id)),
  experiment: (html) => become(byId("experiment"), pieceOf(html)),
  stale: () => fetchPage(),
};

function pieceOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

function placeRow(row) {
  const { show, q, order } = asked();
  const old = byId(row.id);
  const isShown = show === "all" || row.dataset.tags.split(" ").includes(show);
  if (!isShown || !row.dataset.search.includes(q.trim().toLowerCase())) {
    if (old) say(row.id, row.dataset.says);
    return remove(old);
  }
  const list = byId("experiments");
  const placed = old ?? list.appendChild(document.createElement("li"));
  become(placed, row);
  document.querySelector(".none")?.remove();
  const next = [...list.children].find((each) => each !== placed && isBefore(placed, each, order)) ?? null;
  if (placed.nextElementSibling === next) return;
  move(placed, () => list.insertBefore(placed, next));
}

/** What moves loses the keyboard's place and the selection: both are given back. */
function move(row, act) {
  const focused = row.contains(document.activeElement) ? document.activeElement : null;
  const selection = getSelection();
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  const isSelected = row.contains(anchorNode);
  act();
  focused?.focus({ preventScroll: true });
  if (isSelected) selection.setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
}

function isBefore({ dataset: a }, { dataset: b }, order) {
  const first = order === "trouble" ? a.rank - b.rank : order === "since" ? b.since - a.since : 0;
  return first < 0 || (first === 0 && a.name < b.name);
}

function remove(row) {
  row?.remove();
  if (row && byId("experiments").childElementCount === 0) fetchPage(); // the server says why there are none
}

/** Makes `old` what `piece` is. What it says is said and shown if that is news. */
function become(old, piece) {
  if (!old) return;
  const { says, title } = piece.dataset;
  const isNews = says !== old.dataset.says || title !== old.dataset.title;
  dress(piece);
  match(old, piece);
  if (isNews) {
    old.changedMs = Date.now();
    say(piece.id, says ?? title.replace(/^.*?status: /, ""));
  }
  if (says !== undefined) old.classList.toggle("changed", Date.now() - old.changedMs < 4_000);
  const bar = old.querySelector(".bar:focus");
  if (bar) choose(bar, bar.chosenX);
  if (title === undefined) return;
  document.title = title;
  const icon = byId("icon");
  const href = icon.getAttribute("href").replace(/trouble=\d*/, `trouble=${piece.dataset.trouble}`);
  if (icon.getAttribute("href") !== href) icon.href = href; // else it would be fetched again
  const counts = JSON.parse(piece.dataset.counts);
  for (const count of document.querySelectorAll("[data-count]")) count.textContent = counts[count.dataset.count];
}

/** Touches only what differs, so that focus, selections and what is open stay. */
function match(old, next) {
  if (old.nodeName !== next.nodeName) return old.replaceWith(next);
  if (old.nodeType !== Node.ELEMENT_NODE) return old.data !== next.data && (old.data = next.data);
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const children = [...next.childNodes];
  for (const [at, child] of children.entries()) {
    const known = child.id ? byId(child.id) : null;
    if (known?.parentNode === old && known !== old.childNodes[at]) old.insertBefore(known, old.childNodes[at]);
    at < old.childNodes.length ? match(old.childNodes[at], child) : old.append(child);
  }
  while (old.childNodes.length > children.length) old.lastChild.remove();
}

// ---- What is said to those who do not see it: the newest first, and never more than a few sentences

const sayings = new Map();
let saying = null;

function say(what, words) {
  sayings.set(what, words);
  saying ??= setTimeout(() => {
    const all = [...sayings.values()].reverse();
    const more = all.length > 3 ? [`and ${all.length - 3} more`] : [];
    byId("said").textContent = [...all.slice(0, 3), ...more].join(". ");
    sayings.clear();
    saying = null;
  }, 1_000);
}

// ---- The page afresh: when something was missed, or something else is asked for

let fetching;

async function fetchPage() {
  fetching?.abort();
  const { signal } = fetching = new AbortController();
  waiting ??= [];
  const page = await askPage(signal);
  if (signal.aborted) return; // as another has been asked for since
  const heard = waiting;
  waiting = null;
  if (page) return showPage(page, heard);
  revision = ""; // so that the server will say again that this one is stale
  lose();
}

async function askPage(signal) {
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.any([signal, AbortSignal.timeout(silentMsMax)]) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return page.body.dataset.live ? page : null; // or it is a proxy's, which has no answer
  } catch {
    return null;
  }
}

function showPage(page, heard) {
  if (page.body.dataset.version !== body.dataset.version) return location.reload(); // this script may be of another
  const { live } = body.dataset;
  root.dataset.theme = page.documentElement.dataset.theme;
  body.classList.replace(body.classList[0], page.body.classList[0]); // list, wall or one
  Object.assign(body.dataset, page.body.dataset);
  revision = body.dataset.revision;
  for (const part of ["#top", "nav", "#choose", "#main", "footer"]) {
    const next = page.querySelector(part);
    if (next) become(document.querySelector(part), next);
  }
  for (const act of heard) act();
  if (body.dataset.live !== live || !source) connect();
}

// ---- What the reader chooses: the address has it, and the window and the colours stay

const usual = { q: "", show: "all", order: "trouble", window: "24h", view: "list", theme: "system" };
const asked = () => ({ ...usual, ...Object.fromEntries(new URLSearchParams(location.search)) });
let asking;

function ask(choices) {
  const params = new URLSearchParams(Object.entries(choices).filter(([name, value]) => value !== usual[name]));
  history.replaceState(null, "", params.size > 0 ? `?${params}` : location.pathname);
}

/** What stays from visit to visit, with `news`; nothing where a browser refuses to store. */
function kept(news = {}) {
  try {
    const all = { ...JSON.parse(localStorage.getItem("status") ?? "{}"), ...news };
    localStorage.setItem("status", JSON.stringify(all));
    return all;
  } catch {
    return {};
  }
}

on("input", ({ target }) => {
  if (!target.closest("#choose")) return;
  const choices = Object.fromEntries(new FormData(byId("choose")));
  kept({ window: choices.window, theme: choices.theme });
  ask(choices);
  clearTimeout(asking);
  asking = setTimeout(fetchPage, 200);
});
on("submit", (event) => event.preventDefault());
on("click", ({ target }) => {
  const link = target.closest(".windows a");
  if (link) kept({ window: new URLSearchParams(link.search).get("window") ?? usual.window });
  if (target.id === "copy") copy(document.querySelector("#problems pre"));
});

async function copy(pre) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
  } catch { // as where the page came without TLS
    byId("problems").open = true;
    getSelection().selectAllChildren(pre);
    if (!document.execCommand("copy")) return;
    getSelection().removeAllRanges();
  }
  byId("copy").textContent = "Copied";
  say("copy", "Copied");
}

// ---- The start

dress(document);
const { search } = location;
ask({ ...usual, ...kept(), ...Object.fromEntries(new URLSearchParams(search)) });
if (location.search === search) connect();
else fetchPage();
