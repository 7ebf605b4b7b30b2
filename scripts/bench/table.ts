/** The figures of a bench as people read them: a table for each part, the goals, and what has moved. Pure. */
import { type Figure, judgedOf, keepsGoal, type Machine, type Move, nameOf } from "./figures.ts";

const columns = ["what", "experiments", "median", "min", "max", "times", "goal", "Go program"] as const;

/** A table of the figures of one part. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = [columns, ...figures.map(rowOf)];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  // Words stand at the left, numbers at the right.
  const cell = (text: string, at: number) => at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}

export function machineText({ cpu, cores, deno }: Machine): string {
  return `${cpu}, ${cores} cores, Deno ${deno}. Times and sizes hold for this machine, ratios (×) for any.`;
}

/** A line for each goal that is missed; that all are kept, where they are. */
export function goalsText(figures: readonly Figure[]): string {
  const goals = figures.filter(({ atMost }) => atMost !== undefined);
  const missed = goals.filter((each) => !keepsGoal(each));
  const lines = missed.map((each) =>
    `  ${nameOf(each)}: ${amount(judgedOf(each), each)}, and ${goalOf(each)} is the goal`
  );
  return [
    `${goals.length - missed.length} of ${goals.length} goals kept${lines.length > 0 ? "; missed:" : ""}`,
    ...lines,
  ]
    .join("\n");
}

/** A line for each figure that has moved since the kept ones. */
export function movesText(moves: readonly Move[]): string {
  if (moves.length === 0) return "Nothing has moved beyond the spread since the kept figures.";
  const line = ({ figure, before, by }: Move) =>
    `  ${nameOf(figure)}: ${amount(before.median, before)} → ${amount(figure.median, figure)} (× ${number(by)})`;
  return ["Moved beyond the spread since the kept figures:", ...moves.map(line)].join("\n");
}

function rowOf(figure: Figure): readonly string[] {
  const { what, size, median, min, max, times, atMost, go } = figure;
  return [
    what,
    size === null ? "" : size.toLocaleString("en"),
    amount(median, figure),
    number(min),
    number(max),
    String(times),
    atMost === undefined ? "" : `${goalOf(figure)} ${keepsGoal(figure) ? "kept" : "MISSED"}`,
    go === undefined ? "" : `${number(go)}: × ${number(median / go)}`,
  ];
}

function goalOf({ atMost = NaN, by }: Figure): string {
  return `${by === "max" ? "each " : ""}≤ ${number(atMost)}`;
}

function amount(value: number, { unit }: Figure): string {
  return unit === "×" ? `× ${number(value)}` : `${number(value)} ${unit}`;
}

/** Three digits, and no more zeros than needed. */
function number(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
