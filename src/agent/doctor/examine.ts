// All checks of `namewall doctor`, in the order in which they are printed, and those that a running agent repeats.
import { oneAgent, readiness, table } from './agents.ts';
import { bridges } from './bridges.ts';
import { dataPlane, flowtables, serviceProxy } from './bypass.ts';
import { conntrackAccounting, conntrackHelpers, conntrackTable, forwarding } from './conntrack.ts';
import type { DoctorContext } from './context.ts';
import type { Check, Finding } from './finding.ts';
import { foreignSockets } from './foreign-sockets.ts';
import { inputChains } from './input-chains.ts';
import { kernelFeatures, renewal } from './kernel-features.ts';
import { marks } from './marks.ts';
import { privileges } from './privileges.ts';
import { reversePath, routing } from './routing.ts';

/** A listing of 30,000 foreign rules takes a second or two on a busy machine. */
const PATIENCE_MS = 10_000;

/** The name says which finding is its own when the check itself fails. */
type NamedCheck = readonly [name: string, check: Check];

/**
 * What other programs can break while the agent runs. Five programs are started, none slower than what others' rules
 * make it.
 */
export const REPEATED: readonly NamedCheck[] = [
  ['one-agent', oneAgent],
  ['table', table],
  ['foreign-sockets', foreignSockets],
  ['input-chains', inputChains],
  ['routing', routing],
  ['reverse-path', reversePath],
  ['marks', marks],
  ['bridges', bridges],
  ['service-proxy', serviceProxy],
  ['data-plane', dataPlane],
  ['flowtables', flowtables],
  ['conntrack-table', conntrackTable],
  ['conntrack-accounting', conntrackAccounting],
  ['conntrack-helpers', conntrackHelpers],
  ['forwarding', forwarding],
];

export const ALL: readonly NamedCheck[] = [
  ['privileges', privileges],
  ['kernel-features', kernelFeatures],
  ['renewal', renewal],
  ['readiness', readiness],
  ...REPEATED,
];

/**
 * One finding a check, in their order; one that cannot look, or not in ten seconds, is a warning: nothing is known to
 * be wrong. Never rejects.
 */
export async function examine(
  context: DoctorContext,
  checks: readonly NamedCheck[] = ALL,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [name, check] of checks) {
    findings.push(await inTime(check(context)).catch((error: unknown) => unknown(name, error)));
  }
  return findings;
}

/** What was asked goes on until it ends by itself: `nft` and `ip` only read. */
async function inTime(finding: Promise<Finding>): Promise<Finding> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer in ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  try {
    return await Promise.race([finding, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function unknown(check: string, error: unknown): Finding {
  const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  const mend = 'run it as root, in the network namespace of the agent, with nft and ip installed';
  return { check, status: 'warn', found: `not known: ${why}`, why: 'what it looks for may be there', mend };
}
