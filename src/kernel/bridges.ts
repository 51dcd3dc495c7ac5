// Which interfaces are ports of a bridge, and whether what passes the bridge passes netfilter: without that, clients behind one bridge reach
// each other unseen, and their DNS is never intercepted (V21).
import { readFileSync, writeFileSync } from 'node:fs';
import { runProgram } from './program.ts';
import type { RunProgram } from './program.ts';

const SWITCHES = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables'];

/** Port → bridge. Throws KernelError. */
export async function bridgePorts(run: RunProgram = runProgram): Promise<ReadonlyMap<string, string>> {
  const links: unknown = JSON.parse((await run('ip', ['-j', '-d', 'link', 'show'])) || '[]');
  const ports = (Array.isArray(links) ? links : []).flatMap((link: unknown): [string, string][] => {
    if (!isRecord(link) || typeof link['ifname'] !== 'string' || typeof link['master'] !== 'string') return [];
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
  const listing: unknown = JSON.parse((await run('ip', ['-j', '-6', 'addr', 'show', 'scope', 'link'])) || '[]');
  return (Array.isArray(listing) ? listing : []).flatMap((link: unknown) => {
    if (!isRecord(link) || !interfaces.has(String(link['ifname'])) || !Array.isArray(link['addr_info'])) return [];
    return link['addr_info'].flatMap((each: unknown) =>
      isRecord(each) && typeof each['local'] === 'string' ? [each['local']] : [],
    );
  });
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
