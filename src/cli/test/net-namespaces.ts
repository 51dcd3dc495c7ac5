// Finds network namespaces by the addresses in them: those that have a name, and those that a process lives in. Looks, never changes.
import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { canonicalAddress } from '../../base/ip.ts';
import { CodedError } from '../../base/errors.ts';

const execFileAsync = promisify(execFile);
const NAMED = '/run/netns'; // ip-netns(8)
const AT_ONCE = 8;
const OUTPUT_LIMIT_BYTES = 16 << 20;

export class NamespaceError extends CodedError<'not-permitted' | 'no-program'> {}

/** Throws NamespaceError where namespaces cannot be entered. */
export async function checkMayEnter(): Promise<void> {
  try {
    await execFileAsync('nsenter', ['--net=/proc/self/ns/net', '--', 'true']);
  } catch (cause) {
    if (isMissing(cause)) throw new NamespaceError('no-program', 'Cannot find nsenter: install util-linux', { cause });
    const instead = 'run it as root, on the node or in a privileged debug pod, or add --offline';
    const message = `Cannot enter network namespaces: this needs CAP_SYS_ADMIN; ${instead}`;
    throw new NamespaceError('not-permitted', message, { cause });
  }
}

/** For each address that is on some interface: a path of every namespace that has it. Canonical text. */
export async function namespacesByAddress(): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  const paths = await distinctNamespaces();
  for (let i = 0; i < paths.length; i += AT_ONCE) {
    const batch = paths.slice(i, i + AT_ONCE);
    const addresses = await Promise.all(batch.map(addressesIn));
    for (const [j, path] of batch.entries()) {
      for (const address of addresses[j] ?? []) found.set(address, [...(found.get(address) ?? []), path]);
    }
  }
  return found;
}

/** One path for each namespace; names before processes, which may end. */
async function distinctNamespaces(): Promise<string[]> {
  const names = (await list(NAMED)).map((name) => `${NAMED}/${name}`);
  const pids = (await list('/proc')).filter((entry) => /^\d+$/.test(entry));
  const seen = new Map<string, string>();
  for (const path of [...names, ...pids.map((pid) => `/proc/${pid}/ns/net`)]) {
    const id = await identityOf(path);
    if (id !== undefined && !seen.has(id)) seen.set(id, path);
  }
  return [...seen.values()];
}

async function addressesIn(path: string): Promise<ReadonlySet<string>> {
  try {
    const argv = [`--net=${path}`, '--', 'ip', '-json', 'address'];
    const { stdout } = await execFileAsync('nsenter', argv, { maxBuffer: OUTPUT_LIMIT_BYTES });
    return new Set(readAddresses(stdout));
  } catch (cause) {
    if (isMissing(cause)) throw new NamespaceError('no-program', 'Cannot find nsenter: install util-linux', { cause });
    return new Set(); // its last process has ended since, or it is one that we may not enter: then the client is not found, and that is said
  }
}

/** Of the output of `ip -json address`. */
export function readAddresses(json: string): string[] {
  // `as`: iproute2's format; what is not there is left out.
  const links = JSON.parse(json) as readonly { addr_info?: readonly { local?: string }[] }[];
  const texts = links.flatMap((link) => (link.addr_info ?? []).flatMap(({ local }) => local ?? []));
  return texts.flatMap((text) => canonicalAddress(text) ?? []);
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return undefined; // it ended, or is not ours to see
  }
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return []; // nobody has named a namespace yet
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}
