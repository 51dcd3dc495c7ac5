// Which addresses no answer opens (design §4, "Never granted"), and which only some names do. Written from the document, with Node's own
// BlockList, apart from src/kernel/protected.ts.
import { BlockList } from 'node:net';

/** Hexadecimal: 8 digits for IPv4, 32 for IPv6, as in a record or in a key of the kernel's sets. */
export type AddressHex = string;

/** `10.0.0.0/8` and the like; an address alone is a range of one. */
function range(text: string): { address: string; prefix: number } {
  const [address = '', prefix] = text.split('/', 2);
  return { address, prefix: prefix === undefined ? (address.includes(':') ? 128 : 32) : Number(prefix) };
}

const NEVER = listOf([
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '100.100.100.200', // the metadata addresses of the large clouds
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
  '::/96',
  '::ffff:0:0/96',
  '2001::/32', // Teredo
  '2002::/16', // 6to4
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]);

/** The well-known prefix of NAT64 (RFC 6052): such an address is judged by the IPv4 address in it. */
const NAT64 = '0064ff9b0000000000000000';

/** Each family by itself: one BlockList would find 192.0.2.1 in ::ffff:0:0/96. */
export interface Ranges {
  readonly ipv4: BlockList;
  readonly ipv6: BlockList;
}

export function listOf(texts: readonly string[]): Ranges {
  const ranges = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const text of texts) {
    const { address, prefix } = range(text);
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    ranges[family].addSubnet(address, prefix, family);
  }
  return ranges;
}

export function isIn({ ipv4, ipv6 }: Ranges, address: AddressHex): boolean {
  if (address.length === 8) return ipv4.check(textOf(address), 'ipv4');
  if (ipv6.check(textOf(address), 'ipv6')) return true;
  return address.startsWith(NAT64) && ipv4.check(textOf(address.slice(NAT64.length)), 'ipv4');
}

export function isNeverGranted(address: AddressHex): boolean {
  return isIn(NEVER, address);
}

export function textOf(address: AddressHex): string {
  if (address.length === 8) return [...Buffer.from(address, 'hex')].join('.');
  return (address.match(/.{4}/g) ?? []).join(':');
}

export function hexOf(text: string): AddressHex {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number)).toString('hex');
  const [head = '', tail] = text.split('::', 2);
  const groups = (part: string): string[] => part.split(':').filter((group) => group !== '');
  const before = groups(head);
  const after = groups(tail ?? '');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('');
}
