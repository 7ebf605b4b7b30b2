/**
 * Keeps an open page true: it becomes what the server sends, times are told in the reader's zone, and a page whose server is
 * silent says so. Without this file the page is complete, as of when it was loaded. What the pieces look like is for
 * page.tsx; which of them come when, and their ids (RUN-REVISION-TIME), for live_page.ts; how one takes the place of another
 * for page_change.js.
 * For the stylesheet: `stale` on body, `data-state` of #freshness (live, reconnecting, stale), and what those files set.
 */
import { become, byId, move, pieceOf, say } from "./page_change.js";
import { clock, dress, on, tick } from "./page_time.js";

const { body, documentElement: root } = document;

// ---- The connection

const silentMsMax = 25_000; // the server says something every 10 s
const retryMsMax = 10_000;
let source, retry, failures = 1, triedMs = 0, heardMs = Date.now();
let revision = body.dataset.revision; // up to which the page shows everything

function disconnect() {
  clearTimeout(retry);
  source?.close();
}

function connect() {
  disconnect();
  triedMs = Date.now();
  source = new EventSource(`${body.dataset.live}&revision=${revision}`);
  for (const name of Object.keys(acts)) source.addEventListener(name, hear);
  source.onerror = lose;
}

function lose() {
  disconnect();
  retry = setTimeout(connect, Math.min(500 * 2 ** failures++, retryMsMax) * (0.5 + Math.random() / 2));
  showFreshness();
}

/** What is said while the page is fetched afresh, to be heard after that; null while all is heard at once. */
let unheard = null;

function hear(event) {
  if (unheard) return unheard.push(event);
  const { type, data, lastEventId } = event;
  const [run, told, sentMs] = lastEventId.split("-");
  clock.skewMs = Date.now() - sentMs;
  if (type !== "stale") [heardMs, failures] = [Date.now(), 0]; // that one only says that what is shown is not so
  if (type === "top") revision = `${run}-${told}`;
  showFreshness();
  acts[type](data);
}

function showFreshness() {
  const isStale = failures > 2 || Date.now() - heardMs > silentMsMax;
  const state = isStale ? "stale" : failures > 0 ? "reconnecting" : "live";
  const { dataset } = byId("freshness");
  if (dataset.state === state) return;
  const since = new Date(heardMs).toLocaleTimeString("en-GB");
  const words = isStale ? `stale since ${since}: the monitor does not answer` : state;
  if (isStale || dataset.state === "stale") say(`This page is ${words}`);
  dataset.state = state;
  byId("freshness").textContent = words;
  body.classList.toggle("stale", isStale);
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
  gone: (id) => leave(byId(id)),
  experiment: (html) => become(byId("experiment"), pieceOf(html)),
  stale: () => fetchPage(source),
};

function placeRow(row) {
  const { show, q, order } = asked();
  const old = byId(row.id);
  const isShown = show === "all" || row.dataset.tags.split(" ").includes(show);
  if (!isShown || !row.dataset.search.includes(q.trim().toLowerCase())) {
    if (old) say(row.dataset.says);
    return leave(old);
  }
  const list = byId("experiments");
  const isFull = list.childElementCount >= Number(list.dataset.rows ?? Infinity);
  if (!old && isFull && !isBefore(row, list.lastElementChild, order)) return; // one of the rest that is not listed
  if (!old && isFull) list.lastElementChild.remove();
  const isLater = old && isBefore(old, row, order);
  const placed = old ?? list.appendChild(document.createElement("li"));
  become(placed, row);
  const next = [...list.children].find((each) => each !== placed && isBefore(placed, each, order)) ?? null;
  if (isLater && !next) fill();
  if (placed.nextElementSibling === next) return;
  move(placed, () => list.insertBefore(placed, next));
}

function leave(row) {
  if (!row) return;
  row.remove();
  fill();
}

let filling;

/** Where not all are listed, one of the rest may be due in the place of one that left or came last: once for many of them. */
function fill() {
  if (byId("experiments")?.dataset.rows) filling ??= setTimeout(() => fetchPage(source), 1_000);
}

function isBefore({ dataset: a }, { dataset: b }, order) {
  const first = order === "trouble" ? a.rank - b.rank : order === "since" ? b.since - a.since : 0;
  return first < 0 || (first === 0 && a.name < b.name);
}

// ---- The page afresh: when something was missed, or something else is asked for

let fetching;

/**
 * What happens meanwhile is told afterwards: by `stream`, where one goes on, or there would be no end while something changes
 * more often than pages come; or else by a new one.
 */
async function fetchPage(stream = null) {
  if (!stream) disconnect();
  unheard = stream && [];
  filling = clearTimeout(filling);
  const limited = { signal: AbortSignal.timeout(silentMsMax) };
  const mine = fetching = fetch(location.href, limited).then((answer) => answer.text()).catch(() => "");
  const page = new DOMParser().parseFromString(await mine, "text/html");
  if (mine !== fetching) return; // another has been asked for since
  const told = unheard;
  unheard = null;
  if (page.body.dataset.live) {
    showPage(page);
    if (stream !== source || stream?.readyState !== EventSource.OPEN) return connect();
    [heardMs, failures] = [Date.now(), 0];
    showFreshness();
    return told.filter(isNews).forEach(hear);
  }
  revision = ""; // nobody answers, or a proxy does: when the server is back, it is to say that this page is stale
  lose();
}

/** Whether the page does not show it yet. */
const isNews = ({ lastEventId }) => Number(lastEventId.split("-")[1]) > Number(body.dataset.revision.split("-")[1]);

function showPage(page) {
  if (page.body.dataset.version !== body.dataset.version) return location.reload(); // this script may be of another
  root.dataset.theme = page.documentElement.dataset.theme;
  body.classList.replace(body.classList[0], page.body.classList[0]); // list, wall or one
  Object.assign(body.dataset, page.body.dataset);
  revision = body.dataset.revision;
  for (const part of ["#top", "nav", "#choose", "#main", "footer"]) {
    const next = page.querySelector(part);
    if (next) become(document.querySelector(part), next);
  }
}

// ---- What the reader chooses: the address has it, and the window and the colours stay

const usual = { q: "", show: "all", order: "trouble", window: "24h", view: "list", theme: "system", rows: "first" };
// As the server understood the address: it is in the form.
const asked = () => Object.fromEntries(new FormData(byId("choose")));
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

/** In the old way, which also works where the page came without TLS. */
function copy(pre) {
  byId("problems").open = true;
  getSelection().selectAllChildren(pre);
  if (!document.execCommand("copy")) return;
  getSelection().removeAllRanges();
  byId("copy").textContent = "Copied";
  say("Copied");
}

// ---- The start

dress(document);
const { search } = location;
ask({ ...usual, ...kept(), ...Object.fromEntries(new URLSearchParams(search)) });
if (location.search === search) connect();
else fetchPage();
