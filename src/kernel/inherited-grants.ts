// Grants outlive the process that made them, and the pods that they were made for may be gone when the next one starts: then another pod may have
// the address already, or get it tomorrow (I4). The kernel itself says whose they were: the sets `owners4` and `owners6`, which no rule asks.
import { canonicalAddress } from '../base/ip.ts';
import { applyText, listObjects } from './apply.ts';
import { TABLE } from './nft-text.ts';
import { runProgram } from './program.ts';
import type { RunProgram } from './program.ts';

const OWNER_SETS = ['owners4', 'owners6'];
const ELEMENTS_PER_LINE = 100;

interface Granted {
  readonly pod: string;
  readonly destination: string;
  /** What is left of it, whole seconds. */
  readonly seconds: number;
}

/**
 * Removes the grants of every address whose owner is not the one in `owners` (canonical address → ruleset.ts, owner). Call it before the first
 * rules. The number of grants that were removed; those that could not be told from them are among them. Throws KernelError.
 */
export async function endInheritedGrants(
  owners: ReadonlyMap<string, string>,
  run: RunProgram = runProgram,
): Promise<number> {
  const { sets } = await listObjects(run);
  const grants = sets.filter((name) => /^grants[46]_/.test(name));
  if (grants.length === 0) return 0;
  const former = await formerOwners(sets, run);
  const isKept = (pod: string): boolean => former.has(pod) && former.get(pod) === owners.get(pod);
  // Whoever was granted anything stands in that record, so that all there is is theirs still; listing it would take 2 s for 100,000.
  if (former.size > 0 && [...former.keys()].every(isKept)) return 0;
  let ended = 0;
  for (const name of grants) {
    const all = await listGrants(name, run);
    const kept = all.filter(({ pod, seconds }) => isKept(pod) && seconds > 0); // a timeout of 0 would be none (V1)
    if (kept.length === all.length) continue;
    ended += all.length - kept.length;
    // Out and in again as one transaction: packets see all that stays, at every moment; and a removal of what expires just now would fail (V5).
    await applyText([`flush set inet ${TABLE} ${name}`, ...additions(name, kept), ''].join('\n'), run);
  }
  return ended;
}

async function formerOwners(sets: readonly string[], run: RunProgram): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of OWNER_SETS.filter((each) => sets.includes(each))) {
    for (const element of await listElements(name, run)) {
      const address = typeof element['val'] === 'string' ? canonicalAddress(element['val']) : undefined;
      if (address !== undefined) found.set(address, String(element['comment']));
    }
  }
  return found;
}

async function listGrants(name: string, run: RunProgram): Promise<Granted[]> {
  return (await listElements(name, run)).map((element): Granted => {
    const value = isRecord(element['val']) ? element['val']['concat'] : undefined;
    const [pod, destination] = Array.isArray(value) ? value.map(String) : [];
    const seconds = Number(element['expires'] ?? 0);
    return { pod: canonicalAddress(pod ?? '') ?? '', destination: destination ?? '', seconds };
  });
}

/** The elements of a set, without those that have neither lifetime nor comment: nft prints such as bare values, and ours all have one. */
async function listElements(name: string, run: RunProgram): Promise<Record<string, unknown>[]> {
  const listing: unknown = JSON.parse(await run('nft', ['-j', 'list', 'set', 'inet', TABLE, name]));
  const entries = isRecord(listing) && Array.isArray(listing['nftables']) ? listing['nftables'] : [];
  const set: unknown = entries.map((entry: unknown) => (isRecord(entry) ? entry['set'] : undefined)).find(isRecord);
  const elements = isRecord(set) && Array.isArray(set['elem']) ? set['elem'] : [];
  return elements.map((each: unknown) => (isRecord(each) && isRecord(each['elem']) ? each['elem'] : {}));
}

function additions(name: string, kept: readonly Granted[]): string[] {
  const elements = kept.map(({ pod, destination, seconds }) => `${pod} . ${destination} timeout ${seconds}s`);
  const lines: string[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_LINE) {
    lines.push(`add element inet ${TABLE} ${name} { ${elements.slice(at, at + ELEMENTS_PER_LINE).join(', ')} }`);
  }
  return lines;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
