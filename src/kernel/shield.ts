// What closes the node while our table is gone because somebody flushed the ruleset: small tables of their own that drop whatever the pods of
// policy send. The standing one is there before, and no other program's flush takes it (`flags owner`, Linux 5.12 on): it drops what our chains
// have not marked as seen. The other is ready as text, for kernels without that, put in place by the thread that hears of a flush.
import { intervals } from './intervals.ts';
import { addressesOf, chainText, setText } from './nft-text.ts';

export const SHIELD_TABLE = 'namewall_shield';

/** Belongs to the socket that made it and ends with it, so that nothing is closed by a process that is gone (V6, V7). */
export const STANDING_SHIELD_TABLE = 'namewall_standing_shield';

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
export function shieldText(shielded: Shielded): string {
  return [SHIELD_REMOVAL, ...tableText(SHIELD_TABLE, shielded, 'filter', [])].join('\n');
}

/** Where there is none yet; after the ruleset, whose chains set `mark`. Throws KernelError `bad-input`, CidrError. */
export function standingShieldText(shielded: Shielded, mark: number): string {
  const lines = tableText(STANDING_SHIELD_TABLE, shielded, 'filter + 1', [
    `meta mark & 0x${mark.toString(16)} == 0x${mark.toString(16)} accept`,
  ]);
  return lines.toSpliced(1, 0, '\tflags owner').join('\n');
}

/** Replaces what the standing one closes, in one transaction. Throws KernelError `bad-input`, CidrError. */
export function standingShieldChange(shielded: Shielded): string {
  return shieldSets(shielded)
    .flatMap(({ name, elements }) => {
      const set = `inet ${STANDING_SHIELD_TABLE} ${name}`;
      return [
        `flush set ${set}`,
        ...(elements.length === 0 ? [] : [`add element ${set} { ${elements.join(', ')} }`]),
        '',
      ];
    })
    .join('\n');
}

interface ShieldSet {
  readonly name: string;
  readonly type: string;
  readonly settings: readonly string[];
  readonly elements: readonly string[];
}

function shieldSets({ addresses, guardedRanges }: Shielded): ShieldSet[] {
  return FAMILIES.flatMap((family) => {
    const type = `ipv${family}_addr`;
    const ranges = guardedRanges.map((cidr) => ({ cidr, reason: 'pod-range' as const }));
    return [
      { name: `closed${family}`, type, settings: [], elements: addressesOf(addresses, family) },
      { name: `guarded${family}`, type, settings: ['flags interval'], elements: intervals(ranges, family) },
    ];
  });
}

/** `first` stands before the drops. */
function tableText(table: string, shielded: Shielded, priority: string, first: readonly string[]): string[] {
  const drops = ['ip saddr @closed4', 'ip6 saddr @closed6'].map((match) => `${match} drop`);
  const guards = ['ip saddr @guarded4', 'ip6 saddr @guarded6'].map((match) => `${match} drop`);
  const base = (hook: string): string => `type filter hook ${hook} priority ${priority}; policy accept;`;
  return [
    `table inet ${table} {`,
    ...shieldSets(shielded).map((set) => setText(set).text),
    chainText('forward', [base('forward'), ...first, ...drops, ...guards]).text,
    // The node itself has an address in the range and sends with it.
    chainText('input', [base('input'), 'iifname "lo" accept', ...first, ...drops]).text,
    '}\n',
  ];
}
