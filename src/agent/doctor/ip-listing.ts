// What the `ip` program says: interfaces, our routing table, policy rules, and where clients live.
import { KernelError } from '../../kernel/kernel-error.ts';
import { TABLE } from '../../kernel/nft-text.ts';
import type { RunProgram } from '../../kernel/program.ts';
import type { Listing } from './nft-listing.ts';

export interface Link {
  readonly name: string;
  /** `bridge`, `veth` and so on; empty for real hardware. */
  readonly kind: string;
  /** The bridge or bond that it belongs to. */
  readonly master?: string;
  /** Of a bridge: whether it hands its IPv4 and IPv6 packets to netfilter whatever the sysctl says. */
  readonly callsNetfilter: { readonly v4: boolean; readonly v6: boolean };
}

export interface Route {
  readonly family: 4 | 6;
  /** `local`, `unicast` and so on. */
  readonly type: string;
  /** An address, a range or `default`. */
  readonly destination: string;
}

export interface Client {
  readonly address: string;
  readonly device: string;
}

export interface PolicyRule {
  readonly family: 4 | 6;
  readonly preference: number;
  /** As `ip rule add` takes it. */
  readonly selector: string;
}

// One `ip` each; they share few devices.
const MOST_CLIENTS = 16;

export async function linksOf(run: RunProgram): Promise<Link[]> {
  return records(await run('ip', ['-j', '-d', 'link', 'show'])).map((link) => {
    const info = isRecord(link['linkinfo']) ? link['linkinfo'] : {};
    const data = isRecord(info['info_data']) ? info['info_data'] : {};
    return {
      name: textOf(link['ifname']) ?? '',
      kind: typeof info['info_kind'] === 'string' ? info['info_kind'] : '',
      ...(typeof link['master'] === 'string' ? { master: link['master'] } : {}),
      callsNetfilter: { v4: Number(data['nf_call_iptables']) > 0, v6: Number(data['nf_call_ip6tables']) > 0 },
    };
  });
}

export async function localRoutesOf(run: RunProgram, table: number): Promise<Route[]> {
  const routes: Route[] = [];
  for (const family of [4, 6] as const) {
    // A table that never held a route does not exist, which `ip` reports as an error.
    const listing = await run('ip', ['-j', `-${family}`, 'route', 'show', 'table', `${table}`]).catch(empty);
    for (const route of records(listing)) {
      routes.push({ family, type: textOf(route['type']) ?? 'unicast', destination: textOf(route['dst']) ?? '' });
    }
  }
  return routes;
}

/** In the order in which the kernel asks them. */
export async function policyRulesOf(run: RunProgram): Promise<PolicyRule[]> {
  const rules: PolicyRule[] = [];
  for (const family of [4, 6] as const) {
    for (const line of (await run('ip', ['-N', `-${family}`, 'rule', 'show'])).split('\n')) {
      const [, preference, selector] = /^(\d+):\s+(.+?)\s*$/.exec(line) ?? [];
      if (selector !== undefined) rules.push({ family, preference: Number(preference), selector });
    }
  }
  return rules;
}

export async function clientsOf(run: RunProgram, { objects }: Listing): Promise<Client[]> {
  const clients: Client[] = [];
  for (const set of ['intercepted4', 'intercepted6']) {
    if (!objects.some((object) => object.table === TABLE && object.name === set)) continue;
    // One set by its name costs 3 ms, whatever stands in the others.
    const addresses = elements(await run('nft', ['-j', 'list', 'set', 'inet', TABLE, set])).slice(0, MOST_CLIENTS);
    for (const address of addresses) {
      const [route] = records(await run('ip', ['-j', 'route', 'get', address]).catch(empty));
      if (typeof route?.['dev'] === 'string') clients.push({ address, device: route['dev'] });
    }
  }
  return clients;
}

/**
 * How the kernel routes what `client` sends to `server` once it carries `mark`: `local`, another type, or why it does
 * not.
 */
export async function routeOf(run: RunProgram, server: string, client: Client, mark: number): Promise<string> {
  const from = ['from', client.address, 'iif', client.device, 'mark', `${mark}`];
  try {
    const [route] = records(await run('ip', ['-j', 'route', 'get', server, ...from]));
    return textOf(route?.['type']) ?? `forwarded to ${textOf(route?.['dev'])}`;
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'ip') throw error;
    return error.message.replace('RTNETLINK answers: ', '');
  }
}

function elements(listing: string): string[] {
  const parsed: unknown = JSON.parse(listing);
  const entries = isRecord(parsed) && Array.isArray(parsed['nftables']) ? parsed['nftables'].filter(isRecord) : [];
  return entries.flatMap(({ set }) => {
    const found = isRecord(set) && Array.isArray(set['elem']) ? set['elem'] : [];
    return found.filter((element) => typeof element === 'string');
  });
}

function empty(error: unknown): string {
  if (error instanceof KernelError && error.code === 'ip') return '';
  throw error;
}

function records(listing: string): Record<string, unknown>[] {
  const list: unknown = listing.trim() === '' ? [] : JSON.parse(listing);
  return Array.isArray(list) ? list.filter(isRecord) : [];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function isRecord(entry: unknown): entry is Record<string, unknown> {
  return typeof entry === 'object' && entry !== null;
}
