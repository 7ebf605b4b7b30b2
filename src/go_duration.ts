/**
 * How long is a duration that a Go program wrote (`1h2m3.456s`, `35.123456ms`)? The services' format, not the settings'.
 * Leaf. Read by hand, character by character, since a report can hold 25,000 of them twice.
 */

/** Milliseconds, as Go's time.ParseDuration reads `text`; null where that would fail. */
export function goDurationMs(text: string): number | null {
  const first = text.charCodeAt(0);
  let at = first === minus || first === plus ? 1 : 0;
  let sumMs = 0;
  do {
    let digits = 0, value = 0, scale = 1, isFraction = false;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === point && !isFraction) isFraction = true; // `1.` and `.5` are numbers to Go too
      else if (code >= zero && code <= nine) {
        digits++;
        value = 10 * value + code - zero;
        if (isFraction) scale *= 10;
      } else break;
    }
    const unitMs = unitMsAt(text, at);
    if (digits === 0 || unitMs === null) return bareZeros.has(text) ? 0 : null;
    sumMs += value / scale * unitMs;
    at += isOfTwo(text, at) ? 2 : 1;
  } while (at < text.length);
  return first === minus ? -sumMs : sumMs;
}

function unitMsAt(text: string, at: number): number | null {
  const code = text.charCodeAt(at);
  if (!isOfTwo(text, at)) return code === s ? 1_000 : code === m ? 60_000 : code === h ? 3_600_000 : null;
  if (code === m) return 1;
  return code === u || code === microSign || code === greekMu ? 1e-3 : code === n ? 1e-6 : null;
}

/** Whether the unit is one of those of two letters, which end as all but those of minutes and hours do. */
function isOfTwo(text: string, at: number): boolean {
  return text.charCodeAt(at + 1) === s;
}

// Without a unit nothing else is a duration.
const bareZeros: ReadonlySet<string> = new Set(["0", "+0", "-0"]);

const [plus, minus, point, zero, nine] = [0x2b, 0x2d, 0x2e, 0x30, 0x39];
const [h, m, n, s, u, microSign, greekMu] = [0x68, 0x6d, 0x6e, 0x73, 0x75, 0xb5, 0x3bc];
