// What follows --to: a name or an address with port and protocol, as people write it.
import { parseAddress } from '../../base/ip.ts';
import { parseNameText } from '../../dns/name.ts';
import type { StaticPacket } from '../../policy/static-match.ts';

export interface AskedDestination {
  /** As it was meant: `api.example.org:443/tcp`. */
  readonly text: string;
  /** Wire form; absent: an address was written. */
  readonly name?: Uint8Array;
  readonly address?: Uint8Array;
  readonly packet: Pick<StaticPacket, 'protocol' | 'port'>;
}

const SCHEMES: Readonly<Record<string, number>> = {
  ftp: 21,
  git: 9418,
  http: 80,
  https: 443,
  ldap: 389,
  ldaps: 636,
  ssh: 22,
};
const WITH_PORTS = ['tcp', 'udp', 'sctp'] as const;
/** Echo request: what ping sends. */
const ECHO = { icmp: 8, icmpv6: 128 } as const;
const LAST_PORT = 65_535;
const EXAMPLE = 'for example api.example.org:443/tcp or 192.0.2.1:53/udp';

/** A text says what is wrong. */
export function readDestination(written: string): AskedDestination | string {
  const url = /^([a-z][-+.a-z0-9]*):\/\/(?:[^/?#@]*@)?([^/?#]+)/.exec(written);
  const text = url === null ? written : url[2]!;
  const [, rest = '', protocol = 'tcp'] = /^(.*?)(?:\/([a-zA-Z0-9]+))?$/.exec(text) ?? [];
  const [host, port] = splitPort(rest);
  const address = parseAddress(host);
  const name = address === undefined ? parseNameText(host) : undefined;
  if (host === '' || (address === undefined && (name === undefined || /[:/@*\s]/.test(host)))) {
    return `${JSON.stringify(written)} is neither a name nor an address: write one NAME:PORT or ADDRESS:PORT, ${EXAMPLE}`;
  }
  if (address === undefined && isNumber(host)) {
    return `${JSON.stringify(written)} is no name, and programs differ in which address they take it for: write the address as four numbers, ${EXAMPLE}`;
  }
  const packet = readPacket(protocol.toLowerCase(), port ?? (url === null ? undefined : SCHEMES[url[1]!]?.toString()));
  if (typeof packet === 'string') return packet;
  const shown = address !== undefined && host.includes(':') ? `[${host}]` : host;
  const meant = `${shown}:${packet.port}/${packet.protocol}`;
  return address === undefined ? { text: meant, name: name!, packet } : { text: meant, address, packet };
}

/** What inet_aton(3) and browsers take for an IPv4 address: the last label is a number. */
function isNumber(host: string): boolean {
  return /(?:^|\.)(?:\d+|0[xX][\da-fA-F]*)\.?$/.test(host);
}

/** Host and port; an IPv6 address with a port stands in brackets. */
function splitPort(text: string): [host: string, port: string | undefined] {
  const [, bracketed, after] = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return [bracketed, after];
  if (parseAddress(text) !== undefined) return [text, undefined];
  const colon = text.lastIndexOf(':');
  return colon < 0 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

function readPacket(protocol: string, port: string | undefined): AskedDestination['packet'] | string {
  const named = WITH_PORTS.find((each) => each === protocol);
  if (named !== undefined) {
    if (port === undefined) return `write the port, ${EXAMPLE}`;
    if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > LAST_PORT)
      return `${JSON.stringify(port)} is no port: 1 to 65535`;
    return { protocol: named, port: Number(port) };
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    if (port !== undefined && (!/^\d{1,3}$/.test(port) || Number(port) > 255)) {
      return `${JSON.stringify(port)} is no type of ${protocol}: 0 to 255`;
    }
    return { protocol, port: port === undefined ? ECHO[protocol] : Number(port) };
  }
  if (/^\d{1,3}$/.test(protocol) && Number(protocol) <= 255 && port === undefined) {
    return { protocol: Number(protocol), port: 0 };
  }
  return `${JSON.stringify(protocol)} is no protocol: write tcp, udp, sctp, icmp, icmpv6 or a number (without a port)`;
}
