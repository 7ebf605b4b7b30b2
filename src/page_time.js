/**
 * Times in the reader's zone, ages that run, and history bars that are walked through by arrow keys and by pointer: what
 * `page.js` does to each piece of the page. How they come from the server is for page_time.tsx and page_bar.tsx.
 * For the stylesheet: `chosen` on a piece of a history bar, and #tip, which says that piece.
 */
export const on = (type, act) => document.addEventListener(type, act);

/** `skewMs`: by how much this machine's clock is ahead of the server's. */
export const clock = { skewMs: 0 };
const nowMs = () => Date.now() - clock.skewMs;

const toTheMinute = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
const short = new Intl.DateTimeFormat("en-GB", toTheMinute);
const long = new Intl.DateTimeFormat("en-GB", { ...toTheMinute, year: "numeric", second: "2-digit" });

/** Makes of a piece as the server sent it one that lives: only with a script do its buttons and bars do anything. */
export function dress(piece) {
  for (const time of piece.querySelectorAll("time:not(.age)")) {
    const format = /\d{4}/.test(time.textContent) ? long : short;
    time.textContent = format.format(Date.parse(time.dateTime)); // UTC stays in the title
  }
  for (const button of piece.querySelectorAll("#copy, [type=submit]")) button.hidden = button.id !== "copy";
  for (const bar of piece.querySelectorAll(walkable)) {
    [bar.role, bar.ariaReadOnly, bar.tabIndex] = ["slider", "true", 0];
    slideTo(bar, Infinity);
  }
  tick(piece);
}

/** Ages and bars as of now. */
export function tick(piece) {
  for (const age of piece.querySelectorAll(".age")) {
    const words = durationText(nowMs() - Date.parse(age.dateTime));
    if (age.firstChild.data !== words) age.firstChild.data = words; // no new node: that would cost a new layout of all
  }
  for (const { viewBox: { baseVal }, dataset } of piece.querySelectorAll(".bar")) {
    const x = Math.round((nowMs() - dataset.origin) / 1_000) - baseVal.width;
    if (Math.abs(x - baseVal.x) > baseVal.width / 1_000) baseVal.x = x;
  }
}

/** As duration.ts has it. */
function durationText(ms) {
  const seconds = Math.max(Math.round(ms / 1_000), 0);
  const [minutes, hours, days] = [60, 3_600, 86_400].map((unit) => Math.floor(seconds / unit));
  if (days > 0) return `${days} d` + (hours % 24 > 0 ? ` ${hours % 24} h` : "");
  if (hours > 0) return `${hours} h` + (minutes % 60 > 0 ? ` ${minutes % 60} min` : "");
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

// ---- Bars: of one's pieces, `at` is the number, and `x` the second in which it begins; two can begin in the same

const walkable = ".bar:has(rect)";
const rectsOf = (bar) => [...bar.querySelectorAll("rect")];
const xOf = (rect) => Number(rect.getAttribute("x"));
const pieceAt = (bar, x) => rectsOf(bar).findLastIndex((rect) => xOf(rect) <= x);

const tip = document.body.appendChild(document.createElement("p"));
tip.id = "tip";
tip.hidden = true;

/** Says and shows piece `at`, or the nearest that there is: where not said, the one that was chosen, or else the last. */
function choose(bar, at = chosenIn(bar)) {
  const rect = slideTo(bar, at);
  [bar.chosenAt, bar.chosenX] = [rectsOf(bar).indexOf(rect), xOf(rect)];
  bar.querySelector(".chosen")?.classList.remove("chosen");
  rect.classList.add("chosen");
  tip.textContent = bar.getAttribute("aria-valuetext");
  tip.hidden = false;
  const { left, bottom } = bar.getBoundingClientRect();
  const from = Math.max(rect.getBoundingClientRect().left, left);
  const leftMax = Math.max(document.documentElement.clientWidth - tip.offsetWidth - 8, 0);
  tip.style.left = `${Math.min(from, leftMax) + scrollX}px`;
  tip.style.top = `${bottom + 4 + scrollY}px`;
}

/** The same after its pieces have been replaced: what was put away stays away. */
export function chooseAgain(bar) {
  const { hidden } = tip;
  choose(bar);
  tip.hidden = hidden;
}

/** Where its pieces have been replaced since, the one that begins when the chosen one did. */
function chosenIn(bar) {
  const rect = rectsOf(bar)[bar.chosenAt];
  return rect && xOf(rect) === bar.chosenX ? bar.chosenAt : pieceAt(bar, bar.chosenX ?? Infinity);
}

/** What the bar says as a slider; the piece. */
function slideTo(bar, at) {
  const rects = rectsOf(bar);
  const last = rects.length - 1;
  const now = Math.min(Math.max(at, 0), last);
  const says = { min: 0, max: last, now, text: pieceText(bar, rects.slice(now)) };
  for (const [name, value] of Object.entries(says)) bar.setAttribute(`aria-value${name}`, value);
  return rects[now];
}

/** `unhealthy, unavailable: 22 Nov, 20:31 to 22 Nov, 21:05 (34 min)`. */
function pieceText(bar, [rect, next]) {
  const [state] = rect.classList;
  const says = (name) => rect.classList.contains(name);
  const isOfBook = bar.querySelector("path") && state !== "not_watched";
  const book = isOfBook ? `, ${says("unavailable") ? "unavailable" : "available"}` : "";
  const [fromMs, untilMs] = [rect, next].map((each) => each ? Number(bar.dataset.origin) + xOf(each) * 1_000 : nowMs());
  const span = `${short.format(fromMs)} to ${next ? short.format(untilMs) : "now"} (${durationText(untilMs - fromMs)})`;
  return `${says("lumped") ? "intermittent " : ""}${state.replace("_", " ")}${book}: ${span}`;
}

const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };
on("keydown", (event) => {
  if (event.key === "Escape") tip.hidden = true;
  if (!event.target.matches(walkable) || !(event.key in steps)) return;
  event.preventDefault();
  choose(event.target, chosenIn(event.target) + steps[event.key]);
});
on("focusin", ({ target }) => target.matches(walkable) && choose(target));
on("focusout", () => tip.hidden = true);
for (const type of ["pointermove", "pointerdown"]) on(type, point);

function point({ target, clientX }) {
  const bar = target.closest(walkable);
  if (!bar) return tip.hidden = true;
  const { left, width } = bar.getBoundingClientRect();
  const { baseVal } = bar.viewBox;
  choose(bar, pieceAt(bar, baseVal.x + (clientX - left) / width * baseVal.width));
}
