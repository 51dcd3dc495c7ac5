// The text of a resolv.conf → the servers that we ask: its `nameserver` lines as resolv.conf(5) and the C library read them, and a problem for
// each that we cannot ask. Options and search lists are its readers' business: our clients have their own.
import type { Problem } from '../base/errors.ts';
import { familyOf, formatAddress, parseAddress } from '../base/ip.ts';
import type { Endpoint } from '../sys/sys.ts';
import { DNS_PORT, MAX_SERVERS } from './config-dns.ts';

export interface ResolvConf {
  /** In the order of the file, none twice. Eight at most: that only three are used is a limit of the C library (MAXNS). */
  readonly servers: readonly Endpoint[];
  /** Nameservers that are ours: a question to one would come back to us. */
  readonly own: readonly Problem[];
  /** Nameservers that cannot be asked, and those beyond the eighth. */
  readonly skipped: readonly Problem[];
}

/** `own` are addresses whose port 53 is ours, canonical text; `file` is only used in places. */
export function readResolvConf(text: string, file: string, own: readonly string[]): ResolvConf {
  const servers = new Map<string, Endpoint>();
  const ours: Problem[] = [];
  const skipped: Problem[] = [];
  text.split('\n').forEach((line, i) => {
    const written = nameserverOf(line);
    if (written === undefined) return;
    const at = `${file}:${i + 1}:1`;
    const skip = (code: string, why: string): void => {
      skipped.push({ code, at, message: `Cannot ask nameserver ${JSON.stringify(written)}: ${why}` });
    };
    const address = parseAddress(written);
    if (address === undefined) {
      // Its interface has a number here and another one in the namespace that the file may come from.
      if (parseAddress(written.replace(/%.*$/, '')) !== undefined)
        skip('scoped-address', 'it holds on one interface only');
      else skip('bad-address', 'it is not an IPv4 or IPv6 address');
      return;
    }
    const canonical = formatAddress(address);
    if (!canBeAsked(address)) skip('bad-address', 'it is not the address of a server');
    else if (own.includes(canonical)) ours.push({ code: 'own-listener', at, message: ownMessage(canonical) });
    else if (servers.size < MAX_SERVERS) servers.set(canonical, { address, port: DNS_PORT });
    else if (!servers.has(canonical)) skip('too-many', `at most ${MAX_SERVERS} are asked`);
  });
  return { servers: [...servers.values()], own: ours, skipped };
}

/** What follows the keyword, which must begin the line; whatever follows the address is a comment. */
function nameserverOf(line: string): string | undefined {
  return /^nameserver[ \t]+([^ \t\r;#]+)/.exec(line)?.[1];
}

/** Unspecified, multicast and broadcast addresses are nobody's, and a link-local IPv6 address without its interface leads nowhere. */
function canBeAsked(address: Uint8Array): boolean {
  const [first = 0, second = 0] = address;
  if (familyOf(address) === 6)
    return address.some((byte) => byte !== 0) && first !== 0xff && !isLinkLocal(first, second);
  const octet = address[12] ?? 0;
  return octet > 0 && octet < 224;
}

/** fe80::/10. */
function isLinkLocal(first: number, second: number): boolean {
  return first === 0xfe && (second & 0xc0) === 0x80;
}

function ownMessage(address: string): string {
  return (
    `Cannot ask nameserver ${address}: it is one of dns.servers, where namewall answers, and the question would come back to it; ` +
    'set dns.upstreams to a file with the servers behind it, such as /run/systemd/resolve/resolv.conf'
  );
}
