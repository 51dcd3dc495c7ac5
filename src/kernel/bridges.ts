// Which interfaces lead to clients, which are ports of a bridge, and whether what passes the bridge passes netfilter: without that, clients
// behind one bridge reach each other unseen, and their DNS is never intercepted (V21).
import { readFileSync, writeFileSync } from 'node:fs';
import { canonicalAddress, parseAddress } from '../base/ip.ts';
import { runProgram } from './program.ts';
import type { RunProgram } from './program.ts';
import { parseCidr } from './protected.ts';

const SWITCHES = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables'];

/** Port → bridge. Throws KernelError. */
export async function bridgePorts(run: RunProgram = runProgram): Promise<ReadonlyMap<string, string>> {
  const ports = (await list(run, '-d', 'link', 'show')).flatMap((link): [string, string][] => {
    if (typeof link['ifname'] !== 'string' || typeof link['master'] !== 'string') return [];
    const info = isRecord(link['linkinfo']) ? link['linkinfo'] : {};
    return info['info_slave_kind'] === 'bridge' ? [[link['ifname'], link['master']]] : [];
  });
  return new Map(ports);
}

/** Link-local addresses of the node itself on these interfaces: nobody behind them may claim one. Throws KernelError. */
export async function linkLocalAddresses(
  interfaces: ReadonlySet<string>,
  run: RunProgram = runProgram,
): Promise<string[]> {
  return (await list(run, '-6', 'addr', 'show', 'scope', 'link')).flatMap((link) => {
    if (!interfaces.has(String(link['ifname'])) || !Array.isArray(link['addr_info'])) return [];
    return link['addr_info'].flatMap((each: unknown) =>
      isRecord(each) && typeof each['local'] === 'string' ? [each['local']] : [],
    );
  });
}

/**
 * Interfaces that these addresses (canonical text) are behind: those of host routes, and bridges in whose networks they lie. Never one with a
 * default route: others than clients send from there. Throws KernelError.
 */
export async function linksTo(addresses: readonly string[], run: RunProgram = runProgram): Promise<string[]> {
  if (addresses.length === 0) return [];
  const links = await list(run, 'link', 'show', 'type', 'bridge');
  const bridges = new Set(links.map((link) => link['ifname']));
  const routes = await list(run, 'route', 'show', 'table', 'all');
  const uplinks = new Set(routes.flatMap((route) => (route['dst'] === 'default' ? devicesOf(route) : [])));
  const wanted = new Set(addresses);
  const leads = ({ dst, dev }: OnLink): boolean =>
    wanted.has(canonicalAddress(dst) ?? '') || (bridges.has(dev) && addresses.some(isWithin(dst)));
  const found = routes.flatMap(onLink).flatMap((route) => (leads(route) ? [route.dev] : []));
  return [...new Set(found).difference(uplinks)].toSorted();
}

interface OnLink {
  readonly dst: string;
  readonly dev: string;
}

/** Without a gateway in between: what is behind one is no neighbour. */
function onLink({ type = 'unicast', dst, dev, gateway, via }: Record<string, unknown>): OnLink[] {
  const isDirect = type === 'unicast' && gateway === undefined && via === undefined;
  return isDirect && typeof dst === 'string' && typeof dev === 'string' && dst !== 'default' ? [{ dst, dev }] : [];
}

/** One, or one of each next hop. */
function devicesOf({ dev, nexthops }: Record<string, unknown>): string[] {
  const hops: unknown[] = Array.isArray(nexthops) ? nexthops : [];
  const devices = [dev, ...hops.map((hop) => (isRecord(hop) ? hop['dev'] : undefined))];
  return devices.filter((device) => typeof device === 'string');
}

function isWithin(cidr: string): (address: string) => boolean {
  const { first, last } = parseCidr(cidr);
  return (address) => {
    const bytes = parseAddress(address);
    return bytes !== undefined && Buffer.compare(first, bytes) <= 0 && Buffer.compare(bytes, last) <= 0;
  };
}

/**
 * Makes bridged packets pass netfilter, where that is allowed. Undefined when they do; else the command that an administrator must run.
 * The settings are this network namespace's own (since Linux 5.3).
 */
export function passBridgedPackets(folder = '/proc/sys/net/bridge'): string | undefined {
  const missing = SWITCHES.filter((name) => readSetting(`${folder}/${name}`) !== '1');
  for (const name of missing) {
    try {
      writeFileSync(`${folder}/${name}`, '1\n');
    } catch {
      // A read-only /proc/sys, or no such module: whoever may change it is told how.
    }
  }
  const refused = SWITCHES.filter((name) => readSetting(`${folder}/${name}`) !== '1');
  if (refused.length === 0) return undefined;
  return `modprobe br_netfilter && sysctl -w ${refused.map((name) => `net.bridge.${name}=1`).join(' ')}`;
}

function readSetting(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

async function list(run: RunProgram, ...args: readonly string[]): Promise<Record<string, unknown>[]> {
  const listing: unknown = JSON.parse((await run('ip', ['-j', ...args])) || '[]');
  return Array.isArray(listing) ? listing.filter(isRecord) : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
