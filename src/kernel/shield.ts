// What closes the node while our table is gone because somebody flushed the ruleset: a small table of its own that drops whatever the pods of
// policy send, ready as text, put in place within a millisecond by the thread that hears of it. The next ruleset takes it away.
import { intervals } from './intervals.ts';
import { addressesOf, chainText, setText } from './nft-text.ts';

export const SHIELD_TABLE = 'namewall_shield';

/** Put before a ruleset: in the same transaction as our table comes back the shield goes. */
export const SHIELD_REMOVAL = `add table inet ${SHIELD_TABLE}\ndelete table inet ${SHIELD_TABLE}`;

const FAMILIES = [4, 6] as const;

export interface Shielded {
  /** Addresses of pods that policy selects. */
  readonly addresses: readonly string[];
  /** CIDRs of which no address may send that is not a known pod's. */
  readonly guardedRanges: readonly string[];
}

/** Dropped, never rejected: what is open goes on a moment later. Throws KernelError `bad-input`, CidrError. */
export function shieldText({ addresses, guardedRanges }: Shielded): string {
  const sets = FAMILIES.flatMap((family) => [
    setText({ name: `closed${family}`, type: `ipv${family}_addr`, elements: addressesOf(addresses, family) }),
    setText({
      name: `guarded${family}`,
      type: `ipv${family}_addr`,
      settings: ['flags interval'],
      elements: intervals(
        guardedRanges.map((cidr) => ({ cidr, reason: 'pod-range' })),
        family,
      ),
    }),
  ]);
  const drops = ['ip saddr @closed4', 'ip6 saddr @closed6'].map((match) => `${match} drop`);
  const guards = ['ip saddr @guarded4', 'ip6 saddr @guarded6'].map((match) => `${match} drop`);
  return [
    SHIELD_REMOVAL,
    `table inet ${SHIELD_TABLE} {`,
    ...sets.map(({ text }) => text),
    chainText('forward', ['type filter hook forward priority filter; policy accept;', ...drops, ...guards]).text,
    // The node itself has an address in the range and sends with it.
    chainText('input', ['type filter hook input priority filter; policy accept;', 'iifname "lo" accept', ...drops])
      .text,
    '}\n',
  ].join('\n');
}
