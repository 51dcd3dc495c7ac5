// Connections that policy ends while they are open (V8), on the real kernel and without NAT, counted at the far side: not one packet of a cut
// connection arrives there, whoever speaks first afterwards; and nothing else is disturbed.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import type { LabPod } from '../../src/cli/demo/pod.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';
import { FarCounters } from '../support/netns-counters.ts';
import { Ends } from '../support/netns-ends.ts';
import type { Protocol } from '../support/netns-ends.ts';
import { LabFiles } from '../support/netns-policies.ts';

const PORT = 7000;
const [ONE, TWO] = ['n1.load.example.org', 'n2.load.example.org'];
const [FIRST, SECOND] = ['11.0.0.1', '11.0.0.2'];
const QUIET_MS = 300;

describe.skipIf(!canUseKernel)('a change of policy', () => {
  let lab: Lab;
  let files: LabFiles;
  let world: Ends;
  let pod: Ends;
  let counters: FarCounters;

  beforeEach(async () => {
    lab = await Lab.build([
      { name: 'cart', namespace: 'shop', labels: { app: 'shop' } },
      { name: 'mail', namespace: 'shop', labels: { app: 'shop' } },
    ]);
    files = new LabFiles(lab);
    world = new Ends(lab.worldNamespace);
    pod = new Ends(cart().address.namespace);
    await world.listen('tcp', { ip: '0.0.0.0', port: PORT });
    for (const ip of [FIRST, SECOND]) await world.listen('udp', { ip, port: PORT });
    counters = await FarCounters.install(lab, {
      over_tcp: `ip saddr ${cart().address.v4} ip daddr ${FIRST} tcp dport ${PORT} tcp flags & rst == 0`,
      over_udp: `ip saddr ${cart().address.v4} ip daddr ${FIRST} udp dport ${PORT}`,
    });
    files.allow({ patterns: ['*.load.example.org'] });
  });

  afterEach(async () => {
    await Promise.all([world.close(), pod.close()]);
    await lab.remove();
  });

  describe.each<Protocol>(['tcp', 'udp'])('over %s', (protocol) => {
    test.each<[string, () => void]>([
      ['a policy without the name', () => files.allow({ patterns: [TWO] })],
      ['a policy with another port', () => files.allow({ patterns: ['*.load.example.org'], port: 7001 })],
      ['other labels, which another policy selects', () => relabel('cart', 'other')],
    ])('%s cuts the connection: nothing of it arrives, also when the far end speaks first', async (_why, change) => {
      files.allow({ name: 'others', app: 'other', patterns: [TWO] });
      await start();
      await cart().ask(ONE);
      const flow = await opened(protocol, FIRST);
      await files.applied(change);
      await expectCut(protocol, flow);
      const cut = files.audited('connection.cut');
      expect(cut).toMatchObject([{ destination: FIRST, destinationPort: PORT, protocol, names: [ONE] }]);
    });

    test('a pod that becomes selected loses the connection that is older than the policy', async () => {
      files.allow({ patterns: ['*.load.example.org'], app: 'nobody' });
      await start();
      await cart().ask(ONE);
      const flow = await opened(protocol, FIRST);
      await files.applied(() => files.allow({ patterns: [TWO], app: 'shop' }));
      await expectCut(protocol, flow);
      expect(files.audited('connection.cut')).toMatchObject([{ destination: FIRST, names: [ONE] }]);
    });

    test('a pod that becomes selected keeps the connection that is older than the policy and allowed by it', async () => {
      files.allow({ patterns: ['*.load.example.org'], app: 'nobody' });
      await start();
      await cart().ask(ONE);
      const flow = await opened(protocol, FIRST);
      await files.applied(() => files.allow({ patterns: [ONE] }));
      await expectAlive(flow);
    });

    test('other connections of the pod go on, and those of other pods', async () => {
      await start();
      await Promise.all([cart().ask(ONE), cart().ask(TWO), lab.pod('mail').ask(ONE)]);
      const mail = new Ends(lab.pod('mail').address.namespace);
      try {
        const [cut, kept] = [await opened(protocol, FIRST), await opened(protocol, SECOND)];
        const others = await mail.open(protocol, { ip: FIRST, port: PORT });
        await files.applied(() => {
          files.allow({ patterns: [TWO] });
          files.allow({ name: 'mail', app: 'mail', patterns: [ONE] });
          relabel('mail', 'mail');
        });
        await expectCut(protocol, cut);
        await expectAlive(kept);
        await mail.speak(others.end);
        await eventually(async () => expect((await mail.heard(others.end)).heard).toBeGreaterThan(0), 1_000);
      } finally {
        await mail.close();
      }
    });

    test('a policy that is back within a second opens the destination again, from the same port, too', async () => {
      files.allow({ name: 'rest', patterns: [TWO] });
      await start();
      await cart().ask(ONE);
      const flow = await opened(protocol, FIRST);
      await files.applied(() => files.remove());
      await expectCut(protocol, flow);
      await files.applied(() => files.allow({ patterns: ['*.load.example.org'] }));
      const again = await pod.open(protocol, { ip: FIRST, port: PORT }, protocol === 'tcp' ? flow.port : 0);
      expect(again.outcome).toBe('connected');
      await expectAlive(protocol === 'tcp' ? again : flow);
    });

    test('onRevoke: finish leaves what is open and refuses what is new', async () => {
      await start({ onRevoke: 'finish' });
      await cart().ask(ONE);
      const flow = await opened(protocol, FIRST);
      await files.applied(() => files.allow({ patterns: [TWO] }));
      await expectAlive(flow);
      expect(await cart().connect(FIRST, PORT)).toMatchObject({ outcome: 'rejected' });
    });
  });

  interface Opened {
    readonly end: number;
    readonly port: number;
  }

  function cart(): LabPod {
    return lab.pod('cart');
  }

  async function start(overrides: Readonly<Record<string, string>> = {}): Promise<void> {
    const own = { state: lab.folder, ...overrides };
    lab.configure({ policies: [files.folder], lifetimes: { grace: '60s' }, overrides: own });
    await lab.startAgent();
  }

  function relabel(name: string, app: string): void {
    files.editClients((text) => text.replace(new RegExp(`(name: ${name}\\n\\s+labels:\\n\\s+app: )\\w+`), `$1${app}`));
  }

  /** A connection that has carried something both ways. */
  async function opened(protocol: Protocol, ip: string): Promise<Opened> {
    const flow = await pod.open(protocol, { ip, port: PORT });
    expect(flow.outcome).toBe('connected');
    await pod.speak(flow.end);
    await eventually(async () => expect((await pod.heard(flow.end)).heard).toBe(1), 1_000);
    return flow;
  }

  async function expectAlive({ end }: Opened): Promise<void> {
    const { heard } = await pod.heard(end);
    await pod.speak(end);
    await eventually(async () => expect((await pod.heard(end)).heard).toBe(heard + 1), 1_000);
  }

  /** The far end first, then both: conntrack must take neither for the beginning of something new. */
  async function expectCut(protocol: Protocol, { end, port }: Opened): Promise<void> {
    const before = await counters.read(`over_${protocol}`);
    const { heard } = await pod.heard(end);
    const far = { ip: cart().address.v4, port };
    expect(await world.speakTo(protocol, far)).toBe(true);
    await sleep(QUIET_MS); // what is to be seen is that nothing comes
    for (let i = 0; i < 3; i++) {
      await pod.speak(end);
      await world.speakTo(protocol, far);
      await sleep(QUIET_MS / 3);
    }
    expect(await counters.read(`over_${protocol}`)).toBe(before);
    expect((await pod.heard(end)).heard).toBe(heard);
    if (protocol === 'tcp') await eventually(async () => expect(await world.speakTo(protocol, far)).toBe(false), 1_000);
  }
});
