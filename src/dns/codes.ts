// The numbers of the DNS protocol that namewall names, as the IANA registries list them. Numbers stay numbers on the hot path;
// the names here are for people and for configuration.

/** RFC 1035 §4.1.1: every message starts with a header of this size. */
export const HEADER_BYTES = 12;
/** RFC 1035 §3.1: a name on the wire, its length bytes and the root's zero byte included. */
export const MAX_NAME_BYTES = 255;
/** RFC 1035 §3.1. */
export const MAX_LABEL_BYTES = 63;
/** RFC 1035 §4.2.1: what a client without OPT accepts over UDP, and the least that a smaller OPT means (RFC 6891 §6.2.3). */
export const MIN_UDP_BYTES = 512;
/** What we advertise and the most we send over UDP: it fits IPv6's least MTU, so nothing is fragmented (RFC 9715 §3.2). */
export const EDNS_PAYLOAD_BYTES = 1232;
/** RFC 7766 §8: the two-byte length over TCP allows no more. */
export const MAX_MESSAGE_BYTES = 65_535;

/** Bits and fields of the header's second 16-bit word (RFC 1035 §4.1.1, RFC 4035 §3 for AD and CD). */
export const FLAG = {
  QR: 0x8000,
  OpcodeMask: 0x7800,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  Z: 0x0040,
  AD: 0x0020,
  CD: 0x0010,
  RcodeMask: 0x000f,
} as const;

/** RFC 6891 §6.1.4: the DO bit in the OPT record's extended flags. */
export const EDNS_DO = 0x8000;

export const OPCODE = { Query: 0, IQuery: 1, Status: 2, Notify: 4, Update: 5, Dso: 6 } as const;

export const CLASS = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const;

export const TYPE = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  SIG: 24,
  KEY: 25,
  PX: 26,
  AAAA: 28,
  LOC: 29,
  NXT: 30,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  URI: 256,
  CAA: 257,
} as const;

/** Above 15 the upper eight bits travel in OPT (RFC 6891 §6.1.3). */
export const RCODE = {
  NoError: 0,
  FormErr: 1,
  ServFail: 2,
  NXDomain: 3,
  NotImp: 4,
  Refused: 5,
  YXDomain: 6,
  NotAuth: 9,
  BadVers: 16,
  BadCookie: 23,
} as const;

/** EDNS option codes whose contents we look at. Every other option is ignored and never passed on (RFC 6891 §6.1.2). */
export const EDNS_OPTION = { ClientSubnet: 8, Cookie: 10, ExtendedError: 15 } as const;

/** Extended DNS Errors that we send (RFC 8914 §4). */
export const EDE = {
  Other: 0,
  StaleAnswer: 3,
  CachedError: 13,
  NotReady: 14,
  Blocked: 15,
  Filtered: 17,
  Prohibited: 18,
  NotAuthoritative: 20,
  NotSupported: 21,
  NoReachableAuthority: 22,
  NetworkError: 23,
} as const;

const typeNames = new Map<number, string>(Object.entries(TYPE).map(([name, value]) => [value, name]));
const rcodeNames = new Map<number, string>(Object.entries(RCODE).map(([name, value]) => [value, name.toUpperCase()]));

/** `A`, or `TYPE65280` for a type that has no name here (RFC 3597 §5). */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}

/** The number of a type's mnemonic in any case, or of `TYPE123`; undefined when it is neither. */
export function typeFromName(name: string): number | undefined {
  // Only ASCII letters are folded: toUpperCase() turns U+017F into S and would invent a second spelling.
  if (!/^[a-z0-9]{1,10}$/i.test(name)) return undefined;
  const upper = name.toUpperCase();
  if (Object.hasOwn(TYPE, upper)) return TYPE[upper as keyof typeof TYPE]; // hasOwn has just proved the key
  const digits = /^TYPE(0|[1-9][0-9]{0,4})$/.exec(upper)?.[1];
  if (digits === undefined) return undefined;
  const type = Number(digits);
  return type <= 0xffff ? type : undefined;
}

/** `NXDOMAIN`, or `RCODE3841` for a code that has no name here. */
export function rcodeName(rcode: number): string {
  return rcodeNames.get(rcode) ?? `RCODE${rcode}`;
}
