// Names, makes and removes the lab's network namespaces. Every name carries the id of its lab, and the id begins with the
// process that made it: two labs never clash, and what a killed run left behind is told apart from what is in use.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './command.ts';

const NETNS_FOLDER = '/var/run/netns'; // ip-netns(8)
const PREFIX = 'namewall';
/** Stands in the folder of a lab that its maker left up on purpose. */
export const KEPT_MARK = 'kept';

/** PID-RANDOM: the process that makes the lab, and four hex digits for several labs of one process. */
export function newLabId(): string {
  return `${process.pid}-${randomBytes(2).toString('hex')}`;
}

export function namespaceName(role: string, labId: string): string {
  return `${PREFIX}-${role}-${labId}`;
}

/** Where a lab keeps its files: configuration, the agent's log. */
export function labFolder(labId: string): string {
  return join(tmpdir(), `${PREFIX}-lab-${labId}`);
}

export async function addNamespaces(names: readonly string[]): Promise<void> {
  await runCommand(['ip', '-batch', '-'], names.map((name) => `netns add ${name}\n`).join(''));
}

/**
 * Removes a lab by its id: ends every process in its namespaces, deletes them and its folder. Synchronous, so that it also
 * works while the process exits. What is in the namespaces (links, routes, rules, nftables) goes with them.
 */
export function removeLab(labId: string): void {
  const names = namespaces().filter((name) => labIdOf(name) === labId);
  for (const name of names) {
    const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
    for (const pid of pids) endProcess(Number(pid));
  }
  for (const name of names) spawnSync('ip', ['netns', 'delete', name]);
  rmSync(labFolder(labId), { recursive: true, force: true });
}

/** Ids of the labs whose maker is gone: what killed runs left behind, and labs kept on purpose. */
export function orphanedLabs(): { readonly abandoned: readonly string[]; readonly kept: readonly string[] } {
  const fromNamespaces = namespaces().map(labIdOf);
  const fromFolders = readdirSync(tmpdir()).map((entry) => /^namewall-lab-(\d+-[0-9a-f]{4})$/.exec(entry)?.[1]);
  const ids = new Set([...fromNamespaces, ...fromFolders].filter((id) => id !== undefined));
  const orphans = [...ids].filter((id) => !existsSync(`/proc/${Number.parseInt(id, 10)}`));
  const isKept = (id: string): boolean => existsSync(join(labFolder(id), KEPT_MARK));
  return { abandoned: orphans.filter((id) => !isKept(id)), kept: orphans.filter(isKept) };
}

function namespaces(): readonly string[] {
  return existsSync(NETNS_FOLDER) ? readdirSync(NETNS_FOLDER) : [];
}

function labIdOf(namespace: string): string | undefined {
  return /^namewall-[a-z0-9]+-(\d+-[0-9a-f]{4})$/.exec(namespace)?.[1];
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended between the listing and now, which is what we wanted.
  }
}
