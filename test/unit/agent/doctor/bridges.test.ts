import { expect, test } from 'vitest';
import { bridges } from '../../../../src/agent/doctor/bridges.ts';
import { contextOf, linkListing } from './context.ts';

const LINKS = linkListing(['cni0', 'bridge'], ['veth1', 'veth', 'cni0'], ['veth2', 'veth']);
const ON = {
  '/proc/sys/net/bridge/bridge-nf-call-iptables': '1\n',
  '/proc/sys/net/bridge/bridge-nf-call-ip6tables': '1\n',
};
const OFF = { ...ON, '/proc/sys/net/bridge/bridge-nf-call-iptables': '0\n' };
const LISTED = 'table inet namewall {\n\tset intercepted4 {\n\t}\n}';

function machine(files: Record<string, string>, { links = LINKS, device = '' } = {}) {
  const client = device === '' ? [] : ['10.0.0.2'];
  const prints = {
    'ip -j -d link show': links,
    'nft -j list set inet namewall intercepted4': JSON.stringify({ nftables: [{ set: { elem: client } }] }),
    'ip -j route get 10.0.0.2': JSON.stringify([{ dst: '10.0.0.2', dev: device }]),
  };
  return contextOf({ files, prints, ruleset: LISTED });
}

test.each([
  ['a client behind a bridge that is not filtered', OFF, 'cni0', 'fail'],
  ['a client on a port of it', OFF, 'veth1', 'fail'],
  ['clients not known', OFF, '', 'warn'],
  ['a client that is not behind it', OFF, 'veth2', 'ok'],
  ['filtered', ON, 'cni0', 'ok'],
  ['br_netfilter is not there', {}, 'cni0', 'fail'],
])('%s', async (_why, files, device, status) => {
  expect((await bridges(machine(files, { device }))).status).toBe(status);
});

test.each([
  ['a switch that is off', OFF, 'sysctl -w net.bridge.bridge-nf-call-iptables=1'],
  [
    'both',
    {
      '/proc/sys/net/bridge/bridge-nf-call-iptables': '0',
      '/proc/sys/net/bridge/bridge-nf-call-ip6tables': '0',
    },
    'sysctl -w net.bridge.bridge-nf-call-iptables=1 && sysctl -w net.bridge.bridge-nf-call-ip6tables=1',
  ],
  [
    'no module',
    {},
    'modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1 && sysctl -w net.bridge.bridge-nf-call-ip6tables=1',
  ],
])('what mends %s', async (_why, files: Record<string, string>, mend) => {
  expect((await bridges(machine(files))).mend).toBe(mend);
});

test.each([
  ['no bridge', linkListing(['veth1', 'veth'])],
  ['a bridge without ports', linkListing(['docker0', 'bridge'], ['veth1', 'veth'])],
  [
    'a bridge that calls netfilter by itself',
    JSON.stringify([
      { ifname: 'br0', linkinfo: { info_kind: 'bridge', info_data: { nf_call_iptables: 1, nf_call_ip6tables: 1 } } },
      { ifname: 'veth1', master: 'br0' },
    ]),
  ],
])('%s is no matter', async (_why, links) => {
  expect((await bridges(machine(OFF, { links }))).status).toBe('ok');
});
