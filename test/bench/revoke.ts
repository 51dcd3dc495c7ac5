// node test/bench/revoke.ts [ROUNDS]: how long a narrowed policy takes into the kernel with 250 clients and 100,000 grants, told by the packets
// of the pod that loses a name (when was the last one sent that arrived), and what another pod loses meanwhile.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lab } from '../../src/cli/demo/lab.ts';
import { writeSysctls } from '../../src/cli/demo/topology.ts';
import { FarCounters } from '../support/netns-counters.ts';
import { Hammer } from '../support/netns-hammer.ts';
import { LabFiles } from '../support/netns-policies.ts';
import { median } from './measure.ts';

const CLIENTS = 250;
const GRANTS = 100_000;
const PORT = 443;
const ROUNDS = Number(process.argv[2] ?? 10);
const [REVOKED, KEPT] = ['11.0.0.1', '11.0.0.2'];

const lab = await Lab.build([
  { name: 'cart', namespace: 'shop', labels: { app: 'shop' } },
  { name: 'mail', namespace: 'shop', labels: { app: 'mail' } },
]);
const [cart, mail] = [lab.pod('cart'), lab.pod('mail')];
const hammers = [cart, mail].map((pod) => new Hammer(pod.address.namespace));
const far = new Hammer(lab.worldNamespace);
try {
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
  const [ours, theirs] = hammers;
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
    toApplied.push(appliedWallMs() - startedWallMs);
    await files.applied(() => files.allow({ patterns: ['*.load.example.org'], port: PORT }));
  }
  const { sent } = (await theirs?.stop()) ?? { sent: 0 };
  await until(async () => (await counters.read('others')) >= sent, 1_000);
  const lost = sent - (await counters.read('others'));
  const figures = [
    ['file → kernel, last packet admitted, ms', toKernel],
    ['file → change applied (open connections judged), ms', toApplied],
  ] as const;
  for (const [what, values] of figures) {
    const all = values.map((value) => value.toFixed(1)).join(' ');
    process.stdout.write(
      `${what}: median ${median(values).toFixed(1)}, worst ${Math.max(...values).toFixed(1)} (${all})\n`,
    );
  }
  process.stdout.write(`packets of another pod: ${sent} sent, ${lost} lost\n`);
} finally {
  await Promise.all([far.close(), ...hammers.map((hammer) => hammer.close())]);
  await lab.remove();
}

function clientText(i: number): string {
  return `  - namespace: shop\n    name: other${i}\n    labels: { app: mail }\n    addresses: [10.0.2.${i}]\n`;
}

function machineMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

function appliedWallMs(): number {
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
