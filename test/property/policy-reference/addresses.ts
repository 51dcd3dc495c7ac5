// Addresses as numbers and CIDRs as prefixes of them. Written for the reference alone.

interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

const NAT64 = ['64:ff9b::', '64:ff9b:1::']; // RFC 6052 §2.1, RFC 8215

export function parseAddress(text: string): Address {
  if (!text.includes(':')) return { family: 4, value: BigInt(`0x${text.split('.').map(hexByte).join('')}`) };
  const colons = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a: string, b: string, c: string, d: string) => {
    return `${hexByte(a)}${hexByte(b)}:${hexByte(c)}${hexByte(d)}`;
  });
  const [head = [], tail] = colons.split('::').map(groupsOf);
  const groups =
    tail === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  return { family: 6, value: BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`) };
}

export function isSameAddress(a: string, b: string): boolean {
  const [one, other] = [parseAddress(a), parseAddress(b)];
  return one.family === other.family && one.value === other.value;
}

export function isInRange(address: string, cidr: string): boolean {
  return isRangeInside(`${address}/${address.includes(':') ? 128 : 32}`, cidr);
}

export function isInSomeRange(address: string, cidrs: readonly string[]): boolean {
  return cidrs.some((cidr) => isInRange(address, cidr));
}

/** Whether every address of `inner` is one of `outer`: the bits of the shorter prefix are the same. */
export function isRangeInside(inner: string, outer: string): boolean {
  const [a, b] = [parseCidr(inner), parseCidr(outer)];
  if (a.family !== b.family || a.length < b.length) return false;
  const hostBits = BigInt((a.family === 4 ? 32 : 128) - b.length);
  return a.value >> hostBits === b.value >> hostBits;
}

/** The CIDRs, and those of IPv4 once more as a NAT64 gateway reaches them. */
export function withNat64(cidrs: readonly string[]): string[] {
  return cidrs.flatMap((cidr) => {
    const [address, length] = cidr.split('/');
    if (cidr.includes(':')) return [cidr];
    return [cidr, ...NAT64.map((prefix) => `${prefix}${address}/${96 + Number(length ?? 32)}`)];
  });
}

/** The address, and the IPv4 address that a NAT64 gateway makes of it. */
export function withoutNat64(address: string): string[] {
  if (!NAT64.some((prefix) => isInRange(address, `${prefix}/96`))) return [address];
  const { value } = parseAddress(address);
  return [address, [24n, 16n, 8n, 0n].map((bits) => (value >> bits) & 0xffn).join('.')];
}

/** An address alone is a range of one. */
function parseCidr(cidr: string): Address & { readonly length: number } {
  const [text = '', length] = cidr.split('/');
  const address = parseAddress(text);
  return { ...address, length: Number(length ?? (address.family === 4 ? 32 : 128)) };
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

function hexByte(decimal: string): string {
  return Number(decimal).toString(16).padStart(2, '0');
}

/** The first and the last address of a range, and their neighbours outside it, as text. */
export function edgesOf(cidr: string): string[] {
  const { family, value, length } = parseCidr(cidr);
  const width = family === 4 ? 32 : 128;
  const size = 1n << BigInt(width - length);
  const first = (value / size) * size;
  const edges = [first - 1n, first, first + size - 1n, first + size];
  return edges.filter((each) => each >= 0n && each < 1n << BigInt(width)).map((each) => textOf(each, family));
}

function textOf(value: bigint, family: 4 | 6): string {
  const digits = value.toString(16).padStart(family === 4 ? 8 : 32, '0');
  if (family === 6) return (digits.match(/.{4}/g) ?? []).join(':');
  return (digits.match(/.{2}/g) ?? []).map((byte) => Number.parseInt(byte, 16)).join('.');
}
