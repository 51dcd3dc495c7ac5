import { expect, test } from 'vitest';
import { dataPlane, flowtables, serviceProxy } from '../../../../src/agent/doctor/bypass.ts';
import { contextOf, linkListing } from './context.ts';

const withLinks = (...names: readonly string[]) => ({
  'ip -j -d link show': linkListing(...names.map((name) => [name] as const)),
});
const IPVS =
  'IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward\n';

test.each([
  ['no IPVS', {}, ['eth0'], 'ok'],
  ['IPVS without services', { '/proc/net/ip_vs': IPVS }, ['eth0'], 'ok'],
  ['IPVS with a service', { '/proc/net/ip_vs': `${IPVS}TCP  0A60000A:0035 rr\n` }, ['eth0'], 'fail'],
  ['its interface', {}, ['eth0', 'kube-ipvs0'], 'fail'],
])('%s', async (_why, files: Record<string, string>, names, status) => {
  expect((await serviceProxy(contextOf({ files, prints: withLinks(...names) }))).status).toBe(status);
});

test.each([
  ['Flannel', ['cni0', 'flannel.1'], 'ok'],
  ['containers of LXC', ['lxcbr0', 'lxc1234'], 'ok'],
  ['Calico by the kernel', ['cali123', 'vxlan.calico'], 'ok'],
  ['Calico by eBPF', ['bpfin.cali'], 'fail'],
  ['Cilium', ['cilium_host', 'cilium_net'], 'fail'],
  ['Antrea', ['antrea-gw0'], 'fail'],
  ['Open vSwitch on a host, which may have it for other things', ['ovs-system'], 'warn'],
])('%s', async (_why, names, status) => {
  expect((await dataPlane(contextOf({ prints: withLinks(...names) }))).status).toBe(status);
});

test('a flowtable is told, and is taken away with the rules that use it', async () => {
  const ruleset = `table inet fw {
	flowtable ft { # handle 2
		hook ingress priority filter
	}

	chain fwd {
		type filter hook forward priority filter; policy accept;
		ip protocol tcp flow add @ft # handle 4
	}
}`;
  expect(await flowtables(contextOf({ ruleset }))).toMatchObject({
    status: 'warn',
    mend: 'nft delete rule inet fw fwd handle 4 && nft delete flowtable inet fw ft',
  });
  expect((await flowtables(contextOf({ ruleset: ruleset.replace('flowtable', 'set') }))).status).toBe('ok');
});
