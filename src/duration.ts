/**
 * How a person writes a duration: `500ms`, `10s`, `1h30m`, `1.5h`, `1d`, `2w`, as in Go, with days and weeks.
 * And how one is said to a person: `4 min`. Durations are milliseconds inside. Leaf.
 */

const unitMs = {
  w: 604_800_000,
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  "µs": 1e-3, // U+00B5, the micro sign
  "μs": 1e-3, // U+03BC, the Greek letter
  ns: 1e-6,
} as const;

/** Ten years: no setting means more, and sums of times and durations stay far from where numbers lose exactness. */
const durationMsMax = 3650 * unitMs.d;

const part = /(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|μs|ns|[wdhms])/g;
const whole = new RegExp(`^(?:${part.source})+$`);

/** `text` in milliseconds, exact to the nanosecond; null for what is no duration, is negative, or is over ten years. */
export function parseDuration(text: string): number | null {
  if (text === "0") return 0;
  if (!whole.test(text)) return null;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(part)) ms += Number(amount) * unitMs[unit as keyof typeof unitMs];
  if (ms > durationMsMax) return null;
  return Math.round(ms * 1e6) / 1e6; // 1.001 * 1000 is 1000.9999999999999
}

/** The exact duration in its largest units, weeks left out: `15m`, `1h30m`, `90d`; `0s` for none. */
export function formatDuration(ms: number): string {
  const text = inUnits(Math.floor(ms), ["d", "h", "m", "s", "ms"]) + belowMs(ms - Math.floor(ms));
  return text === "" ? "0s" : text;
}

/** A duration as people say it, of two units at most: `3 s`, `4 min`, `2 h 5 min`, `3 d 4 h`. */
export function durationWords(ms: number): string {
  const seconds = Math.max(Math.round(ms / 1_000), 0);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h` + (minutes % 60 > 0 ? ` ${minutes % 60} min` : "");
  return `${Math.floor(hours / 24)} d` + (hours % 24 > 0 ? ` ${hours % 24} h` : "");
}

function inUnits(ms: number, units: readonly (keyof typeof unitMs)[]): string {
  let text = "";
  for (const unit of units) {
    const count = Math.floor(ms / unitMs[unit]);
    if (count > 0) text += `${count}${unit}`;
    ms -= count * unitMs[unit];
  }
  return text;
}

// In whole nanoseconds: 0.25 / 1e-3 is exact, 0.0015 / 1e-6 is not.
function belowMs(ms: number): string {
  const ns = Math.round(ms * 1e6);
  const us = Math.floor(ns / 1000);
  return (us > 0 ? `${us}us` : "") + (ns % 1000 > 0 ? `${ns % 1000}ns` : "");
}

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
