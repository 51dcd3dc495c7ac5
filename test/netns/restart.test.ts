// The agent killed again and again under traffic, on the real kernel: nothing forbidden arrives at the far side meanwhile, and nothing allowed
// is disturbed; and what changed while it was down is in force when it is back. NAMEWALL_KILLS=100 kills it as often as that.
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';
import { FarCounters } from '../support/netns-counters.ts';
import { Ends } from '../support/netns-ends.ts';
import { Hammer } from '../support/netns-hammer.ts';
import { LabFiles } from '../support/netns-policies.ts';

const KILLS = Number(process.env['NAMEWALL_KILLS'] ?? 10);
const MS_PER_KILL = 5_000;
const PORT = 7000;
const FORBIDDEN = '203.0.113.66';
const [ONE, TWO] = ['n1.load.example.org', 'n2.load.example.org'];
const [FIRST, SECOND] = ['11.0.0.1', '11.0.0.2'];

describe.skipIf(!canUseKernel)('a restart', () => {
  let lab: Lab;
  let files: LabFiles;
  let world: Ends;
  let pod: Ends;
  let counters: FarCounters;

  beforeEach(async () => {
    lab = await Lab.build([
      { name: 'cart', namespace: 'shop', labels: { app: 'shop' } },
      { name: 'mail', namespace: 'shop', labels: { app: 'mail' } },
    ]);
    files = new LabFiles(lab);
    world = new Ends(lab.worldNamespace);
    pod = new Ends(lab.pod('cart').address.namespace);
    await world.listen('tcp', { ip: '0.0.0.0', port: PORT });
    const source = `ip saddr ${lab.pod('cart').address.v4}`;
    counters = await FarCounters.install(lab, {
      forbidden_udp: `${source} ip daddr ${FORBIDDEN} meta l4proto udp`,
      forbidden_tcp: `${source} ip daddr ${FORBIDDEN} meta l4proto tcp`,
      removed: `${source} ip daddr ${SECOND} tcp flags & rst == 0`,
    });
    files.allow({ patterns: [ONE, TWO] });
    files.allow({ name: 'mail', app: 'mail', patterns: [ONE] });
    await lab.world.setLoadTtl(3_600);
    lab.configure({
      policies: [files.folder],
      lifetimes: { grace: '60s' },
      overrides: { state: lab.folder },
    });
    await lab.startAgent();
    await Promise.all([lab.pod('cart').ask(ONE), lab.pod('cart').ask(TWO), lab.pod('mail').ask(ONE)]);
  });

  afterEach(async () => {
    await Promise.all([world.close(), pod.close()]);
    await lab.remove();
  });

  test(
    `by kill -9, ${KILLS} times under traffic: nothing forbidden arrives, no allowed connection is cut or refused`,
    { timeout: 60_000 + KILLS * MS_PER_KILL },
    async () => {
      const hammer = new Hammer(lab.pod('cart').address.namespace);
      const open = await pod.open('tcp', { ip: FIRST, port: PORT });
      await pod.beat(open.end, 20);
      const connecting = keepConnecting();
      await hammer.start(
        lab.pod('cart').address.v4,
        (['udp', 'syn'] as const).map((kind) => ({ kind, ip: FORBIDDEN, port: 443 })),
        1,
      );
      for (let i = 0; i < KILLS; i++) {
        await lab.killAgent('SIGKILL');
        await sleep(i % 2 === 0 ? 0 : 200);
        await lab.startAgent();
      }
      const { sent, ms } = await hammer.stop();
      await hammer.close();
      const { attempts, refused } = await connecting.stop();
      const { heard, ended } = await pod.heard(open.end);
      process.stdout.write(
        `figure: ${KILLS} kills in ${(ms / 1_000).toFixed(1)} s: ${2 * sent} forbidden packets sent, ` +
          `${(await counters.read('forbidden_udp')) + (await counters.read('forbidden_tcp'))} arrived; ` +
          `${attempts} connections, ${refused} refused; ${heard} echoes on the one that stayed open\n`,
      );
      expect(await counters.read('forbidden_udp')).toBe(0);
      expect(await counters.read('forbidden_tcp')).toBe(0);
      expect(sent).toBeGreaterThan(ms / 4);
      expect({ ended, refused }).toEqual({ ended: undefined, refused: 0 });
      expect(heard).toBeGreaterThan(ms / 20 / 3);
      expect(attempts).toBeGreaterThan(KILLS);
    },
  );

  test('brings a policy that changed meanwhile: a name that went is closed and its connection cut, one that stayed stays', async () => {
    const gone = await pod.open('tcp', { ip: SECOND, port: PORT });
    const kept = await pod.open('tcp', { ip: FIRST, port: PORT });
    await lab.killAgent('SIGTERM');
    files.allow({ patterns: [ONE] });
    await lab.startAgent();
    const before = await counters.read('removed');
    await world.speakTo('tcp', { ip: lab.pod('cart').address.v4, port: gone.port });
    await pod.speak(gone.end);
    expect(await lab.pod('cart').connect(SECOND, PORT)).toMatchObject({ outcome: 'rejected' });
    expect(await lab.pod('cart').connect(FIRST, PORT)).toMatchObject({ outcome: 'connected' });
    await pod.speak(kept.end);
    await eventually(async () => expect((await pod.heard(kept.end)).heard).toBe(1), 1_000);
    expect(await counters.read('removed')).toBe(before);
    expect(files.audited('connection.cut')).toMatchObject([{ destination: SECOND }]);
  });

  test('brings another address into a rule while down: the old one is cut, though the rule is the same', async () => {
    const policy = (cidr: string): string =>
      [
        'apiVersion: cilium.io/v2',
        'kind: CiliumNetworkPolicy',
        'metadata: { name: addresses, namespace: shop }',
        'spec:',
        '  endpointSelector: {}',
        `  egress: [{ toCIDR: [${cidr}], toPorts: [{ ports: [{ port: '${PORT}', protocol: TCP }] }] }]`,
        '',
      ].join('\n');
    const file = join(files.folder, 'addresses.yaml');
    await files.applied(() => writeFileSync(file, policy('11.0.0.51/32')));
    const old = await pod.open('tcp', { ip: '11.0.0.51', port: PORT });
    await lab.killAgent('SIGTERM');
    writeFileSync(file, policy('11.0.0.52/32'));
    await lab.startAgent();
    await pod.speak(old.end);
    await eventually(async () => expect((await pod.heard(old.end)).ended).toBeDefined(), 2_000);
    expect(await lab.pod('cart').connect('11.0.0.52', PORT)).toMatchObject({ outcome: 'connected' });
    expect(await lab.pod('cart').connect('11.0.0.51', PORT)).toMatchObject({ outcome: 'rejected' });
  });

  test.each<[string, (path: string) => void]>([
    ['with a byte flipped', flipByte],
    ['cut short', (path) => truncateSync(path, readFileSync(path).length - 7)],
    ['empty', (path) => truncateSync(path)],
    ['of garbage', (path) => writeFileSync(path, Buffer.alloc(5_000, 0xa5))],
  ])('with a state file %s closes pods whose policy changed, and keeps the grants of others', async (_why, damage) => {
    await lab.killAgent('SIGTERM');
    damage(join(lab.folder, readdirSync(lab.folder).find((file) => file.startsWith('lookups-')) ?? ''));
    files.allow({ patterns: [ONE] });
    await lab.startAgent();
    expect(await lab.pod('cart').connect(FIRST, PORT)).toMatchObject({ outcome: 'rejected' });
    expect(await lab.pod('cart').connect(SECOND, PORT)).toMatchObject({ outcome: 'rejected' });
    expect(await lab.pod('mail').connect(FIRST, PORT)).toMatchObject({ outcome: 'connected' });
    await lab.pod('cart').ask(ONE);
    expect(await lab.pod('cart').connect(FIRST, PORT)).toMatchObject({ outcome: 'connected' });
  });

  /** One connection after the other to the granted address. */
  function keepConnecting(): { stop(): Promise<{ attempts: number; refused: number }> } {
    const tally = { attempts: 0, refused: 0 };
    const wanted = new AbortController();
    const done = (async () => {
      while (!wanted.signal.aborted) {
        const tried = await lab.pod('mail').connect(FIRST, PORT);
        tally.attempts++;
        if (tried.outcome === 'connected') await lab.pod('mail').close(tried.connection);
        else tally.refused++;
        await sleep(20);
      }
      return tally;
    })();
    return { stop: () => (wanted.abort(), done) };
  }
});

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(path, bytes);
}
