/**
 * How long is a duration that a Go program wrote (`1h2m3.456s`, `35.123456ms`)? The services' format, not the settings'.
 * Leaf. Written by hand, since a report can hold 25,000 of them twice.
 */

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3, // micro sign
  "\u03bcs": 1e-3, // Greek mu
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds, as Go's time.ParseDuration reads `text`; null where that would fail. */
export function goDurationMs(text: string): number | null {
  const isSigned = text.startsWith("-") || text.startsWith("+");
  const unsigned = isSigned ? text.slice(1) : text;
  if (unsigned === "0") return 0;
  let sumMs = 0;
  let at = 0;
  do {
    const unitAt = skip(unsigned, at, isOfNumber);
    const endAt = skip(unsigned, unitAt, isOfUnit);
    const partMs = partOf(unsigned.slice(at, unitAt), unsigned.slice(unitAt, endAt));
    if (partMs === null) return null;
    sumMs += partMs;
    at = endAt;
  } while (at < unsigned.length);
  return text.startsWith("-") ? -sumMs : sumMs;
}

function partOf(number: string, unit: string): number | null {
  const factor = Object.hasOwn(unitMs, unit) ? unitMs[unit] : undefined;
  if (factor === undefined || number === "" || number === ".") return null;
  const value = Number(number); // `1.5`, `1.` and `.5` are numbers to Go too; `1.2.3` is NaN here
  return Number.isNaN(value) ? null : value * factor;
}

function skip(text: string, from: number, belongs: (code: number) => boolean): number {
  let at = from;
  while (at < text.length && belongs(text.charCodeAt(at))) at++;
  return at;
}

function isOfNumber(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e;
}

function isOfUnit(code: number): boolean {
  return !isOfNumber(code);
}
