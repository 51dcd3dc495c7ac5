// Another program's big transactions beside us, on the real kernel: they overrun the watcher of nftables events and hold nft's lock, and
// neither may make cache hits wait (design V7, V24).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { canUseKernel } from '../support/kernel.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const RULES = 20_000;

describe.skipIf(!canUseKernel)('while another program replaces 20,000 rules', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    lab.configure({ policies: [POLICY] });
    await lab.startAgent();
  });

  afterAll(() => lab.remove());

  test('what is granted is still relied on: no answer from the cache needs a commit', async () => {
    const file = join(lab.folder, 'others.nft');
    const rules = Array.from({ length: RULES }, (_, i) => `ip saddr 10.100.${i >> 8}.${i & 255} accept`);
    const chain = `chain c {\n${rules.join('\n')}\n}`;
    writeFileSync(file, `add table ip others\ndelete table ip others\ntable ip others {\n${chain}\n}\n`);
    const cart = lab.pod('cart');
    await cart.ask('n1.load.example.org');
    for (let i = 0; i < 3; i++) await lab.onNode(['nft', '-f', file]);
    expect(await cart.ask('n1.load.example.org')).toMatchObject({ rcode: 'NOERROR' });
    await lab.killAgent('SIGTERM');
    const { commits, cache_hits: hits, kernel_changed: changes } = await lastCounters(lab);
    expect({ commits, hits, changes }).toEqual({ commits: 1, hits: 1, changes: 0 });
  });
});

async function lastCounters(lab: Lab): Promise<Record<string, number>> {
  const lines = (await lab.onNode(['cat', lab.agentLogFile])).trim().split('\n');
  const last = JSON.parse(lines.at(-1) ?? '{}') as { counters: Record<string, number> }; // the line of an ordinary stop
  return last.counters;
}
