// Policies and clients that change while the agent runs, on the real kernel: what lost its reason closes, what gained one opens without
// a new lookup, and a file that is wrong changes nothing.
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { canUseKernel } from '../support/kernel.ts';
import { eventually } from '../support/eventually.ts';

const NAME = 'n1.load.example.org';
const ADDRESS = '11.0.0.1';

describe.skipIf(!canUseKernel)('a change of files', () => {
  let lab: Lab;
  let policies: string;

  beforeEach(async () => {
    lab = await Lab.build([
      { name: 'cart', namespace: 'shop', labels: { app: 'shop' } },
      { name: 'mail', namespace: 'shop', labels: { app: 'mail' } },
    ]);
    policies = join(lab.folder, 'policies');
    mkdirSync(policies);
    write(policy('*.load.example.org', 443));
    lab.configure({ policies: [policies], lifetimes: { grace: '60s' } });
    await lab.startAgent();
  });

  afterEach(() => lab.remove());

  test('a name that policy no longer allows closes within a second, other names stay open', async () => {
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    await cart.ask('n2.load.example.org');
    write(policy('n2.load.example.org', 443));
    await eventually(async () => expect((await cart.connect(ADDRESS, 443)).outcome).toBe('rejected'), 1_500);
    expect(await cart.connect('11.0.0.2', 443)).toMatchObject({ outcome: 'connected' });
    expect(await cart.ask(NAME)).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  test('a port that policy adds opens for names that were looked up before', async () => {
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    expect(await cart.connect(ADDRESS, 80)).toMatchObject({ outcome: 'rejected' });
    write(policy('*.load.example.org', 443, 80));
    await eventually(async () => expect((await cart.connect(ADDRESS, 80)).outcome).toBe('connected'), 1_500);
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
  });

  test('a pod that becomes selected finds what it looked up before', async () => {
    const mail = lab.pod('mail');
    expect(await mail.ask(NAME)).toMatchObject({ addresses: [ADDRESS] });
    expect(await mail.connect('11.0.0.9', 443)).toMatchObject({ outcome: 'connected' });
    writeFileSync(
      join(policies, 'mail.yaml'),
      policy('*.load.example.org', 443).replaceAll('app: shop', 'app: mail').replace('name: load', 'name: mail'),
    );
    await eventually(async () => expect((await mail.connect('11.0.0.9', 443)).outcome).toBe('rejected'), 1_500);
    expect(await mail.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
  });

  test('a wrong file is refused with its place, and the last good one stays in force', async () => {
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    write(policy('*.load.example.org', 443).replace('toFQDNs', 'toFQDN'));
    await eventually(() => expect(readFileSync(lab.agentLogFile, 'utf8')).toContain('Change refused'), 1_500);
    expect(readFileSync(lab.agentLogFile, 'utf8')).toMatch(/load\.yaml:\d+:\d+/);
    expect(await cart.ask('n3.load.example.org')).toMatchObject({ rcode: 'NOERROR' });
    expect(await cart.connect('11.0.0.3', 443)).toMatchObject({ outcome: 'connected' });
  });

  test('a new pod with the address of an old one starts empty', async () => {
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
    const clients = join(lab.folder, 'clients.yaml');
    const before = readFileSync(clients, 'utf8');
    writeFileSync(`${clients}.new`, before.replace('name: cart', 'name: cart\n    uid: another'));
    renameSync(`${clients}.new`, clients);
    await eventually(async () => expect((await cart.connect(ADDRESS, 443)).outcome).toBe('rejected'), 1_500);
    await eventually(() => expect(readFileSync(lab.agentLogFile, 'utf8')).toContain('change applied'), 1_500);
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'rejected' });
    expect(await cart.ask(NAME)).toMatchObject({ addresses: [ADDRESS] });
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
  });

  test('a new pod with the address of an old one starts empty, over a restart', async () => {
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
    await lab.killAgent('SIGKILL');
    const clients = join(lab.folder, 'clients.yaml');
    writeFileSync(clients, readFileSync(clients, 'utf8').replace('name: cart', 'name: cart\n    uid: another'));
    await lab.startAgent();
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'rejected' });
  });

  function write(text: string): void {
    writeFileSync(join(lab.folder, 'load.yaml'), text);
    copyFileSync(join(lab.folder, 'load.yaml'), join(policies, 'load.yaml'));
  }
});

function policy(pattern: string, ...ports: readonly number[]): string {
  return `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: load, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: shop } }
  egress:
    - toFQDNs: [{ matchPattern: '${pattern}' }]
      toPorts: [{ ports: [${ports.map((port) => `{ port: '${port}', protocol: TCP }`).join(', ')}] }]
`;
}
