// Who has which socket of this network namespace: /proc/net tells address and inode, /proc/PID/fd the process.
// Processes of another process namespace, and without rights those of other users, are not seen.
import { endianness } from 'node:os';
import { formatAddress, parseAddress } from '../../base/ip.ts';
import type { ProcFiles } from './proc-files.ts';

export interface Socket {
  readonly protocol: 'udp' | 'tcp';
  /** Canonical text; `0.0.0.0` and `::` for every address. */
  readonly address: string;
  readonly inode: string;
}

export interface Owner {
  /** Undefined: not visible from here. */
  readonly pid: number | undefined;
  /** Command line, cut. */
  readonly command: string;
}

export const UNSEEN: Owner = { pid: undefined, command: 'a process that is not visible from here' };
const MOST_COMMAND = 100;
/**
 * States of linux/net/tcp_states.h that take what nobody else does: TCP_LISTEN, and TCP_CLOSE for an unconnected UDP
 * socket.
 */
const TAKES = { tcp: '0A', udp: '07' } as const;
/** The lock of agent/lock.ts; older libuv fills the name with zero bytes, which the kernel prints as `@`. */
const LOCK = /^@namewall\/agent@*$/;
/** __SO_ACCEPTCON of linux/net.h: an accepted connection has its listener's name, too. */
const LISTENS = '00010000';

/** Sockets that may get packets to `port` of any of `addresses`, those for every address included. */
export async function socketsOf(files: ProcFiles, port: number, addresses: readonly string[]): Promise<Socket[]> {
  const wanted = new Set([...addresses, '0.0.0.0', '::']);
  const sockets: Socket[] = [];
  for (const protocol of ['udp', 'tcp'] as const) {
    for (const file of [protocol, `${protocol}6`]) {
      for (const line of ((await files.read(`/proc/net/${file}`)) ?? '').split('\n').slice(1)) {
        const [, local = '', , state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
        const [hex = '', hexPort = ''] = local.split(':');
        if (state !== TAKES[protocol] || Number.parseInt(hexPort, 16) !== port) continue;
        const address = addressOf(hex);
        if (wanted.has(address)) sockets.push({ protocol, address, inode });
      }
    }
  }
  return sockets;
}

/** The owner of each inode, asking `first` before all others. */
export async function ownersOf(
  files: ProcFiles,
  inodes: readonly string[],
  first?: number,
): Promise<ReadonlyMap<string, Owner>> {
  const owners = new Map<string, Owner>();
  const wanted = new Set(inodes);
  const pids = (await files.list('/proc')).filter((name) => /^\d+$/.test(name));
  for (const pid of first === undefined ? pids : [`${first}`, ...pids]) {
    if (wanted.size === 0) break;
    for (const fd of await files.list(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec((await files.target(`/proc/${pid}/fd/${fd}`)) ?? '')?.[1] ?? '';
      if (wanted.delete(inode)) owners.set(inode, { pid: Number(pid), command: await commandOf(files, pid) });
    }
  }
  for (const inode of wanted) owners.set(inode, UNSEEN);
  return owners;
}

export async function lockHolder(files: ProcFiles, ownPid?: number): Promise<Owner | undefined> {
  for (const line of ((await files.read('/proc/net/unix')) ?? '').split('\n')) {
    const [, , , flags, , , inode = '', path = ''] = line.trim().split(/\s+/);
    if (flags !== LISTENS || !LOCK.test(path)) continue;
    return (await ownersOf(files, [inode], ownPid)).get(inode);
  }
  return undefined;
}

export function nameOf({ pid, command }: Owner): string {
  return pid === undefined ? command : `process ${pid} ("${command}")`;
}

async function commandOf(files: ProcFiles, pid: string): Promise<string> {
  const line = ((await files.read(`/proc/${pid}/cmdline`)) ?? '').replaceAll('\0', ' ').trim();
  return line.slice(0, MOST_COMMAND);
}

/** The kernel prints each 32-bit word as a number of this machine. */
function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => {
    const four = [0, 2, 4, 6].map((i) => Number.parseInt(word.slice(i, i + 2), 16));
    return endianness() === 'LE' ? four.toReversed() : four;
  });
  if (bytes.length === 4) return bytes.join('.');
  const address = parseAddress('::') ?? new Uint8Array(16);
  address.set(bytes.slice(0, 16));
  return formatAddress(address);
}
