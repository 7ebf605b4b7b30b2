/**
 * Times in the reader's zone, ages that run, and history bars that are walked through by arrow keys and by pointer: what
 * `page.js` does to each piece of the page. How they come from the server is for page_time.tsx and page_bar.tsx.
 */
const on = (type, act) => document.addEventListener(type, act);

/** `skewMs`: by how much this machine's clock is ahead of the server's. */
export const clock = { skewMs: 0 };
const nowMs = () => Date.now() - clock.skewMs;

const short = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
const long = { ...short, year: "numeric", second: "2-digit" };
const timeText = (atMs, format = short) => new Intl.DateTimeFormat("en-GB", format).format(atMs);

/** Times in the reader's zone (UTC stays in the title), and whatever else only works with a script. */
export function dress(piece) {
  for (const time of piece.querySelectorAll("time:not(.age)")) {
    time.textContent = timeText(Date.parse(time.dateTime), /\d{4}/.test(time.textContent) ? long : short);
  }
  for (const button of piece.querySelectorAll("#copy, [type=submit]")) button.hidden = button.id !== "copy";
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

const xOf = (rect) => Number(rect.getAttribute("x"));
const tip = document.body.appendChild(document.createElement("p"));
tip.id = "tip";
tip.hidden = true;

/** Says and shows the piece of `bar` that is at `x`, or the one `step` further on. */
export function choose(bar, x = Infinity, step = 0) {
  const rects = [...bar.querySelectorAll("rect")];
  const at = Math.min(Math.max(rects.findLastIndex((each) => xOf(each) <= x) + step, 0), rects.length - 1);
  bar.chosenX = xOf(rects[at]);
  bar.querySelector(".chosen")?.classList.remove("chosen");
  rects[at].classList.add("chosen");
  tip.textContent = pieceText(bar, rects.slice(at));
  bar.setAttribute("aria-valuenow", Math.max(bar.chosenX, bar.getAttribute("aria-valuemin")));
  bar.setAttribute("aria-valuetext", tip.textContent);
  tip.hidden = false;
  const { left, bottom } = bar.getBoundingClientRect();
  const from = Math.max(rects[at].getBoundingClientRect().left, left);
  tip.style.left = `${
    Math.max(Math.min(from, document.documentElement.clientWidth - tip.offsetWidth - 8), 0) + scrollX
  }px`;
  tip.style.top = `${bottom + 4 + scrollY}px`;
}

/** `unhealthy, unavailable: 22 Nov, 20:31 to 22 Nov, 21:05 (34 min)`. */
function pieceText(bar, [rect, next]) {
  const [state, unavailable] = rect.classList;
  const isOfBook = bar.querySelector("path") && state !== "not_watched";
  const book = isOfBook ? `, ${unavailable === "unavailable" ? "unavailable" : "available"}` : "";
  const [fromMs, untilMs] = [rect, next].map((each) => each ? Number(bar.dataset.origin) + xOf(each) * 1_000 : nowMs());
  const until = next ? timeText(untilMs) : "now";
  return `${state.replace("_", " ")}${book}: ${timeText(fromMs)} to ${until} (${durationText(untilMs - fromMs)})`;
}

const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity };
on("keydown", (event) => {
  if (event.key === "Escape") tip.hidden = true;
  if (!event.target.matches(".bar") || !(event.key in steps)) return;
  event.preventDefault();
  choose(event.target, event.target.chosenX, steps[event.key]);
});
on("focusin", ({ target }) => target.matches(".bar") && choose(target, target.chosenX));
on("focusout", () => tip.hidden = true);
for (const type of ["pointermove", "pointerdown"]) on(type, point);

function point({ target, clientX }) {
  const bar = target.closest(".bar");
  if (!bar) return tip.hidden = true;
  const { left, width } = bar.getBoundingClientRect();
  const { baseVal } = bar.viewBox;
  choose(bar, baseVal.x + (clientX - left) / width * baseVal.width);
}
