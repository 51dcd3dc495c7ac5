// What a bench found, as a table for people and as JSON for the next program.
import type { Ratio } from './measure.ts';

export type Against =
  | 'unbound'
  | 'dnsmasq'
  | 'dnsmasq+nftset'
  | 'dnsdist'
  | 'echo'
  | 'idle'
  | 'plain'
  | 'none'
  | 'no-rules'
  | `grants-${number}`
  | `iptables-${number}`
  | `iptables-established-${number}`;

export interface Result extends Ratio {
  readonly bench: string;
  readonly against: Against;
}

/** A figure that is set against nothing: nanoseconds a match, elements a second. */
export interface Figure {
  readonly bench: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

export interface Outcome {
  readonly results: readonly Result[];
  readonly figures: readonly Figure[];
  /** What could not be decided and why: a ratio that the load generator limited is refused, not printed. */
  readonly refusals: readonly string[];
}

export function merge(outcomes: readonly Outcome[]): Outcome {
  return {
    results: outcomes.flatMap(({ results }) => results),
    figures: outcomes.flatMap(({ figures }) => figures),
    refusals: outcomes.flatMap(({ refusals }) => refusals),
  };
}

export function table({ results, figures, refusals }: Outcome): string {
  const ratios = results.map(({ bench, against, ratio, low, high }) => [
    bench,
    `against ${against}`,
    `${ratio.toFixed(2)}×`,
    `${low.toFixed(2)}–${high.toFixed(2)}`,
  ]);
  const values = figures.map(({ bench, what, value, unit }) => [bench, what, format(value), unit]);
  const rows = [...values, ...ratios];
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i === 2 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, ...refusals.map((refusal) => `refused: ${refusal}`), ''].join('\n');
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
