// `namewall dig` on the real kernel: a running agent says the path of a question, and what it says is so: what it calls granted can be connected to.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const RULE = `CiliumNetworkPolicy shop/load at ${POLICY}:8:33: opens tcp443`;
const DENIED_NAME = 'api.example.org';
const UPSTREAM = '192.0.2.53 port 53 by UDP';
const MS = String.raw`[\d.]+ ms`;

describe.skipIf(!canUseKernel)('namewall dig', () => {
  let lab: Lab;
  let pod = '';

  beforeAll(async () => {
    lab = await Lab.build([
      { name: 'cart', namespace: 'shop', labels: { app: 'shop' } },
      { name: 'mail', namespace: 'shop', labels: { app: 'shop' } },
    ]);
    pod = `shop/cart by ${lab.pod('cart').address.v4}, selected by CiliumNetworkPolicy shop/load`;
    lab.configure({ policies: [POLICY], lifetimes: { grace: '30s' }, overrides: { state: join(lab.folder, 'state') } });
    await lab.startAgent();
  });

  afterAll(() => lab.remove());

  test('an allowed name is resolved, granted, and can be connected to right afterwards by this pod alone', async () => {
    const cart = lab.pod('cart');
    expect(await cart.connect('11.0.0.1', 443)).toMatchObject({ outcome: 'rejected' });
    const { out, code } = await dig('shop/cart', 'n1.load.example.org');
    expect(await cart.connect('11.0.0.1', 443)).toMatchObject({ outcome: 'connected' });
    expect(await lab.pod('mail').connect('11.0.0.1', 443)).toMatchObject({ outcome: 'rejected' });
    expect(code).toBe(0);
    expect(out).toMatch(
      lines(
        'asked       n1.load.example.org A',
        `identified  ${pod}`,
        `matched by  ${RULE}`,
        `forwarded   ${UPSTREAM}: NOERROR after MS`,
        'chain       n1.load.example.org 60 A 11.0.0.1',
        'granted     11.0.0.1 on tcp443 for 90 s, now, acknowledged by the kernel in MS',
        'answered    NOERROR after MS, 64 bytes, flags qr aa rd ra',
        '            n1.load.example.org TTL A 11.0.0.1',
        'result      answered: n1.load.example.org resolves; its addresses may be connected to (tcp443)',
      ),
    );
    await eventually(() => {
      const asked = { dig: true, qname: 'n1.load.example.org', client: cart.address.v4 };
      expect(audit()).toContainEqual(expect.objectContaining({ event: 'grant', ...asked }));
      expect(audit()).toContainEqual(expect.objectContaining({ event: 'dns.allowed', ...asked }));
    }, 2_000);
  });

  test('what the pod has looked up itself is cached and granted before, by its other address, too', async () => {
    const cart = lab.pod('cart');
    await cart.ask('n2.load.example.org');
    const { out, code } = await dig(cart.address.v6, 'n2.load.example.org');
    expect(code).toBe(0);
    expect(out).toContain(`identified  shop/cart by ${cart.address.v6}, `);
    expect(out).toMatch(/^cached {6}\d s ago, for 5\d s more$/m);
    expect(out).toMatch(/^granted {5}11\.0\.0\.2 on tcp443 for (8[0-9]|90) s, before$/m);
  });

  test('a denied name', async () => {
    const { out, code } = await dig('shop/cart', DENIED_NAME);
    expect(code).toBe(1);
    expect(out).toMatch(
      lines(
        `asked       ${DENIED_NAME} A`,
        `identified  ${pod}`,
        'matched by  no rule: dns.denied is nxdomain',
        'forwarded   to nobody',
        'answered    NXDOMAIN after MS, 86 bytes, flags qr rd ra, EDE 15 (Blocked): namewall: name not allowed by policy',
        `result      denied: no rule of CiliumNetworkPolicy shop/load allows ${DENIED_NAME} to be asked`,
      ),
    );
  });

  test('a protected address behind an alias is withheld', async () => {
    await lab.world.publish('alias.load.example.org', { CNAME: 'meta.example.net', ttlSeconds: 300 });
    await lab.world.publish('meta.example.net', { A: ['169.254.169.254', '203.0.113.9'], ttlSeconds: 60 });
    const { out, code } = await dig('shop/cart', 'alias.load.example.org');
    expect(code).toBe(0);
    expect(out).toContain(
      [
        'chain       alias.load.example.org 300 CNAME meta.example.net',
        '            meta.example.net 60 A 169.254.169.254',
        '            meta.example.net 60 A 203.0.113.9',
        'withheld    169.254.169.254 is never granted (link-local)',
        'granted     203.0.113.9 on tcp443 for 90 s, now',
      ].join('\n'),
    );
  });

  test('as JSON, for a program', async () => {
    const { out, code } = await dig('shop/cart', 'n3.load.example.org', 'AAAA', '-o', 'json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      result: 'answered',
      asked: { name: 'n3.load.example.org', type: 'AAAA' },
      identified: { namespace: 'shop', name: 'cart', intercepted: true, auditMode: false },
      matched: { verdict: 'allowed', policy: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'load' } },
      source: {
        from: 'upstream',
        attempts: [{ server: '192.0.2.53', port: 53, transport: 'udp', outcome: 'NOERROR' }],
      },
      granted: [{ address: '2001:db8:1000::3', ports: 'tcp443', leftSeconds: 90, isNew: true }],
      answered: { rcode: 'NOERROR', flags: ['qr', 'aa', 'rd', 'ra'] },
    });
  });

  test('an upstream that fails, and one that is silent, meanwhile an order is carried out', async () => {
    await lab.world.fail('broken.load.example.org', 'SERVFAIL');
    const failed = await dig('shop/cart', 'broken.load.example.org');
    expect(failed.code).toBe(1);
    expect(failed.out).toContain(`forwarded   ${UPSTREAM}: SERVFAIL after `);
    expect(failed.out).toMatch(/^result {6}failed: upstream servers have failed$/m);

    await lab.world.delay(60_000);
    let isOver = false;
    const silent = dig('shop/cart', 'n4.load.example.org').finally(() => (isOver = true));
    await eventually(async () => expect(await lab.world.asked('load.example.org')).toBeGreaterThan(3), 2_000);
    expect(await lab.onNode([process.execPath, MAIN, 'off', '--status', '--state', join(lab.folder, 'state')])).toMatch(
      /^nothing is off/,
    );
    expect(isOver).toBe(false);
    const { out, code } = await silent;
    await lab.world.delay(0);
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`^forwarded {3}${UPSTREAM}: no answer within ${MS}$`, 'm'));
    expect(out).toMatch(/^result {6}failed: no upstream server has answered in time$/m);
  });

  test.each([
    ['a pod that is not there', ['shop/carts', 'a.example.org'], 'Cannot find a client shop/carts in the clients file'],
    ['a pod of another namespace', ['store/cart', 'a.example.org'], '; there is shop/cart'],
    ['an address that nobody has', ['10.0.1.99', 'a.example.org'], 'with the address 10.0.1.99'],
    ['another agent', ['shop/cart', 'a.example.org', '--state', '/nowhere'], 'no agent runs in this network namespace'],
  ])('nothing is asked: %s', async (_why, argv, message) => {
    const { out, code, err } = await dig(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
  });

  test('another user may not ask', async () => {
    const { code, err } = await dig('shop/cart', 'n1.load.example.org', '--as-nobody');
    expect(code).toBe(2);
    expect(err).toContain('EACCES');
    expect(err).toContain('only the user that the agent runs as may ask it');
  });

  /** Exit code and output; a second `--state` wins over the lab's. */
  async function dig(...argv: readonly string[]): Promise<{ out: string; err: string; code: number }> {
    const options = argv.filter((each) => each !== '--as-nobody');
    const state = options.includes('--state') ? [] : ['--state', join(lab.folder, 'state')];
    const command = [process.execPath, MAIN, 'dig', ...options, ...state];
    const setpriv = argv.length === options.length ? [] : ['setpriv', '--reuid', '65534', '--clear-groups'];
    const script = '"$@" 2>"$0"; echo "code $?"';
    const errors = join(lab.folder, 'dig.err');
    const said = await lab.onNode(['sh', '-c', script, errors, ...setpriv, ...command]);
    const [, out = '', code = ''] = /^([\s\S]*)code (\d+)\n$/.exec(said) ?? [];
    return { out, err: readFileSync(errors, 'utf8'), code: Number(code) };
  }

  function audit(): object[] {
    return readFileSync(join(lab.folder, 'audit.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as object);
  }
});

/** These lines and no others. MS is a time; TTL is 60 seconds, or already a second less. */
function lines(...expected: readonly string[]): RegExp {
  const escaped = expected
    .map((line) => line.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`))
    .map((line) => line.replaceAll('MS', MS).replaceAll('TTL', '(60|59)'));
  return new RegExp(`^${escaped.join('\n')}\n$`);
}
