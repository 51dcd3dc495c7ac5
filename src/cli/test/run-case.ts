// One test, from its checks to its outcome: each check is tried until it holds or its attempts are used up. Never looks itself.
import { assertNever } from '../../base/errors.ts';
import {
  describeTarget,
  type AskCheck,
  type Check,
  type ConnectCheck,
  type Prober,
  type Seen,
  type TestCase,
} from './case.ts';

export type Outcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'skipped'; readonly why: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly expected: string; readonly actual: string };

/** The first check that fails is the outcome; a test of which a part cannot be judged is skipped, not passed. */
export async function runCase(test: TestCase, prober: Prober): Promise<Outcome> {
  let outcome: Outcome = { kind: 'passed' };
  for (const check of test.checks) {
    const of = await runCheck(test, check, prober);
    if (of.kind === 'failed') return of;
    if (of.kind === 'skipped') outcome = of;
  }
  return outcome;
}

async function runCheck(test: TestCase, check: Check, prober: Prober): Promise<Outcome> {
  if (check.kind === 'unprobed') return { kind: 'skipped', why: check.why };
  let outcome: Outcome = { kind: 'skipped', why: 'never tried' };
  for (let attempt = 0; attempt < test.attempts; attempt++) {
    outcome = judge(check, await prober.see(test.source, check, test.timeoutMs / test.attempts));
    if (outcome.kind !== 'failed') return outcome;
  }
  return outcome;
}

export function judge(check: AskCheck | ConnectCheck, seen: Seen): Outcome {
  switch (seen.kind) {
    case 'skipped':
      return { kind: 'skipped', why: seen.detail };
    case 'unknown':
      return {
        kind: 'failed',
        reason: `${describe(check)}: ${seen.detail}`,
        expected: check.expect,
        actual: 'unknown',
      };
    case 'seen':
      return judgeSeen(check, seen);
    default:
      return assertNever(seen);
  }
}

function judgeSeen(check: AskCheck | ConnectCheck, seen: Extract<Seen, { kind: 'seen' }>): Outcome {
  const { actual, addresses, detail } = seen;
  const about = `${describe(check)}: ${detail}`;
  if (actual !== check.expect) return { kind: 'failed', reason: about, expected: check.expect, actual };
  if (check.kind === 'connect' || addresses === null) return { kind: 'passed' };
  const missing = check.addresses.filter((each) => !addresses.includes(each));
  if (missing.length === 0) return { kind: 'passed' };
  const expected = `answered with ${missing.join(', ')}`;
  return { kind: 'failed', reason: about, expected, actual: `answered with ${addresses.join(', ') || 'none'}` };
}

function describe(check: AskCheck | ConnectCheck): string {
  if (check.kind === 'ask') return `${check.typeText} ${check.name}`;
  return `${check.protocol} ${describeTarget(check.to)} port ${check.port}`;
}
