// The policy routing that brings intercepted packets to our sockets: one rule for the mark, one local route for each server, both
// families. Never `local default`: it breaks reverse-path checks that honour marks (V20).
import { KernelError } from './kernel-error.ts';
import { addressesOf } from './nft-text.ts';
import { runProgram } from './program.ts';
import type { RunProgram } from './program.ts';

export interface Routing {
  /** The bit of the packet mark (ruleset.ts). */
  readonly mark: number;
  /** Routing table of our own: everything in it is ours. */
  readonly table: number;
  readonly dnsServers: readonly string[];
}

// Ahead of every CNI's (V20); the kernel's own rule for table local is 0.
const PREFERENCE = 100;
const FAMILIES = [4, 6] as const;
// Each pass takes one copy away; more copies than this are another program's doing.
const MAX_COPIES = 1_000;

/** Makes rule and routes what `routing` says, adding and removing only differences. Throws KernelError. */
export async function ensureRoutes(routing: Routing, run: RunProgram = runProgram): Promise<void> {
  for (const family of FAMILIES) {
    const servers = addressesOf(routing.dnsServers, family);
    await ensureLocalRoutes(run, family, routing.table, servers);
    await ensureRule(run, family, routing, servers.length > 0 ? 1 : 0);
  }
}

/** Takes every rule for the mark and table and every route in the table away; nothing to take is no error. Throws KernelError. */
export async function removeRoutes(routing: Omit<Routing, 'dnsServers'>, run: RunProgram = runProgram): Promise<void> {
  for (const family of FAMILIES) {
    await ensureRule(run, family, routing, 0);
    await ensureLocalRoutes(run, family, routing.table, []);
  }
}

async function ensureRule(
  run: RunProgram,
  family: 4 | 6,
  { mark, table }: Omit<Routing, 'dnsServers'>,
  wanted: 0 | 1,
): Promise<void> {
  const hex = `0x${mark.toString(16)}`;
  const rule = ['pref', `${PREFERENCE}`, 'fwmark', `${hex}/${hex}`, 'lookup', `${table}`];
  let copies = await countRules(run, family, mark, table);
  if (copies > MAX_COPIES) throw new KernelError('ip', `Cannot remove ${copies} copies of rule "${rule.join(' ')}"`);
  for (; copies > wanted; copies--) await run('ip', [`-${family}`, 'rule', 'del', ...rule]);
  if (copies < wanted) await run('ip', [`-${family}`, 'rule', 'add', ...rule]);
}

async function countRules(run: RunProgram, family: 4 | 6, mark: number, table: number): Promise<number> {
  const listing = await run('ip', ['-j', '-N', `-${family}`, 'rule', 'show', 'pref', `${PREFERENCE}`]);
  return parseList(listing).filter(
    (rule) => Number(rule['fwmark']) === mark && Number(rule['fwmask']) === mark && Number(rule['table']) === table,
  ).length;
}

async function ensureLocalRoutes(run: RunProgram, family: 4 | 6, table: number, servers: string[]): Promise<void> {
  const present = await localRoutes(run, family, table);
  for (const address of present.filter((old) => !servers.includes(old))) {
    await run('ip', [`-${family}`, 'route', 'del', 'local', address, 'dev', 'lo', 'table', `${table}`]);
  }
  for (const address of servers.filter((server) => !present.includes(server))) {
    await run('ip', [`-${family}`, 'route', 'replace', 'local', address, 'dev', 'lo', 'table', `${table}`]);
  }
}

async function localRoutes(run: RunProgram, family: 4 | 6, table: number): Promise<string[]> {
  const listing = await listTable(run, family, table);
  return parseList(listing).flatMap((route) =>
    route['type'] === 'local' && typeof route['dst'] === 'string' ? [route['dst']] : [],
  );
}

/** A table that never held a route does not exist, which `ip` reports as an error. */
async function listTable(run: RunProgram, family: 4 | 6, table: number): Promise<string> {
  try {
    return await run('ip', ['-j', `-${family}`, 'route', 'show', 'table', `${table}`]);
  } catch (error) {
    if (error instanceof KernelError && error.message.includes('FIB table does not exist')) return '';
    throw error;
  }
}

function parseList(listing: string): Record<string, unknown>[] {
  if (listing.trim() === '') return [];
  const list: unknown = JSON.parse(listing);
  if (!Array.isArray(list)) throw new KernelError('ip', `Cannot read the listing of ip: ${listing.slice(0, 80)}`);
  return list.filter(isRecord);
}

function isRecord(entry: unknown): entry is Record<string, unknown> {
  return typeof entry === 'object' && entry !== null;
}
