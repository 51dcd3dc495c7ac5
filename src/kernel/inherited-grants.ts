// What the kernel holds from before the start: grants outlive the process that made them, and the pods that they were made for may be gone or
// judged otherwise now. The kernel itself says whose they were (sets `owners4`, `owners6`, asked by no rule) and by which chain their pods
// were judged (maps `policy4`, `policy6`); no file has to be believed for that.
import { formatAddress } from '../base/ip.ts';
import { applyText } from './apply.ts';
import { TABLE } from './nft-text.ts';
import { runProgram } from './program.ts';
import type { RunProgram } from './program.ts';
import { readElements, readGrants } from './table-dump.ts';
import type { DumpedElement, DumpedGrant } from './table-dump.ts';
import type { TableReader } from './table-reader.ts';

const ELEMENTS_PER_LINE = 100;
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** By canonical address. */
export interface Former {
  readonly owners: ReadonlyMap<string, string>;
  /** The chain that judges it; none of a pod that no policy selects. */
  readonly chains: ReadonlyMap<string, string>;
  /** By which policy its open connections were judged last (judged.ts). */
  readonly judged: ReadonlyMap<string, string>;
  readonly grants: readonly DumpedGrant[];
}

/** Empty without a table. Throws SysError. */
export function readFormer(reader: TableReader): Former {
  const elements = (name: string): DumpedElement[] =>
    [`${name}4`, `${name}6`].flatMap((set) => readElements(reader, set));
  return {
    owners: new Map(elements('owners').map((each) => [addressOf(each), each.comment ?? ''])),
    chains: new Map(
      elements('policy').flatMap((each) => (each.chain === undefined ? [] : [[addressOf(each), each.chain]])),
    ),
    judged: new Map(elements('judged').map((each) => [addressOf(each), each.comment ?? ''])),
    grants: readGrants(reader),
  };
}

/** Takes grants out of the kernel. Before the first rules of this process. Throws KernelError. */
export async function endGrants(
  ended: readonly DumpedGrant[],
  kept: readonly DumpedGrant[],
  run: RunProgram = runProgram,
): Promise<void> {
  const keptBySet = Map.groupBy(kept, setOf);
  const lines = [...Map.groupBy(ended, setOf)].flatMap(([set, gone]) => removal(set, gone, keptBySet.get(set) ?? []));
  await applyText(lines.join('\n'), run);
}

/** In one transaction, so that packets see all that stays at every moment. */
function removal(set: string, gone: readonly DumpedGrant[], kept: readonly DumpedGrant[]): string[] {
  if (gone.length < kept.length) {
    const elements = gone.map(keyText);
    // Added first: what expires just now would make a bare removal fail (V5).
    return [...elementLines('add', set, elements), ...elementLines('delete', set, elements)];
  }
  const again = kept.map((grant) => `${keyText(grant)} timeout ${Math.ceil(grant.leftMs)}ms`);
  return [`flush set inet ${TABLE} ${set}`, ...elementLines('add', set, again)];
}

function elementLines(verb: 'add' | 'delete', set: string, elements: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_LINE) {
    lines.push(`${verb} element inet ${TABLE} ${set} { ${elements.slice(at, at + ELEMENTS_PER_LINE).join(', ')} }`);
  }
  return [...lines, ''];
}

function setOf({ classId, pod }: DumpedGrant): string {
  return `grants${formatAddress(pod).includes(':') ? 6 : 4}_${classId}`;
}

function keyText({ pod, destination }: DumpedGrant): string {
  return `${formatAddress(pod)} . ${formatAddress(destination)}`;
}

function addressOf({ key }: DumpedElement): string {
  return formatAddress(key.length === 4 ? Uint8Array.of(...MAPPED, ...key) : key);
}
