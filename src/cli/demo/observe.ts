// One line of a step: what was done, what was seen, and whether that is what the policy calls for.
import type { Asked, Connected, Echoed } from './pod.ts';

export interface Observation {
  readonly did: string;
  readonly saw: string;
  /** What should have been seen, when something else was. */
  readonly problem: string | null;
}

/** Says what is wrong with what was seen, or null. */
export type Expectation<Seen> = (seen: Seen) => string | null;

export function observe<Seen>(
  did: string,
  describe: (seen: Seen) => string,
  seen: Seen,
  expects: Expectation<Seen>,
): Observation {
  return { did, saw: describe(seen), problem: expects(seen) };
}

export const answersWith =
  (...addresses: readonly string[]): Expectation<Asked> =>
  (seen) =>
    seen.outcome === 'answered' && seen.rcode === 'NOERROR' && seen.addresses.join() === addresses.join()
      ? null
      : `NOERROR with ${addresses.join(', ') || 'no address'}`;

export const isDeniedWithReason: Expectation<Asked> = (seen) =>
  seen.outcome === 'answered' &&
  seen.rcode === 'NXDOMAIN' &&
  seen.addresses.length === 0 &&
  seen.ede?.code === EDE_BLOCKED
    ? null
    : 'NXDOMAIN with extended error 15 (blocked)';

export const isUnanswered: Expectation<Asked> = (seen) => (seen.outcome === 'answered' ? 'no answer' : null);
export const isConnected: Expectation<Connected> = (seen) => (seen.outcome === 'connected' ? null : 'a connection');
export const isRejected: Expectation<Connected> = (seen) => (seen.outcome === 'rejected' ? null : 'a rejection');
export const isEchoed: Expectation<Echoed> = (seen) => (seen.outcome === 'echoed' ? null : 'the same data back');

const EDE_BLOCKED = 15; // RFC 8914 §4.16

export function describeAsked(seen: Asked): string {
  if (seen.outcome !== 'answered') return describeFailure(seen);
  const aliases = seen.aliases.map((alias) => `→ ${alias} `).join('');
  const addresses = seen.addresses.join(', ') || 'no address';
  const ttl = seen.ttlSeconds === null ? '' : `, ttl ${seen.ttlSeconds}`;
  const reason = seen.ede === null ? '' : `, extended error ${seen.ede.code}: "${seen.ede.text}"`;
  const content = seen.rcode === 'NOERROR' ? ` ${aliases}${addresses}${ttl}` : '';
  return `${seen.rcode}${content}${reason} (${milliseconds(seen.ms)})`;
}

export function describeConnected(seen: Connected): string {
  return seen.outcome === 'connected' ? `connected (${milliseconds(seen.ms)})` : describeFailure(seen);
}

export function describeEchoed(seen: Echoed): string {
  return seen.outcome === 'echoed' ? `came back (${milliseconds(seen.ms)})` : describeFailure(seen);
}

function describeFailure(
  seen: Exclude<Asked | Connected | Echoed, { outcome: 'answered' | 'connected' | 'echoed' }>,
): string {
  return seen.outcome === 'silent'
    ? `nothing in ${milliseconds(seen.ms)}`
    : `rejected, ${seen.errno} (${milliseconds(seen.ms)})`;
}

function milliseconds(ms: number): string {
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
