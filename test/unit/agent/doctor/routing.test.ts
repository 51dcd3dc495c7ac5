import { expect, test } from 'vitest';
import { reversePath, routing } from '../../../../src/agent/doctor/routing.ts';
import { contextOf, lockListing, refusal } from './context.ts';

const OURS = '100:\tfrom all fwmark 0x100000/0x100000 lookup 5310\n';
const LOCAL = '0:\tfrom all lookup 255\n';
const MAIN = '32766:\tfrom all lookup 254\n';
const ROUTE = '[{"type":"local","dst":"10.96.0.10","dev":"lo"}]';
const GET = 'ip -j route get 10.96.0.10 from 10.0.0.2 iif veth1 mark 1048576';

function machine(rules: string, answer: string | Error = '[{"type":"local"}]') {
  return contextOf({
    ruleset: 'table inet namewall {\n\tset intercepted4 {\n\t}\n}',
    prints: {
      'ip -N -4 rule show': rules,
      'ip -j -4 route show table 5310': ROUTE,
      'nft -j list set inet namewall intercepted4': '{"nftables":[{"set":{"elem":["10.0.0.2"]}}]}',
      'ip -j route get 10.0.0.2': '[{"dev":"veth1"}]',
      [GET]: answer,
    },
  });
}

test.each([
  ['ours alone', LOCAL + OURS + MAIN, 'ok'],
  ['none of ours: nothing is intercepted', LOCAL + MAIN, 'ok'],
  ['a rule for a pod ahead', `${LOCAL}50:\tfrom 10.0.0.2 lookup 77\n${OURS}`, 'warn'],
  ['the same behind', `${LOCAL}${OURS}200:\tfrom 10.0.0.2 lookup 77\n`, 'ok'],
  ['table local again', `${LOCAL}100:\tfrom all lookup 255\n${OURS}`, 'ok'],
  ['another mark', `${LOCAL}9:\tfrom all fwmark 0x200/0xf00 lookup 2004\n${OURS}`, 'ok'],
  ['not another mark, as WireGuard has it', `${LOCAL}9:\tnot from all fwmark 0xca6c lookup 51820\n${OURS}`, 'warn'],
  ['a mask that holds our bit', `${LOCAL}9:\tfrom all fwmark 0x100000/0xffff0000 lookup 7\n${OURS}`, 'warn'],
  ['what the host itself sends', `${LOCAL}9:\tfrom all iif lo lookup 7\n${OURS}`, 'ok'],
])('%s', async (_why, rules, status) => {
  expect((await routing(machine(rules))).status).toBe(status);
});

test('a rule that takes a query from us fails, and is put behind ours', async () => {
  const finding = await routing(
    machine(`${LOCAL}50:\tfrom 10.0.0.2 lookup 77\n${OURS}`, refusal('RTNETLINK answers: No route to host')),
  );
  expect(finding).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('10.0.0.2 on veth1 to 10.96.0.10: No route to host') as string,
    mend: 'ip -4 rule add pref 150 from 10.0.0.2 lookup 77 && ip -4 rule del pref 50 from 10.0.0.2 lookup 77',
  });
});

test('a reverse path that leads elsewhere is loosened on that interface', async () => {
  const { status, mend } = await routing(
    machine(LOCAL + OURS, refusal('RTNETLINK answers: Invalid cross-device link')),
  );
  expect({ status, mend }).toEqual({ status: 'fail', mend: 'sysctl -w net.ipv4.conf.veth1.rp_filter=2' });
});

test.each([
  ['the rule', MAIN, ROUTE, 'ip -4 rule add pref 100 fwmark 0x100000/0x100000 lookup 5310'],
  ['the route', OURS + MAIN, '[]', 'ip -4 route add local 10.96.0.10 dev lo table 5310'],
])('beside an agent it fails when %s is gone', async (_why, rules, routes, mend) => {
  const context = contextOf({
    files: { '/proc/net/unix': lockListing(1) },
    prints: { 'ip -N -4 rule show': rules, 'ip -j -4 route show table 5310': routes },
    options: { dnsServers: ['10.96.0.10'] },
  });
  expect(await routing(context)).toMatchObject({ status: 'fail', mend });
});

test.each([
  ['servers alone', ROUTE, 'ok', undefined],
  [
    'local default',
    '[{"type":"local","dst":"default","dev":"lo"}]',
    'fail',
    'ip -4 route del local default table 5310',
  ],
])('our routing table with %s', async (_why, printed, status, mend) => {
  const finding = await reversePath(contextOf({ prints: { 'ip -j -4 route show table 5310': printed } }));
  expect(finding.status).toBe(status);
  expect(finding.mend).toBe(mend);
});
