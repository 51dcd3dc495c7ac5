// From what a probe saw to what it means: the one place that says what counts as allowed, blocked, denied, and what proves nothing.
import { rcodeName, RCODE, EDE } from '../../dns/codes.ts';
import type { Seen } from './case.ts';
import type { Asked, Reached } from './probe-calls.ts';

const CENSORED = 16; // RFC 8914 §4.17
const DENIALS: readonly number[] = [EDE.Blocked, CENSORED, EDE.Filtered, EDE.Prohibited];
const OUTCOMES: ReadonlyMap<number, string> = new Map([
  [RCODE.NXDomain, 'nxdomain'],
  [RCODE.Refused, 'refused'],
  [RCODE.ServFail, 'servfail'],
]);

export function unknown(detail: string): Seen {
  return { kind: 'unknown', detail };
}

export function seenAsked(asked: Asked): Seen {
  if (asked.outcome === 'failed') return unknown(`the DNS servers cannot be asked: ${asked.why}`);
  if (asked.outcome === 'silent') return seen('silent', 'no DNS server answered');
  return { kind: 'seen', actual: outcomeOf(asked), addresses: asked.addresses, detail: describe(asked) };
}

/** The addresses of a name from the answers for A and AAAA; without one, why there is nothing to connect to. */
export function mergeAnswers(answers: readonly Asked[]): string[] | Seen {
  const addresses = answers.flatMap((asked) => (asked.outcome === 'reply' ? asked.addresses : []));
  if (addresses.length > 0) return addresses;
  const all = answers.map(seenAsked);
  // A resolver that fails blocks nothing: whether the firewall would have is not known.
  const failed = all.find((each) => each.kind !== 'seen' || each.actual === 'servfail');
  if (failed !== undefined) return unknown(`the name does not resolve: ${failed.detail}`);
  const [first] = all;
  return seen('blocked', `the name does not resolve: ${first?.detail ?? 'it was not asked'}`);
}

/**
 * A reset may be the firewall's reject or a closed port; both are blocked, as in netassert. A datagram that meets silence, where nobody
 * listens for it, may as well have arrived; `obstacle` says why nobody does.
 */
export function seenReached(protocol: 'tcp' | 'udp', reached: Reached, obstacle = 'nobody answers it'): Seen {
  if (reached.address !== null) return seen('allowed', `${reached.address} took it`);
  const isProof = protocol === 'tcp' || reached.failures.every(({ why }) => why !== 'silent');
  if (isProof) return asBlocked(reached);
  return unknown(`a datagram left and ${obstacle}: whether it arrived cannot be told`);
}

/** At the listener that was put there. */
export const ARRIVED = seen('allowed', 'the datagram arrived');

/** Where somebody listened, or the other side would have had to speak. */
export function asBlocked({ failures }: Reached): Seen {
  return seen('blocked', failures.map(({ address, why }) => `${address} ${why}`).join(', '));
}

function outcomeOf({ rcode, ede, records }: Extract<Asked, { outcome: 'reply' }>): string {
  if (ede !== null && DENIALS.includes(ede)) return 'denied';
  if (rcode === RCODE.NoError) return records > 0 ? 'answered' : 'nodata';
  return OUTCOMES.get(rcode) ?? rcodeName(rcode);
}

function describe({ rcode, ede, addresses }: Extract<Asked, { outcome: 'reply' }>): string {
  const reason = ede === null ? '' : `, extended error ${ede}`;
  return `${rcodeName(rcode)}${reason}${addresses.length > 0 ? `, ${addresses.join(', ')}` : ''}`;
}

function seen(actual: string, detail: string): Seen {
  return { kind: 'seen', actual, addresses: null, detail };
}
