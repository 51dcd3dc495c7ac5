import { expect, test } from 'vitest';
import { marks } from '../../../../src/agent/doctor/marks.ts';
import { contextOf } from './context.ts';

const chain = (rule: string, { name = 'c', hook = 'prerouting', table = 'other' } = {}): string => `table ip ${table} {
	chain ${name} {
		type filter hook ${hook} priority mangle; policy accept;
		${rule} # handle 2
	}
}`;

test.each([
  ['nothing written', 'meta mark & 0x100000 == 0x100000 accept', 'ok'],
  ['another bit is set', 'counter packets 1 bytes 2 meta mark set mark or 0x40000', 'ok'],
  ['our bit is set', 'ip saddr @s meta mark set mark or 0x100000', 'warn'],
  ['our bit is among several', 'meta mark set meta mark | 0x00300000', 'warn'],
  ['the whole mark is written', 'meta mark set 0x3', 'warn'],
  ['some bits are written, ours is not among them', 'meta mark set mark and 0xffff3fff xor 0x4000', 'ok'],
  ['our bit is cleared', 'meta mark set mark and 0xffefffff', 'warn'],
  ['our bit is in what replaces others', 'meta mark set mark and 0xff0fffff xor 0x100000', 'warn'],
  ['a connection gets the mark', 'ct mark set 0x100000', 'ok'],
  ['a connection gives it', 'meta mark set ct mark', 'ok'],
])('%s', async (_why, rule, status) => {
  expect((await marks(contextOf({ ruleset: chain(rule) }))).status).toBe(status);
});

test('behind the routing decision nobody needs our bit', async () => {
  const ruleset = chain('meta mark set 0x3', { hook: 'postrouting' });
  expect((await marks(contextOf({ ruleset }))).status).toBe('ok');
});

test('we ourselves may', async () => {
  const ruleset = chain('meta mark set mark or 0x100000', { table: 'namewall' });
  expect((await marks(contextOf({ ruleset }))).status).toBe('ok');
});

test("a bit of Calico's is told where Calico is", async () => {
  const ruleset = chain('accept', { name: 'cali-INPUT' });
  expect(await marks(contextOf({ ruleset }))).toMatchObject({ status: 'warn', found: /lies in Calico's default mask/ });
  expect((await marks(contextOf({ ruleset, options: { mark: 0x20 } }))).status).toBe('ok');
});
