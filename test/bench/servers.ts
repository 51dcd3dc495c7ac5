// The servers that are measured, each started alone, pinned to the server's core, with one thread and a configuration that favours it: no
// logging, no validation, big buffers. namewall runs with its audit log to a file, as a user runs it.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../../src/cli/demo/command.ts';
import { CLUSTER_DNS } from '../../src/cli/demo/topology.ts';
import { SERVER_CORE } from './cores.ts';
import { end, PEER_ADDRESS, start, startReady, UPSTREAM_ADDRESS } from './stage.ts';
import type { Stage } from './stage.ts';

export type ServerName = 'namewall' | 'unbound' | 'dnsmasq' | 'dnsmasq+nftset' | 'dnsdist' | 'echo';

export interface Running {
  /** What the pod asks. */
  readonly address: string;
  stop(): Promise<void>;
}

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;

const NO_LIMITS = { queriesPerSecond: 1_000_000, newNamesPerSecond: 1_000_000 };

export interface NamewallSettings {
  /** Instead of limits that one client at full speed does not reach. */
  readonly dns?: Readonly<Record<string, unknown>>;
  readonly lifetimes?: { readonly minTtl?: string; readonly maxTtl?: string; readonly grace?: string };
}

export async function serve(stage: Stage, name: ServerName, settings: NamewallSettings = {}): Promise<Running> {
  switch (name) {
    case 'namewall':
      return serveNamewall(stage, settings);
    case 'echo':
      return servePeer(stage, [process.execPath, new URL('echo.ts', import.meta.url).pathname, PEER_ADDRESS], 'prints');
    case 'unbound':
      return servePeer(stage, ['unbound', '-d', '-c', writeUnbound(stage)], 'listens');
    case 'dnsdist':
      return servePeer(stage, ['dnsdist', '--supervised', '--disable-syslog', '-C', writeDnsdist(stage)], 'listens');
    case 'dnsmasq':
      return servePeer(stage, dnsmasq([]), 'listens');
    case 'dnsmasq+nftset':
      await stage.lab.onNode(['nft', '-f', '-'], NFTSET_TABLE);
      return servePeer(stage, dnsmasq(['--nftset=/load.example.org/4#inet#egress#allow4']), 'listens');
    default:
      throw new Error(`unknown server ${String(name)}`);
  }
}

async function serveNamewall(stage: Stage, settings: NamewallSettings): Promise<Running> {
  const { lab } = stage;
  const { dns = NO_LIMITS, ...others } = settings;
  lab.configure({ policies: [POLICY], ...others, overrides: { dns: { upstreams: [UPSTREAM_ADDRESS], ...dns } } });
  await lab.startAgent();
  await runCommand(['taskset', '-apc', String(SERVER_CORE), String(lab.agentPid)]);
  return {
    address: CLUSTER_DNS.v4,
    stop: async () => {
      await lab.killAgent('SIGTERM');
      await lab.onNode([process.execPath, new URL('../../src/main.ts', import.meta.url).pathname, 'run', '--cleanup']);
    },
  };
}

async function servePeer(stage: Stage, argv: readonly string[], sign: 'prints' | 'listens'): Promise<Running> {
  const namespace = stage.lab.nodeNamespace;
  const child =
    sign === 'prints' ? await startReady(namespace, SERVER_CORE, argv) : start(namespace, SERVER_CORE, argv);
  child.stdout?.resume();
  if (sign === 'listens') await untilListening(stage, child);
  return { address: PEER_ADDRESS, stop: () => end(child) };
}

async function untilListening(stage: Stage, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await isListening(stage)) return;
    if (child.exitCode !== null) break;
    await sleep(50);
  }
  throw new Error(`${child.spawnargs.join(' ')} does not listen`);
}

async function isListening(stage: Stage): Promise<boolean> {
  return (await stage.lab.onNode(['ss', '-lnu'])).includes(`${PEER_ADDRESS}:53`);
}

function dnsmasq(more: readonly string[]): string[] {
  const fixed = [
    '--keep-in-foreground',
    '--no-resolv',
    '--no-hosts',
    '--bind-interfaces',
    '--conf-file=/dev/null',
    '--user=root',
  ];
  const sized = ['--cache-size=10000', '--dns-forward-max=10000', '--pid-file'];
  return ['dnsmasq', ...fixed, ...sized, `--listen-address=${PEER_ADDRESS}`, `--server=${UPSTREAM_ADDRESS}`, ...more];
}

/** The set that peers.md §5.1 shows, without what would filter: only filling it is measured. */
const NFTSET_TABLE = `add table inet egress
delete table inet egress
table inet egress {
	set allow4 { type ipv4_addr; flags timeout; timeout 1h; size 4000000; }
}
`;

function writeUnbound(stage: Stage): string {
  return write(stage, 'unbound.conf', [
    'server:',
    `  interface: ${PEER_ADDRESS}`,
    '  access-control: 0.0.0.0/0 allow',
    '  num-threads: 1',
    '  username: ""',
    '  chroot: ""',
    '  pidfile: ""',
    '  use-syslog: no',
    '  verbosity: 0',
    '  module-config: "iterator"',
    '  outgoing-range: 8192',
    '  num-queries-per-thread: 4096',
    '  msg-cache-size: 256m',
    '  rrset-cache-size: 512m',
    '  so-rcvbuf: 8m',
    '  so-sndbuf: 8m',
    'remote-control:',
    '  control-enable: no',
    'forward-zone:',
    '  name: "."',
    `  forward-addr: ${UPSTREAM_ADDRESS}`,
  ]);
}

function writeDnsdist(stage: Stage): string {
  return write(stage, 'dnsdist.conf', [
    `setLocal("${PEER_ADDRESS}:53")`,
    'setACL({"0.0.0.0/0"})',
    'setMaxUDPOutstanding(65535)',
    'setSecurityPollSuffix("")',
    `newServer({address="${UPSTREAM_ADDRESS}:53", sockets=8, checkInterval=10})`,
  ]);
}

function write(stage: Stage, name: string, lines: readonly string[]): string {
  mkdirSync(stage.lab.folder, { recursive: true });
  const file = join(stage.lab.folder, name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
