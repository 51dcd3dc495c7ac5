// By which policy the open connections of each pod were judged last, kept in the kernel (sets `judged4`, `judged6`, asked by no rule): a process that
// ends between a change of rules and the judging of what is open leaves it to the next one, which must know.
import type { Family } from '../base/ip.ts';
import { addressesOf, TABLE } from './nft-text.ts';

const FAMILIES: readonly Family[] = [4, 6];
const PER_LINE = 200;

/** Address → a hash of what judged it, hexadecimal digits. Replaces what was there, in one transaction. Throws KernelError `bad-input`. */
export function judgedText(judged: ReadonlyMap<string, string>): string {
  return FAMILIES.flatMap((family) => {
    const elements = addressesOf([...judged.keys()], family).map(
      (address) => `${address} comment "${judged.get(address)}"`,
    );
    const lines = [`flush set inet ${TABLE} judged${family}`];
    for (let at = 0; at < elements.length; at += PER_LINE) {
      lines.push(`add element inet ${TABLE} judged${family} { ${elements.slice(at, at + PER_LINE).join(', ')} }`);
    }
    return [...lines, ''];
  }).join('\n');
}
