// Ranges that `protect:` closes and that some names open, on the real kernel: the kernel's set and the data plane's judgement of each name agree,
// over changes of policy and restarts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const [ZONE, OTHER] = ['n1.load.example.org', 'n2.load.example.org'];
const [FIRST, SECOND] = ['11.0.0.1', '11.0.0.2'];

describe.skipIf(!canUseKernel)('a protected range', () => {
  let lab: Lab;
  let policies: string;

  beforeEach(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    policies = join(lab.folder, 'policies');
    mkdirSync(policies);
    allow('');
    await lab.world.setLoadTtl(3_600);
    lab.configure({
      policies: [policies],
      lifetimes: { grace: '60s' },
      overrides: { state: lab.folder, protect: ['11.0.0.0/8'], internalZones: { [ZONE]: ['11.0.0.0/24'] } },
    });
    await lab.startAgent();
  });

  afterEach(() => lab.remove());

  test('is open to an internal zone, closed to other names, and both after a restart', async () => {
    const cart = lab.pod('cart');
    expect(await cart.ask(OTHER)).toMatchObject({ rcode: 'NOERROR', addresses: [] });
    expect(await cart.ask(ZONE)).toMatchObject({ addresses: [FIRST] });
    expect(await cart.connect(FIRST, 443)).toMatchObject({ outcome: 'connected' });
    expect(await cart.connect(SECOND, 443)).toMatchObject({ outcome: 'rejected' });
    await lab.killAgent('SIGTERM');
    await lab.startAgent();
    expect(await cart.connect(FIRST, 443)).toMatchObject({ outcome: 'connected' });
    expect(await cart.connect(SECOND, 443)).toMatchObject({ outcome: 'rejected' });
  });

  test('opens by the annotation of a policy, and closes with it; what an internal zone opens stays', async () => {
    const cart = lab.pod('cart');
    await cart.ask(ZONE);
    const kept = await openConnection(FIRST);
    allow('11.0.0.2/32');
    await eventually(async () => expect(await cart.ask(OTHER)).toMatchObject({ addresses: [SECOND] }), 1_500);
    expect(await cart.connect(SECOND, 443)).toMatchObject({ outcome: 'connected' });
    const cut = await openConnection(SECOND);
    allow('');
    await eventually(async () => expect((await cart.connect(SECOND, 443)).outcome).toBe('rejected'), 1_500);
    expect(await cart.ask(OTHER)).toMatchObject({ addresses: [] });
    await eventually(async () => expect((await cart.echo(cut)).outcome).not.toBe('echoed'), 1_500);
    expect(await cart.echo(kept)).toMatchObject({ outcome: 'echoed' });
  });

  test('that no name can open is refused with its place', async () => {
    allow('169.254.169.254/32');
    await eventually(() => expect(readFileSync(lab.agentLogFile, 'utf8')).toContain('which no name opens'), 1_500);
    expect(readFileSync(lab.agentLogFile, 'utf8')).toMatch(/load\.yaml:\d+:\d+/);
  });

  async function openConnection(address: string): Promise<number> {
    const made = await lab.pod('cart').connect(address, 443);
    return made.outcome === 'connected' ? made.connection : expect.fail(`${made.outcome} by ${address}`);
  }

  function allow(ranges: string): void {
    const annotations = ranges === '' ? '{}' : `{ namewall.io/allow-answer-ranges: '${ranges}' }`;
    writeFileSync(
      join(policies, 'load.yaml'),
      `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: load, namespace: shop, annotations: ${annotations} }
spec:
  endpointSelector: { matchLabels: { app: shop } }
  egress:
    - toFQDNs: [{ matchPattern: '*.load.example.org' }]
      toPorts: [{ ports: [{ port: '443', protocol: TCP }] }]
`,
    );
  }
});
