import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bridgePorts, passBridgedPackets } from '../../../src/kernel/bridges.ts';

const SWITCHES = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables'];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-bridges-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (...values: readonly string[]): void =>
  SWITCHES.forEach((name, i) => writeFileSync(join(folder, name), `${values[i]}\n`));
const read = (): string[] => SWITCHES.map((name) => readFileSync(join(folder, name), 'utf8').trim());

test.each([
  ['neither', '0', '0'],
  ['IPv4 alone', '1', '0'],
  ['both', '1', '1'],
])('bridged packets of both families pass netfilter where before %s did', (_why, v4, v6) => {
  write(v4, v6);
  expect(passBridgedPackets(folder)).toBeUndefined();
  expect(read()).toEqual(['1', '1']);
});

test('without the module the command that loads it and sets both is told', () => {
  expect(passBridgedPackets(join(folder, 'missing'))).toBe(
    'modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1',
  );
});

test('of two switches only the one that cannot be set is named', () => {
  write('1', '0');
  // A folder in the place of the file: not even root can write to it, as to a read-only /proc/sys.
  rmSync(join(folder, 'bridge-nf-call-ip6tables'));
  mkdirSync(join(folder, 'bridge-nf-call-ip6tables'));
  expect(passBridgedPackets(folder)).toBe('modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-ip6tables=1');
});

test('a port of a bridge is told with its bridge; a link of another master, and one of none, is no port', async () => {
  const links = [
    { ifname: 'tap7', master: 'br0', linkinfo: { info_kind: 'tun', info_slave_kind: 'bridge' } },
    { ifname: 'eth1', master: 'bond0', linkinfo: { info_slave_kind: 'bond' } },
    { ifname: 'veth8', linkinfo: { info_kind: 'veth' } },
  ];
  const ports = await bridgePorts(() => Promise.resolve(JSON.stringify(links)));
  expect([...ports]).toEqual([['tap7', 'br0']]);
});
