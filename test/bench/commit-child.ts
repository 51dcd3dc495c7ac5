// Runs in a namespace of its own (commit.ts): prints its figures as JSON.
import { applyText } from '../../src/kernel/apply.ts';
import { NetlinkSetWriter } from '../../src/kernel/set-writer.ts';
import { LinuxSys } from '../../src/sys/linux.ts';
import { median } from './measure.ts';
import type { Figure } from './report.ts';

const TABLE = 'namewall_bench';
const ROUNDS = 5;
const PER_ROUND = 8_192;
const pod = address(10, 0);
const sys = LinuxSys.open();
let next = 0;

const figures: Figure[] = [];
for (const chains of [1, 50]) {
  for (const elements of [0, 100_000]) {
    for (const batch of [1, 10, 64, 256]) {
      const writer = await fresh(chains, elements);
      const rounds = Array.from({ length: ROUNDS }, () => rate(writer, batch));
      writer.close();
      const what = `batches of ${batch}, ${elements} elements there, ${chains} chains`;
      figures.push({ bench: 'commit', what, unit: 'elements/s', value: median(rounds) });
    }
  }
}
await applyText(`delete table inet ${TABLE}\n`);
process.stdout.write(JSON.stringify(figures));

async function fresh(chains: number, elements: number): Promise<NetlinkSetWriter> {
  const names = Array.from(
    { length: chains },
    (_, i) => `chain policy${i} { ip saddr . ip daddr @grants4_bench tcp dport 443 accept; }`,
  );
  const set = 'set grants4_bench { type ipv4_addr . ipv4_addr; flags timeout; size 4000000; gc-interval 1s; }';
  await applyText(
    `add table inet ${TABLE}\ndelete table inet ${TABLE}\ntable inet ${TABLE} {\n${[set, ...names].join('\n')}\n}\n`,
  );
  const writer = NetlinkSetWriter.open(sys, { table: TABLE, strategy: 'update' });
  writer.define(['bench']);
  for (let i = 0; i < elements; i++) {
    if (!writer.add(0, pod, 0, address(11, next++), 0, 3_600_000) || writer.pending === 256) writer.commit();
  }
  writer.commit();
  return writer;
}

function rate(writer: NetlinkSetWriter, batch: number): number {
  const start = sys.nowMs();
  for (let i = 0; i < PER_ROUND; i += batch) {
    for (let j = 0; j < batch; j++) writer.add(0, pod, 0, address(11, next++), 0, 3_600_000);
    if (writer.commit() !== 0) throw new Error('the kernel refused a batch');
  }
  return (PER_ROUND / (sys.nowMs() - start)) * 1_000;
}

function address(first: number, n: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff, first, (n >>> 16) & 255, (n >>> 8) & 255, n & 255], 10);
  return bytes;
}
