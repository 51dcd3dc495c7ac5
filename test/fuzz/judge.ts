// Whether what a case found is there to stay: played again in a world of its own, alone or after what was played before it; what was slow must be
// slow every time, since the machine is not ours alone.
import type { Case } from './case.ts';
import type { Finding } from './oracle/ledger.ts';
import { Player } from './player.ts';
import type { PlayerOptions } from './player.ts';
import { shrink } from './shrink.ts';

/** I7. */
export const MOST_MS = 10;
export const SLOW = 'slow message';
const REPEATS = 3;

export interface Verdict {
  readonly finding: Finding;
  readonly steps: Case;
  /** False: it was seen once, and never again. */
  readonly isRepeated: boolean;
}

/** Why the case is a finding in a world of its own; undefined when it is none. */
export function playAlone(steps: Case, options: PlayerOptions): Finding | undefined {
  const player = new Player(options);
  const { findings, slowestMs } = player.play(steps);
  if (findings[0] !== undefined) return findings[0];
  const least = leastCost(player, steps, slowestMs);
  if (least <= MOST_MS) return undefined;
  return { kind: SLOW, text: `a message costs ${least.toFixed(1)} ms, ${MOST_MS} are allowed` };
}

/** What the case's dearest message costs at least: it is played again while it costs too much. */
export function leastCost(player: Player, steps: Case, milliseconds: number): number {
  let least = milliseconds;
  for (let i = 0; i < REPEATS && least > MOST_MS; i++) least = Math.min(least, player.play(steps).slowestMs);
  return least;
}

export interface Found {
  readonly steps: Case;
  readonly finding: Finding;
  /** The cases that the same world had played, oldest first. */
  readonly before: readonly Case[];
}

/** `watch` is told of each case that is played. */
export function judge(
  { steps, finding, before }: Found,
  options: PlayerOptions,
  watch: (steps: Case) => void,
): Verdict {
  const isSame = (candidate: Case): boolean => {
    watch(candidate);
    return playAlone(candidate, options)?.kind === finding.kind;
  };
  if (isSame(steps)) return { finding, steps: shrink(steps, isSame), isRepeated: true };
  const all = [...before, steps].flatMap((each): Case => [...each, { verb: 'settle' }]);
  const isRepeated = isSame(all);
  return { finding, steps: isRepeated ? shrink(all, isSame) : all, isRepeated };
}
