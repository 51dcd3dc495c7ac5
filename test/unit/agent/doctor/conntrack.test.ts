import { expect, test } from 'vitest';
import {
  conntrackAccounting,
  conntrackHelpers,
  conntrackTable,
  forwarding,
} from '../../../../src/agent/doctor/conntrack.ts';
import type { Check } from '../../../../src/agent/doctor/finding.ts';
import { contextOf } from './context.ts';

const at = (name: string): string => `/proc/sys/net/netfilter/nf_conntrack_${name}`;

test.each<[string, Check, Record<string, string>, string, string | undefined]>([
  ['not loaded', conntrackTable, {}, 'ok', undefined],
  ['half full', conntrackTable, { [at('count')]: '50', [at('max')]: '100' }, 'ok', undefined],
  [
    'nearly full',
    conntrackTable,
    { [at('count')]: '81', [at('max')]: '100' },
    'warn',
    'sysctl -w net.netfilter.nf_conntrack_max=200',
  ],
  ['without bytes', conntrackAccounting, { [at('acct')]: '0' }, 'warn', 'sysctl -w net.netfilter.nf_conntrack_acct=1'],
  ['with bytes', conntrackAccounting, { [at('acct')]: '1' }, 'ok', undefined],
  [
    'helpers of an old kernel',
    conntrackHelpers,
    { [at('helper')]: '1\n' },
    'fail',
    'sysctl -w net.netfilter.nf_conntrack_helper=0',
  ],
  ['helpers switched off', conntrackHelpers, { [at('helper')]: '0\n' }, 'ok', undefined],
  ['helpers of a new kernel', conntrackHelpers, {}, 'ok', undefined],
  ['a host that forwards', forwarding, { '/proc/sys/net/ipv4/ip_forward': '1' }, 'ok', undefined],
  [
    'one that does not',
    forwarding,
    { '/proc/sys/net/ipv4/ip_forward': '0' },
    'warn',
    'sysctl -w net.ipv4.ip_forward=1',
  ],
])('%s', async (_why, check, files, status, mend) => {
  const finding = await check(contextOf({ files }));
  expect(finding.status).toBe(status);
  expect(finding.mend).toBe(mend);
});

test('IPv6 forwarding matters where a server has such an address, and none on a node of a cluster', async () => {
  const files = { '/proc/sys/net/ipv4/ip_forward': '1', '/proc/sys/net/ipv6/conf/all/forwarding': '0' };
  const dnsServers = ['fd00::a'];
  expect((await forwarding(contextOf({ files }))).status).toBe('ok');
  expect((await forwarding(contextOf({ files, options: { dnsServers } }))).status).toBe('warn');
  expect((await forwarding(contextOf({ files, options: { dnsServers, mode: 'node' } }))).status).toBe('ok');
});
