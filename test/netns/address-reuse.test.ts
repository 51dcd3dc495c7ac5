// Addresses of clients that go from one to the next, on the real kernel: the next one inherits nothing of what the former looked up, neither by a
// new connection nor by an old one that conntrack still knows. NAMEWALL_REUSES=10000 reuses as many.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import type { LabPod } from '../../src/cli/demo/pod.ts';
import { canUseKernel } from '../support/kernel.ts';
import { FarCounters } from '../support/netns-counters.ts';
import { Ends } from '../support/netns-ends.ts';
import type { Protocol } from '../support/netns-ends.ts';
import { LabFiles } from '../support/netns-policies.ts';

const PODS = 4;
const REUSES = Number(process.env['NAMEWALL_REUSES'] ?? 200);
const ROUNDS = Math.ceil(REUSES / PODS);
const MS_PER_ROUND = 3_000;
const PORT = 7000;
const QUIET_MS = 20;

interface Client {
  readonly pod: LabPod;
  readonly ends: Ends;
  readonly number: number;
}

interface Held {
  readonly protocol: Protocol;
  readonly end: number;
  readonly port: number;
}

describe.skipIf(!canUseKernel)('an address that another client gets', () => {
  let lab: Lab;
  let files: LabFiles;
  let world: Ends;
  let clients: Client[];
  let counters: FarCounters;
  let uid = 0;

  beforeEach(async () => {
    const names = Array.from({ length: PODS }, (_, i) => `pod${i}`);
    lab = await Lab.build(names.map((name) => ({ name, namespace: 'shop', labels: { app: 'shop' } })));
    files = new LabFiles(lab);
    clients = lab.pods.map((pod, number) => ({ pod, number, ends: new Ends(pod.address.namespace) }));
    world = new Ends(lab.worldNamespace);
    await world.listen('tcp', { ip: '0.0.0.0', port: PORT });
    for (let n = 0; n < 2 * PODS; n++) await world.listen('udp', { ip: addressOf(n), port: PORT });
    counters = await FarCounters.install(lab, {
      over_tcp: `ip daddr 11.0.0.0/8 tcp dport ${PORT} tcp flags & rst == 0`,
      over_udp: `ip daddr 11.0.0.0/8 udp dport ${PORT}`,
    });
    files.allow({ patterns: ['*.load.example.org'] });
    lab.configure({
      policies: [files.folder],
      lifetimes: { grace: '60s' },
      overrides: { state: lab.folder },
    });
    renew();
    await lab.startAgent();
  });

  afterEach(async () => {
    await Promise.all([world.close(), ...clients.map(({ ends }) => ends.close())]);
    await lab.remove();
  });

  test(`opens nothing for it, ${REUSES} times`, { timeout: 60_000 + ROUNDS * MS_PER_ROUND }, async () => {
    const start = performance.now();
    for (let round = 0; round < ROUNDS; round++) await reuse(round, () => files.applied(renew));
    const seconds = (performance.now() - start) / 1_000;
    process.stdout.write(`figure: ${ROUNDS * PODS} reuses in ${seconds.toFixed(0)} s: nothing inherited\n`);
  });

  test('opens nothing for it when it changes hands while the agent is down', async () => {
    for (const [round, signal] of (['SIGKILL', 'SIGTERM'] as const).entries()) {
      await reuse(round, async () => {
        await lab.killAgent(signal);
        renew();
        await lab.startAgent();
      });
    }
  });

  /** All clients look a name up and use it, then each address is somebody else's, who tries the same. */
  async function reuse(round: number, change: () => Promise<void>): Promise<void> {
    const held = await Promise.all(clients.map((client) => use(client, nameNumber(client, round))));
    await change();
    const [tcp, udp] = [await counters.read('over_tcp'), await counters.read('over_udp')];
    await Promise.all(clients.map((client, i) => expectNothing(client, nameNumber(client, round), held[i] ?? [])));
    expect([await counters.read('over_tcp'), await counters.read('over_udp')]).toEqual([tcp, udp]);
  }

  /** A connection over each protocol, which has carried something both ways. */
  async function use({ pod, ends }: Client, n: number): Promise<Held[]> {
    expect(await pod.ask(`n${n}.load.example.org`)).toMatchObject({ addresses: [addressOf(n)] });
    const held: Held[] = [];
    for (const protocol of ['tcp', 'udp'] as const) {
      const opened = await ends.open(protocol, { ip: addressOf(n), port: PORT });
      expect(opened.outcome).toBe('connected');
      await ends.speak(opened.end);
      held.push({ protocol, ...opened });
    }
    await sleep(QUIET_MS);
    for (const { end } of held) expect((await ends.heard(end)).heard).toBe(1);
    return held;
  }

  async function expectNothing({ pod, ends }: Client, n: number, held: readonly Held[]): Promise<void> {
    for (const { protocol, port } of held) await world.speakTo(protocol, { ip: pod.address.v4, port });
    await sleep(QUIET_MS);
    for (const { end } of held) await ends.speak(end);
    expect(await pod.connect(addressOf(n), PORT)).toMatchObject({ outcome: 'rejected' });
    const fresh = await ends.open('udp', { ip: addressOf(n), port: PORT });
    await ends.speak(fresh.end);
    await sleep(QUIET_MS);
  }

  function renew(): void {
    uid++;
    files.editClients((text) =>
      text.replaceAll(/\n(\s+)name: (pod\d+)\n(?:\s+uid: .*\n)?/g, `\n$1name: $2\n$1uid: $2-${uid}\n`),
    );
  }

  /** Another name than the one before, so that nobody profits from what the former client asked for. */
  function nameNumber({ number }: Client, round: number): number {
    return number + (round % 2) * PODS;
  }
});

function addressOf(n: number): string {
  return `11.0.0.${n}`;
}
