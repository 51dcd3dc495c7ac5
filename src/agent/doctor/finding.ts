// What one check of `namewall doctor` says, and what a check is. A check looks and never changes anything.
import type { DoctorContext } from './context.ts';

export interface Finding {
  /** Which check; stable, for scripts and for the reasons of health. */
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What goes wrong because of it. */
  readonly why?: string;
  /** The command that mends it, or what to do where no command can. */
  readonly mend?: string;
}

/** Rejects with KernelError when a program that it needs fails; examine.ts makes a finding of that. */
export type Check = (context: DoctorContext) => Promise<Finding>;

/** What is wrong in one respect; a check that finds several says the worst. */
export interface Fault {
  readonly status: 'warn' | 'fail';
  readonly found: string;
  readonly why: string;
  readonly mend: string;
}

export function ok(check: string, found: string): Finding {
  return { check, status: 'ok', found };
}

/**
 * The faults as one finding: what was found in all of them, why and mend of the first of the worst. `fine` when there
 * is none.
 */
export function worst(check: string, faults: readonly Fault[], fine: string): Finding {
  const first = faults.find(({ status }) => status === 'fail') ?? faults[0];
  if (first === undefined) return ok(check, fine);
  const others = faults.filter((fault) => fault !== first);
  return { check, ...first, found: [first, ...others].map(({ found }) => found).join('; ') };
}
