// Numbers out of repeated runs: medians and spread. A figure without its spread is an anecdote.

/** A ratio ours / theirs, above 1 is better for us, with the lowest and highest of its rounds. */
export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Of rounds that ran alternately: round i of ours is set against round i of theirs, so that a slow minute hits both. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Ratio {
  const ratios = ours.map((value, i) => value / (theirs[i] ?? Number.NaN));
  return { ratio: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}

/** The same where less is better: time. */
export function inverseRatioOf(ours: readonly number[], theirs: readonly number[]): Ratio {
  return ratioOf(
    ours.map((value) => 1 / value),
    theirs.map((value) => 1 / value),
  );
}

export function percentile(sorted: ArrayLike<number>, fraction: number): number {
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * fraction) - 1));
  return sorted[at] ?? Number.NaN;
}
