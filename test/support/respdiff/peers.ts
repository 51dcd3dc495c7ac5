// The servers that are compared, each in a namespace of a lab and at an address of its own: NSD with the zones of this folder in the world,
// unbound and dnsmasq on the node, forwarding to it. They end with the lab.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../../../src/cli/demo/command.ts';
import type { Lab } from '../../../src/cli/demo/lab.ts';
import { eventually } from '../eventually.ts';
import { SIGNED_ZONES, ZONES } from './questions.ts';

/** Authoritative for the zones. */
export const NSD = '192.0.2.55';
export const UNBOUND = '10.53.0.1';
export const DNSMASQ = '10.53.0.2';

const HERE = new URL('.', import.meta.url).pathname;
const START_DEADLINE_MS = 10_000;

export async function startPeers(lab: Lab): Promise<void> {
  const folder = join(lab.folder, 'peers');
  mkdirSync(folder);
  await runCommand(['ip', '-n', lab.worldNamespace, 'addr', 'add', `${NSD}/24`, 'dev', 'eth0']);
  for (const address of [UNBOUND, DNSMASQ]) await lab.onNode(['ip', 'addr', 'add', `${address}/32`, 'dev', 'lo']);
  await writeZones(folder);
  // Debian's AppArmor profile keeps /usr/sbin/unbound out of every folder but its own; it goes by the path.
  copyFileSync('/usr/sbin/unbound', join(folder, 'unbound'));
  await Promise.all([
    start(lab.worldNamespace, NSD, folder, ['nsd', '-d', '-c', nsdConfig(folder)]),
    start(lab.nodeNamespace, UNBOUND, folder, [join(folder, 'unbound'), '-d', '-p', '-c', unboundConfig(folder)]),
    start(lab.nodeNamespace, DNSMASQ, folder, dnsmasqCommand()),
  ]);
}

/** Resolves when the server listens, over UDP and TCP. */
async function start(namespace: string, address: string, folder: string, argv: readonly string[]): Promise<void> {
  const log = join(folder, `${address}.log`);
  const out = openSync(log, 'a');
  const child = spawn('ip', ['netns', 'exec', namespace, ...argv], { stdio: ['ignore', out, out], detached: true });
  await eventually(async () => {
    if (hasEnded(child)) throw new Error(`${argv.join(' ')} ended:\n${readFileSync(log, 'utf8')}`);
    const listening = await runCommand(['ip', 'netns', 'exec', namespace, 'ss', '-Hlntu', 'src', `${address}:53`]);
    if (!listening.includes('tcp') || !listening.includes('udp')) throw new Error(`${argv.join(' ')} does not listen`);
  }, START_DEADLINE_MS);
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function writeZones(folder: string): Promise<void> {
  const names = ['names.zone', 'big.zone'].map((file) => readFileSync(join(HERE, file), 'utf8')).join('\n');
  for (const zone of ZONES) writeFileSync(join(folder, zone), names);
  for (const zone of SIGNED_ZONES) {
    const keys = join(folder, 'keys');
    mkdirSync(keys, { recursive: true });
    const made = await runCommand(['sh', '-c', 'cd "$1" && ldns-keygen -a ECDSAP256SHA256 -k "$2"', 'sh', keys, zone]);
    await runCommand([
      'ldns-signzone',
      '-o',
      zone,
      '-f',
      join(folder, zone),
      join(HERE, 'signed.zone'),
      join(keys, made.trim()),
    ]);
  }
}

function nsdConfig(folder: string): string {
  const zones = [...ZONES, ...SIGNED_ZONES].flatMap((zone) => ['zone:', `  name: ${zone}`, `  zonefile: ${zone}`]);
  return write(folder, 'nsd.conf', [
    'server:',
    `  ip-address: ${NSD}`,
    '  server-count: 1',
    '  username: ""',
    '  chroot: ""',
    `  zonesdir: "${folder}"`,
    `  zonelistfile: "${folder}/zone.list"`,
    '  xfrdfile: ""',
    `  xfrdir: "${folder}"`,
    '  database: ""',
    '  pidfile: ""',
    '  ipv4-edns-size: 4096',
    '  tcp-count: 200',
    'remote-control:',
    '  control-enable: no',
    ...zones,
  ]);
}

function unboundConfig(folder: string): string {
  return write(folder, 'unbound.conf', [
    'server:',
    `  interface: ${UNBOUND}`,
    '  access-control: 0.0.0.0/0 allow',
    '  num-threads: 1',
    '  username: ""',
    '  chroot: ""',
    `  directory: "${folder}"`,
    '  pidfile: ""',
    '  use-syslog: no',
    '  module-config: "iterator"', // no validation: what it thinks of signatures is not asked here
    '  do-ip6: no',
    'remote-control:',
    '  control-enable: no',
    'forward-zone:',
    '  name: "."',
    `  forward-addr: ${NSD}`,
  ]);
}

function dnsmasqCommand(): string[] {
  const fixed = ['--keep-in-foreground', '--no-resolv', '--no-hosts', '--bind-interfaces', '--conf-file=/dev/null'];
  // Out of its cache it answers with what it has made of the records: it is unbound that shows a cache here.
  const forwarding = ['--cache-size=0', `--listen-address=${DNSMASQ}`, `--server=${NSD}`];
  return ['dnsmasq', ...fixed, '--user=root', '--pid-file', ...forwarding];
}

function write(folder: string, name: string, lines: readonly string[]): string {
  const file = join(folder, name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
