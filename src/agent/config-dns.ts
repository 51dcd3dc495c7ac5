// The part of namewall.yaml about DNS: whom we ask for which names, and what a client may ask and is given. Every key of `dns`, its default
// and its check; which addresses clients ask, each mode reads for itself.
import { resolve } from 'node:path';
import { formatAddress } from '../base/ip.ts';
import type { Denial, UpstreamZone } from '../datapath/settings.ts';
import type { Endpoint } from '../sys/sys.ts';
import type { Fields } from './config-fields.ts';
import { canonicalUpstreamZone } from './config-values.ts';

/** Servers, or the file that names them as resolv.conf(5) does: an absolute path, followed while we run. */
export type Upstreams = readonly Endpoint[] | { readonly file: string };

export interface AnsweringConfig {
  readonly whenDown: 'closed' | 'bypass';
  readonly denial: Denial;
  readonly queriesPerSecond: number;
  readonly newNamesPerSecond: number;
  readonly hints: 'grant' | 'strip';
  readonly maxAddresses: number;
}

export const DNS_KEYS = [
  'servers',
  'upstreams',
  'zones',
  'whenDown',
  'denied',
  'queriesPerSecond',
  'newNamesPerSecond',
  'hints',
  'maxAddresses',
];
export const DNS_PORT = 53;
/** Of one zone: the data plane asks no more (src/datapath/README.md). */
export const MAX_SERVERS = 8;
/** The data plane takes 16 zones, and `.` is one. */
export const MAX_ZONES = 15;
const RESOLV_CONF = '/etc/resolv.conf';

export function readAnswering(dns: Fields): AnsweringConfig {
  return {
    whenDown: dns.choice('whenDown', ['closed', 'bypass']),
    denial: dns.choice('denied', ['nxdomain', 'refused', 'nodata', 'drop']),
    // One pod's share of the socket that all share. A busy pod asks some hundreds a second; the loop answers several times this.
    queriesPerSecond: dns.integer('queriesPerSecond', 20_000, 1, 1_000_000),
    newNamesPerSecond: dns.integer('newNamesPerSecond', 1_000, 1, 1_000_000),
    hints: dns.choice('hints', ['grant', 'strip']),
    // 100 addresses of a name always work.
    maxAddresses: dns.integer('maxAddresses', 256, 100, 4_000),
  };
}

/** Whom names are asked of that no zone has. Paths are relative to `folder`; `own` are addresses whose port 53 is ours. */
export function readUpstreams(dns: Fields, folder: string, own: readonly string[]): Upstreams {
  const text = dns.scalarText('upstreams');
  if (!dns.has('upstreams') || text === 'resolv.conf') return { file: RESOLV_CONF };
  if (text !== undefined && /^\.{0,2}\//.test(text)) return { file: resolve(folder, text) };
  return readServers(dns, 'upstreams', own, ', nor the word resolv.conf or the path of such a file on its own');
}

/** `{ ZONE: SERVER, ZONE: [SERVER, …] }` */
export function readZones(dns: Fields, own: readonly string[]): UpstreamZone[] {
  if (!dns.has('zones')) return [];
  if (!dns.isMap('zones')) {
    dns.problem('zones', 'bad-type', 'dns.zones must be a mapping of zones to servers: {corp.example: [10.0.0.53]}');
    return [];
  }
  const keys = dns.keysOf('zones');
  if (keys.length > MAX_ZONES) {
    dns.problem('zones', 'bad-value', `Remove zones of dns.zones: ${keys.length} are listed, at most ${MAX_ZONES}`);
  }
  const fields = dns.map('zones', keys);
  const zones = keys.map((key) => ({ zone: readZoneName(fields, key), servers: readServers(fields, key, own) }));
  zones.forEach(({ zone }, i) => {
    if (zones.findIndex((each) => each.zone === zone) === i) return;
    fields.problem(
      keys[i] ?? '',
      'bad-value',
      `Remove ${JSON.stringify(keys[i])} of dns.zones: ${zone} stands already`,
    );
  });
  return zones;
}

function readZoneName(zones: Fields, key: string): string {
  const zone = canonicalUpstreamZone(key);
  if (zone !== undefined) return zone;
  const why = key === '.' ? 'is every name: list its servers in dns.upstreams' : 'is not a zone such as corp.example';
  zones.problem(key, 'bad-value', `dns.zones: ${JSON.stringify(key)} ${why}`);
  return key;
}

/** `or` is what else may stand there. */
function readServers(fields: Fields, key: string, own: readonly string[], or = ''): Endpoint[] {
  const servers = fields.endpoints(key, DNS_PORT, or);
  if (servers.length > MAX_SERVERS) {
    fields.problem(
      key,
      'bad-value',
      `Remove servers of ${fields.nameOf(key)}: ${servers.length} are listed, at most ${MAX_SERVERS}`,
    );
  }
  // What is asked of a server that we stand in front of would come back to us.
  for (const text of servers.flatMap(({ address, port }) => (port === DNS_PORT ? formatAddress(address) : []))) {
    if (!own.includes(text)) continue;
    const why = 'it is one of dns.servers, so namewall would ask itself';
    fields.problem(key, 'own-listener', `Remove ${text} from ${fields.nameOf(key)}: ${why}`);
  }
  return servers;
}
