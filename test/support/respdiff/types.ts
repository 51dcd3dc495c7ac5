// Mnemonics of types as the IANA registry has them, for those that src/dns has no name for: a test's own list, since namewall needs none.
import { typeFromName, typeName } from '../../../src/dns/codes.ts';

const OTHERS: Readonly<Record<string, number>> = {
  WKS: 11,
  X25: 19,
  ISDN: 20,
  A6: 38,
  APL: 42,
  IPSECKEY: 45,
  DHCID: 49,
  SMIMEA: 53,
  HIP: 55,
  CDS: 59,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SPF: 99,
  NID: 104,
  L32: 105,
  L64: 106,
  LP: 107,
  EUI48: 108,
  EUI64: 109,
};

export function numberOf(type: string): number {
  const number = OTHERS[type] ?? typeFromName(type);
  if (number === undefined) throw new Error(`Unknown type ${type}`);
  return number;
}

export function mnemonicOf(type: number): string {
  return Object.entries(OTHERS).find(([, number]) => number === type)?.[0] ?? typeName(type);
}
