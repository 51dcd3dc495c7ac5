// A machine for the checks: files of /proc and what programs print, as a test writes them.
import { DoctorContext } from '../../../../src/agent/doctor/context.ts';
import type { DoctorOptions } from '../../../../src/agent/doctor/context.ts';
import { KernelError } from '../../../../src/kernel/kernel-error.ts';

export interface Machine {
  /** Text of each file of /proc; a symbolic link's is where it leads. */
  readonly files?: Readonly<Record<string, string>>;
  /** What `ip` and `nft` print, by their arguments; an Error is what they fail with. Nothing for what is not listed. */
  readonly prints?: Readonly<Record<string, string | Error>>;
  readonly ruleset?: string;
  readonly options?: Partial<DoctorOptions>;
}

export function contextOf({ files = {}, prints = {}, ruleset = '', options = {} }: Machine): DoctorContext {
  const all: Readonly<Record<string, string | Error>> = { 'nft -a -t list ruleset': ruleset, ...prints };
  return new DoctorContext({
    mode: 'host',
    mark: 0x100000,
    routingTable: 5310,
    dnsServers: [],
    run: (program, args) => {
      const printed = all[[program, ...args].join(' ')] ?? '';
      return printed instanceof Error ? Promise.reject(printed) : Promise.resolve(printed);
    },
    files: {
      read: (path) => Promise.resolve(files[path]),
      target: (path) => Promise.resolve(files[path]),
      list: (path) => {
        const inside = Object.keys(files).filter((each) => each.startsWith(`${path}/`));
        return Promise.resolve([...new Set(inside.map((each) => each.slice(path.length + 1).split('/')[0] ?? ''))]);
      },
    },
    ...options,
  });
}

export function refusal(message: string): KernelError {
  return new KernelError('ip', message);
}

/** As `ip -j -d link show` prints it. */
export function linkListing(...links: readonly (readonly [name: string, kind?: string, master?: string])[]): string {
  return JSON.stringify(
    links.map(([ifname, kind = '', master]) => ({ ifname, linkinfo: { info_kind: kind }, ...(master && { master }) })),
  );
}

export const UDP_HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n';

/** A line of /proc/net/udp or tcp; `local` as the kernel of a little-endian machine prints it. */
export function socketLine(local: string, inode: number, state: '07' | '0A' | '01' = '07'): string {
  return `  12: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 2 0 0\n`;
}

/** /proc/net/unix while somebody holds the lock. */
export function lockListing(inode: number): string {
  return `Num       RefCount Protocol Flags    Type St Inode Path\n0: 00000002 00000000 00010000 0001 01 ${inode} @namewall/agent\n`;
}

export function processFiles(pid: number, command: string, ...inodes: readonly number[]): Record<string, string> {
  return {
    [`/proc/${pid}/cmdline`]: command.replaceAll(' ', '\0'),
    ...Object.fromEntries(inodes.map((inode, i) => [`/proc/${pid}/fd/${i + 3}`, `socket:[${inode}]`])),
  };
}
