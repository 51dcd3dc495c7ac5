import { expect, test } from 'vitest';
import { inputChains } from '../../../../src/agent/doctor/input-chains.ts';
import { contextOf } from './context.ts';

const chain = (
  rules: readonly string[],
  head = 'table inet fw',
  name = 'in',
  policy = 'accept',
  hook = 'input',
): string =>
  [
    `${head} {`,
    `\tchain ${name} {`,
    `\t\ttype filter hook ${hook} priority filter; policy ${policy};`,
    ...rules.map((rule, i) => `\t\t${rule} # handle ${i + 2}`),
    '\t}',
    '}',
  ].join('\n');
const ACCEPT = 'meta mark & 0x00100000 == 0x00100000 counter packets 5 bytes 300 accept';

test.each([
  ['no rules at all', '', 'ok'],
  ['a policy that accepts', chain(['iifname "lo" accept']), 'ok'],
  ['a policy that drops', chain([], undefined, 'in', 'drop'), 'warn'],
  ['a policy that drops what our mark does not accept first', chain([ACCEPT], undefined, 'in', 'drop'), 'ok'],
  ['another mark accepted', chain([ACCEPT.replaceAll('1', '2')], undefined, 'in', 'drop'), 'warn'],
  [
    'our mark accepted only beside another bit',
    chain([ACCEPT.replaceAll('0x001', '0x003')], undefined, 'in', 'drop'),
    'warn',
  ],
  [
    'our mark accepted only in part of what comes',
    chain([`iifname "eth0" ${ACCEPT}`], undefined, 'in', 'drop'),
    'warn',
  ],
  [
    'a last rule that rejects everything',
    chain(['ct state established accept', 'reject with icmpx admin-prohibited']),
    'warn',
  ],
  ['our mark accepted before it', chain([ACCEPT, 'reject with icmpx admin-prohibited']), 'ok'],
  ['our mark accepted behind it', chain(['drop', ACCEPT]), 'warn'],
  ['DNS dropped', chain(['udp dport 53 counter packets 0 bytes 0 drop']), 'warn'],
  ['DNS dropped among others', chain(['udp dport { 22, 53, 80 } drop']), 'warn'],
  ['another port dropped', chain(['udp dport { 153, 530 } drop']), 'ok'],
  ['the forward hook is not passed', chain(['drop'], undefined, 'in', 'accept', 'forward'), 'ok'],
  ['ARP is no matter', chain(['drop'], 'table arp fw'), 'ok'],
  ['our own table', chain([], 'table inet namewall', 'in', 'drop'), 'ok'],
])('%s', async (_why, ruleset, status) => {
  expect((await inputChains(contextOf({ ruleset }))).status).toBe(status);
});

test.each([
  ['nft', chain(['drop']), 'nft insert rule inet fw in meta mark and 0x100000 == 0x100000 accept'],
  [
    'iptables',
    chain([], 'table ip filter', 'INPUT', 'drop'),
    'iptables -I INPUT -m mark --mark 0x100000/0x100000 -j ACCEPT',
  ],
  [
    'ip6tables',
    chain([], 'table ip6 filter', 'INPUT', 'drop'),
    'ip6tables -I INPUT -m mark --mark 0x100000/0x100000 -j ACCEPT',
  ],
])('what mends it is of the program that dropped: %s', async (_why, ruleset, mend) => {
  expect((await inputChains(contextOf({ ruleset }))).mend).toBe(mend);
});

test('rules of legacy iptables are not seen, and that is said', async () => {
  const { status, found } = await inputChains(contextOf({ files: { '/proc/net/ip_tables_names': 'nat\nfilter\n' } }));
  expect({ status, found }).toEqual({
    status: 'warn',
    found: 'iptables-legacy has a filter table, which nft does not show',
  });
});
