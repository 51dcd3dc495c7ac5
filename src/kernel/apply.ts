// Hands nft text to the kernel as one transaction, and lists what the kernel has of our table. Listings never ask for elements: with
// 100,000 grants `nft list table` and even `nft list tables` take 0.7 s, terse listings of sets, maps and chains 5 ms each.
import { KernelError } from './kernel-error.ts';
import { TABLE } from './nft-text.ts';
import { runProgram } from './program.ts';
import type { RunProgram } from './program.ts';
import type { TableObjects } from './ruleset.ts';

/** Applies `text` whole or not at all. Throws KernelError with nft's message and the line of text that it means. */
export async function applyText(text: string, run: RunProgram = runProgram): Promise<void> {
  if (text === '') return;
  try {
    await run('nft', ['-f', '-'], text);
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'nft') throw error;
    throw new KernelError('nft', `Cannot apply the ruleset: ${firstComplaint(error.message)}`, { cause: error });
  }
}

/** The sets, maps and chains of our table, nothing known of elements; empty lists when there is no table. */
export async function listObjects(run: RunProgram = runProgram): Promise<TableObjects> {
  const [sets, maps, chains, hasBridgeGuard] = await Promise.all([
    listNames(run, 'sets', 'set'),
    listNames(run, 'maps', 'map'),
    listNames(run, 'chains', 'chain'),
    hasBridgeTable(run),
  ]);
  return { sets, maps, chains, chainTexts: new Map(), elements: new Map(), hasBridgeGuard };
}

export async function tableExists(run: RunProgram = runProgram, table: string = TABLE): Promise<boolean> {
  return (await listTables(run, 'inet')).includes(table);
}

/** Whether there is a table of ours in the bridge family (bridge-guard.ts). */
export async function hasBridgeTable(run: RunProgram = runProgram): Promise<boolean> {
  return (await listTables(run, 'bridge')).includes(TABLE);
}

async function listTables(run: RunProgram, family: 'inet' | 'bridge'): Promise<string[]> {
  const listing = await run('nft', ['-t', 'list', 'tables', family]);
  const prefix = `table ${family} `;
  return listing.split('\n').flatMap((line) => (line.startsWith(prefix) ? [line.slice(prefix.length).trim()] : []));
}

async function listNames(run: RunProgram, plural: string, kind: string): Promise<string[]> {
  const listing: unknown = JSON.parse(await run('nft', ['-j', '-t', 'list', plural, 'inet']));
  const entries = isRecord(listing) && Array.isArray(listing['nftables']) ? listing['nftables'] : [];
  return entries.flatMap((entry: unknown) => {
    const object = isRecord(entry) ? entry[kind] : undefined;
    if (!isRecord(object) || object['table'] !== TABLE || typeof object['name'] !== 'string') return [];
    return [object['name']];
  });
}

/** nft prints place and reason, the line, and marks below it; one complaint for each. The first is the cause of the others. */
function firstComplaint(message: string): string {
  const lines = message.split('\n');
  const [complaint = message, source = ''] = lines;
  return source === '' ? complaint : `${complaint}: ${source.trim()}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
