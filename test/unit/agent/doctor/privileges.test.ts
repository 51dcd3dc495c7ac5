import { expect, test } from 'vitest';
import { privileges } from '../../../../src/agent/doctor/privileges.ts';
import { contextOf } from './context.ts';

test.each([
  ['root has all', '000001ffffffffff', 'ok', 'CAP_NET_ADMIN, CAP_NET_BIND_SERVICE'],
  ['the two of the DaemonSet are enough', '0000000000001400', 'ok', 'CAP_NET_ADMIN, CAP_NET_BIND_SERVICE'],
  ['without NET_ADMIN', '0000000000000400', 'fail', 'CAP_NET_ADMIN is missing'],
  ['without either', '0', 'fail', 'CAP_NET_ADMIN is missing; CAP_NET_BIND_SERVICE is missing'],
])('%s', async (_why, digits, status, found) => {
  const context = contextOf({ files: { '/proc/self/status': `Name:\tnode\nCapEff:\t${digits}\nCapBnd:\t0\n` } });
  expect(await privileges(context)).toMatchObject({ status, found });
});

test('what mends it names every one that is missing', async () => {
  const { mend } = await privileges(contextOf({ files: { '/proc/self/status': 'CapEff:\t0000000000000000\n' } }));
  expect(mend).toMatch('CAP_NET_ADMIN and CAP_NET_BIND_SERVICE');
});
