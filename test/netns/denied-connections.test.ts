// Connections in the audit log, on the real kernel: a denial names the domain that the pod last saw for the address, and says why; what is
// not told one by one is told as a number.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const NAME = 'n1.load.example.org';
const ADDRESS = '11.0.0.1';

describe.skipIf(!canUseKernel)('connections in the audit log', () => {
  let lab: Lab;
  let auditFile: string;

  beforeEach(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    auditFile = join(lab.folder, 'audit.jsonl');
    lab.configure({ policies: [POLICY], lifetimes: { grace: '100ms' }, overrides: { state: lab.folder } });
    await lab.world.setLoadTtl(1);
    await lab.startAgent();
  });

  afterEach(() => lab.remove());

  /** As a user would: the lines that name the domain. */
  const grepped = (name: string): string[] => {
    try {
      return execFileSync('grep', ['-F', name, auditFile], { encoding: 'utf8' }).trim().split('\n');
    } catch {
      return []; // grep found none
    }
  };
  const events = (event: string): Record<string, unknown>[] =>
    readFileSync(auditFile, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`"event":"${event}"`))
      .map((line): Record<string, unknown> => JSON.parse(line));

  test('a denial after the grant has ended names the domain, the time, and what to do', async () => {
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
    await eventually(
      async () => expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'rejected' }),
      5_000,
    );
    await eventually(() => {
      const denial = grepped(NAME).find((line) => line.includes('connection.denied'));
      expect(denial).toMatch(/granted under n1\.load\.example\.org until \d{4}-\d\d-\d\dT[\d:]+Z: the client caches/);
      expect(JSON.parse(denial ?? '{}')).toMatchObject({
        pod: { namespace: 'shop', name: 'cart' },
        client: cart.address.v4,
        destination: ADDRESS,
        destinationPort: 443,
        protocol: 'tcp',
        names: [NAME],
      });
    }, 5_000);
  });

  test('a port that the name does not open, and an address that no name gave', async () => {
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    await cart.connect(ADDRESS, 22);
    await cart.connect('11.0.0.200', 443);
    await cart.connect('169.254.169.254', 80);
    await eventually(() => {
      const found = events('connection.denied').map(({ explanation }) => String(explanation));
      expect(found).toEqual([
        expect.stringContaining('n1.load.example.org opens tcp '),
        expect.stringContaining('never resolved by this pod'),
        expect.stringContaining('in a range that no name opens (link-local)'),
      ]);
    }, 5_000);
  });

  test('what a Service translated says what was asked for', async () => {
    const rule = 'ip daddr 10.96.0.20 tcp dport 80 dnat to 11.0.0.99:8443';
    await lab.onNode(
      ['nft', '-f', '-'],
      `table ip nat {
 chain pre {
 type nat hook prerouting priority dstnat
 ${rule}
 }
}
`,
    );
    expect(await lab.pod('cart').connect('10.96.0.20', 80)).toMatchObject({ outcome: 'rejected' });
    await eventually(() => {
      expect(events('connection.denied')[0]).toMatchObject({
        destination: '11.0.0.99',
        destinationPort: 8443,
        translatedFrom: '10.96.0.20:80',
        explanation: expect.stringContaining('translated by Service 10.96.0.20:80'),
      });
    }, 5_000);
  });

  // Conntrack looks for what has ended at least once a minute.
  test(
    'an allowed connection is told when it opens and when it ends, with the rule and the name',
    { timeout: 100_000 },
    async () => {
      const cart = lab.pod('cart');
      const soon = ['time_wait', 'close', 'fin_wait', 'last_ack', 'close_wait'].map(
        (state) => `tcp_timeout_${state}=1`,
      );
      const settings = ['acct=1', ...soon].map((each) => `net.netfilter.nf_conntrack_${each}`);
      await lab.onNode(['sysctl', '-qw', ...settings]);
      await cart.ask(NAME);
      const made = await cart.connect(ADDRESS, 443);
      if (made.outcome !== 'connected') throw new Error('not connected');
      await cart.echo(made.connection);
      await eventually(() => {
        expect(events('connection.opened')[0]).toMatchObject({
          names: [NAME],
          policy: { kind: 'CiliumNetworkPolicy', name: 'load' },
        });
      }, 5_000);
      await cart.close(made.connection);
      await eventually(() => {
        const [closed] = events('connection.closed');
        expect(closed).toMatchObject({ names: [NAME], destination: ADDRESS });
        expect(Number(closed?.['bytesSent'])).toBeGreaterThan(0);
        expect(Number(closed?.['durationMs'])).toBeGreaterThan(0);
      }, 80_000);
    },
  );

  test('a flood of denials is told exactly: some one by one, the rest as a number', { timeout: 40_000 }, async () => {
    const cart = lab.pod('cart');
    const packets = 400;
    for (let i = 0; i < packets; i++) await cart.datagram('11.0.0.200', 9, { timeoutMs: 1 });
    await eventually(() => {
      const logged = events('connection.denied').length;
      const folded = events('connection.folded').reduce((sum, { denied }) => sum + Number(denied), 0);
      expect(logged).toBeLessThan(packets);
      expect(logged + folded).toBe(packets);
    }, 15_000);
  });
});
