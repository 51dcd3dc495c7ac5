import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bridgePorts, linksTo, passBridgedPackets } from '../../../src/kernel/bridges.ts';

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

describe('interfaces that lead to an address', () => {
  const HOST = { dst: '10.0.1.7', dev: 'veth7', scope: 'link' };
  const NETWORK = { dst: '10.0.1.0/24', dev: 'br0', protocol: 'kernel' };
  const UPLINK = { dst: '10.0.1.0/24', dev: 'eth0', protocol: 'kernel' };
  const DEFAULT = { dst: 'default', gateway: '10.0.1.1', dev: 'br0' };
  const found = (routes: readonly object[], addresses = ['10.0.1.7', '2001:db8:1::7']): Promise<string[]> =>
    linksTo(addresses, (_program, args) =>
      Promise.resolve(JSON.stringify(args.includes('route') ? routes : [{}, { ifname: 'br0' }])),
    );

  test.each([
    ['that of a host route', [HOST], ['veth7']],
    ['that of an IPv6 host route', [{ dst: '2001:db8:1::7', dev: 'veth7' }], ['veth7']],
    ['a bridge in whose network it lies', [NETWORK], ['br0']],
    ['a bridge in whose IPv6 network it lies', [{ dst: '2001:db8:1::/64', dev: 'br0' }], ['br0']],
    ['both, once each', [HOST, NETWORK, { ...HOST, table: 'vrf' }], ['br0', 'veth7']],
    ['not any other in whose network it lies', [UPLINK], []],
    ['not a bridge with another network', [{ ...NETWORK, dst: '10.0.2.0/24' }], []],
    ['not the host route of another', [{ ...HOST, dst: '10.0.1.8' }], []],
    ['not the way to a gateway', [{ ...HOST, gateway: '10.0.9.1' }], []],
    ['not to a gateway of the other family', [{ ...HOST, via: { family: 'inet6', host: 'fe80::1' } }], []],
    ['not where the address is the own', [{ ...HOST, type: 'local' }], []],
    ['not a bridge with a default route', [NETWORK, DEFAULT], []],
    [
      'not a bridge that is one hop of a default route',
      [NETWORK, { dst: 'default', nexthops: [{ dev: 'eth0' }, { dev: 'br0' }] }],
      [],
    ],
  ])('%s', async (_why, routes, links) => {
    expect(await found(routes)).toEqual(links);
  });

  test('without addresses nothing is asked', async () => {
    expect(await linksTo([], () => expect.fail('asked'))).toEqual([]);
  });
});
