// Pods in audit mode, as nft text: elements of the sets that the chains of denial ask (deny.ts). Each has its own end, so that the kernel ends
// it when nobody else does. Pure.
import type { Family } from '../base/ip.ts';
import { addressesOf, TABLE } from './nft-text.ts';

export interface AuditedAddress {
  /** Canonical text. */
  readonly address: string;
  /** More than 0; Infinity: until it is taken away. */
  readonly leftMs: number;
}

const FAMILIES = [4, 6] as const;
const ELEMENTS_PER_LINE = 200;

/** From now on these, and no others, in one transaction: a packet finds the old ones or the new ones. Throws KernelError `bad-input`. */
export function auditedText(addresses: readonly AuditedAddress[]): string {
  return FAMILIES.map((family) => `flush set inet ${TABLE} audited${family}\n${addText(addresses, family)}`).join('');
}

function addText(addresses: readonly AuditedAddress[], family: Family): string {
  const elements = addresses.flatMap(({ address, leftMs }) =>
    addressesOf([address], family).map((own) => `${own}${timeoutText(leftMs)}`),
  );
  const lines: string[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_LINE) {
    const some = elements.slice(at, at + ELEMENTS_PER_LINE).join(', ');
    lines.push(`add element inet ${TABLE} audited${family} { ${some} }\n`);
  }
  return lines.join('');
}

/** A timeout of 0 would be none at all (V1), and nft reads at most eight digits of each unit. */
function timeoutText(leftMs: number): string {
  if (leftMs === Infinity) return '';
  const ms = Math.max(1, Math.ceil(leftMs));
  return ` timeout ${Math.floor(ms / 1000)}s${ms % 1000}ms`;
}
