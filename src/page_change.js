/**
 * How does a piece of the page become another, or come to another place, without taking from its reader what he is at: focus,
 * selection, what is open? And what is said of it to those who do not see it. Which pieces, and when, is for page.js.
 * For the stylesheet: `changed` on a row that has just changed.
 */
import { chooseAgain, dress, on } from "./page_time.js";

export const byId = (id) => document.getElementById(id);

export function pieceOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}

/** Makes `old` what `piece` is. What it says is said and shown if that is news. */
export function become(old, piece) {
  if (!old) return;
  const { says, title } = piece.dataset;
  const isNews = says !== old.dataset.says || title !== old.dataset.title;
  dress(piece);
  match(old, piece);
  if (isNews) {
    old.changedMs = Date.now();
    say(says ?? title.replace(/^.*?status: /, ""));
  }
  if (says !== undefined) old.classList.toggle("changed", Date.now() - old.changedMs < 4_000);
  const bar = old.querySelector(".bar:focus");
  if (bar) chooseAgain(bar);
  if (title === undefined) return;
  document.title = title;
  if (isNews) byId("icon").href = byId("icon").href.replace(/\d*$/, piece.dataset.trouble); // else fetched for nothing
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

/** To those who do not see it: of much at once the last. */
export function say(words) {
  const said = byId("said");
  said.append(Object.assign(document.createElement("p"), { textContent: words }));
  while (said.childElementCount > 3) said.firstChild.remove();
}

// To ask for the selection lays the page out anew: not for each of a thousand rows that move while nothing is selected.
let isAnySelected = false;
on("selectionchange", () => isAnySelected = getSelection().type === "Range");

/** What moves loses the keyboard's place and the selection: both are given back. */
export function move(row, act) {
  const focused = row.contains(document.activeElement) ? document.activeElement : null;
  const giveBack = isAnySelected ? selectionIn(row) : () => {};
  act();
  focused?.focus({ preventScroll: true });
  giveBack();
}

function selectionIn(row) {
  const selection = getSelection();
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  if (!row.contains(anchorNode)) return () => {};
  return () => selection.setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
}
