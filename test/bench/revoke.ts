// revoke: how long a narrowed policy takes into the kernel with 250 clients and 100,000 grants, told by the packets of the pod that loses a
// name (when was the last one sent that arrived), and what another pod loses meanwhile.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab } from '../../src/cli/demo/lab.ts';
import { writeSysctls } from '../../src/cli/demo/topology.ts';
import { FarCounters } from '../support/netns-counters.ts';
import { Hammer } from '../support/netns-hammer.ts';
import { LabFiles } from '../support/netns-policies.ts';
import { median } from './measure.ts';
import type { Figure, Outcome } from './report.ts';

const CLIENTS = 250;
const GRANTS = 100_000;
const PORT = 443;
const ROUNDS = 10;
const [REVOKED, KEPT] = ['11.0.0.1', '11.0.0.2'];

export async function revoke(): Promise<Outcome> {
  const lab = await Lab.build([
    { name: 'cart', namespace: 'shop', labels: { app: 'shop' } },
    { name: 'mail', namespace: 'shop', labels: { app: 'mail' } },
  ]);
  const hammers = ['cart', 'mail'].map((name) => new Hammer(lab.pod(name).address.namespace));
  const far = new Hammer(lab.worldNamespace);
  try {
    const figures = await measure(lab, hammers, far);
    return { results: [], figures, refusals: [] };
  } finally {
    await Promise.all([far.close(), ...hammers.map((hammer) => hammer.close())]);
    await lab.remove();
  }
}

async function measure(lab: Lab, [ours, theirs]: readonly Hammer[], far: Hammer): Promise<Figure[]> {
  const [cart, mail] = [lab.pod('cart'), lab.pod('mail')];
  await lab.world.setLoadTtl(3_600);
  const files = new LabFiles(lab);
  files.allow({ patterns: ['*.load.example.org'], port: PORT });
  files.allow({ name: 'mail', app: 'mail', patterns: ['*.load.example.org'], port: PORT });
  lab.configure({ policies: [files.folder], overrides: { state: lab.folder } });
  files.editClients((text) => text + Array.from({ length: CLIENTS - 2 }, (_, i) => clientText(i)).join(''));
  const counters = await FarCounters.install(lab, { others: `ip saddr ${mail.address.v4} udp dport ${PORT}` });
  await lab.startAgent();
  // Short, so that what is measured is the way to the kernel, not the number of flows that the hammer leaves behind.
  await writeSysctls(lab.nodeNamespace, [
    'net/netfilter/nf_conntrack_udp_timeout=1',
    'net/netfilter/nf_conntrack_udp_timeout_stream=1',
  ]);
  await far.collect(REVOKED, PORT);
  const { answered } = await mail.burst({ first: 0, count: GRANTS, type: 'A', port: null, parallel: 128 });
  if (answered !== GRANTS) throw new Error(`Cannot measure: ${answered} of ${GRANTS} names were answered`);
  await theirs?.start(mail.address.v4, [{ kind: 'udp', ip: KEPT, port: PORT }], 1);
  await ours?.start(cart.address.v4, [{ kind: 'udp', ip: REVOKED, port: PORT }], 2);
  const toKernel: number[] = [];
  const toApplied: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await cart.ask('n1.load.example.org');
    await sleep(1_500);
    const seen = (await far.collected()).length;
    const [startedMs, startedWallMs] = [machineMs(), Date.now()];
    await files.applied(() => files.allow({ patterns: ['n2.load.example.org'], port: PORT }));
    const last = Math.max(startedMs, ...(await far.collected()).slice(seen));
    toKernel.push(last - startedMs);
    toApplied.push(appliedWallMs(lab) - startedWallMs);
    await files.applied(() => files.allow({ patterns: ['*.load.example.org'], port: PORT }));
  }
  const { sent } = (await theirs?.stop()) ?? { sent: 0 };
  await until(async () => (await counters.read('others')) >= sent, 1_000);
  const figure = (what: string, value: number, unit: string): Figure => ({ bench: 'revoke', what, value, unit });
  return [
    figure('policy file → last packet admitted, median', median(toKernel), 'ms'),
    figure('policy file → last packet admitted, worst', Math.max(...toKernel), 'ms'),
    figure('policy file → open connections judged, median', median(toApplied), 'ms'),
    figure('packets of another pod meanwhile', sent, 'packets'),
    figure('of them lost', sent - (await counters.read('others')), 'packets'),
  ];
}

function clientText(i: number): string {
  return `  - namespace: shop\n    name: other${i}\n    labels: { app: mail }\n    addresses: [10.0.2.${i}]\n`;
}

function machineMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

function appliedWallMs(lab: Lab): number {
  const lines = readFileSync(lab.agentLogFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes('change applied'));
  const { time } = JSON.parse(lines.at(-1) ?? '{}') as { time: string | number }; // the agent's own log
  return new Date(time).getTime();
}

async function until(isDone: () => Promise<boolean>, deadlineMs: number): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await isDone()) && performance.now() < end) await sleep(50);
}
