/**
 * The shapes that say a state besides words and colour: each can be told from the others in black and white. Drawn once in
 * the page and used by name (`mark`). And the icon of the browser's tab.
 */

/** What `mark` refers to; shown nowhere itself. */
export function shapes() {
  return (
    <svg class="shapes" width="0" height="0" aria-hidden="true">
      <symbol id="m-healthy" viewBox="0 0 16 16">
        <circle class="line" cx="8" cy="8" r="6.8" />
        <path class="line" d="m4.8 8.3 2.3 2.3 4.2-4.9" />
      </symbol>
      <symbol id="m-unhealthy" viewBox="0 0 16 16">
        <path class="body" d="M8 .9 15.6 15H.4z" />
        <path class="cut" d="M8 5.6v4.6M8 12.2v.6" />
      </symbol>
      <symbol id="m-warned" viewBox="0 0 16 16">
        <path class="line" d="M8 1.9 14.8 14.3H1.2z" />
        <path class="line" d="M8 6.3v3.6M8 11.7v.5" />
      </symbol>
      <symbol id="m-unknown" viewBox="0 0 16 16">
        <rect class="body" x="1" y="1" width="14" height="14" rx="2.5" />
        <path class="cut" d="M5.6 6.2q0-2.2 2.4-2.2t2.4 2q0 1.1-1.2 1.8T8 9.4M8 11.9v.3" />
      </symbol>
      <symbol id="m-starting" viewBox="0 0 16 16">
        <circle class="line dashed" cx="8" cy="8" r="6.6" />
        <path class="line" d="M8 4.6V8l2.4 1.6" />
      </symbol>
      <symbol id="m-held" viewBox="0 0 16 16">
        <path class="line" d="M5 7V5a3 3 0 0 1 6 0v2" />
        <path class="body" d="M3 7h10v7.5H3z" />
      </symbol>
      <symbol id="m-off" viewBox="0 0 16 16">
        <circle class="line" cx="8" cy="8" r="6.8" />
        <path class="line" d="M4.5 8h7" />
      </symbol>
    </svg>
  );
}

/** The tab's icon: a tick while nothing is in trouble, else how many are. An SVG document. */
export function iconSvg(trouble: number): string {
  const count = Math.max(Math.trunc(trouble), 0) || 0;
  const words = count > 99 ? "99+" : String(count);
  const sign = count === 0
    ? `<path d="m9 17 5 5 9-11" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"/>`
    : `<text x="16" y="23" text-anchor="middle" font-family="system-ui,sans-serif" font-weight="700" fill="#fff" font-size="${
      [20, 20, 18, 14][words.length]
    }">${words}</text>`;
  const ground = count === 0
    ? `<circle cx="16" cy="16" r="16" fill="#1a7f4b"/>`
    : `<rect width="32" height="32" rx="6" fill="#c0321d"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${ground}${sign}</svg>`;
}
