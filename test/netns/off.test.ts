// `namewall off` and `on`, on the real kernel: nothing of these pods is refused and all of it is said, nothing of others changes, and it ends
// by itself, with and without an agent.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OPEN_NODE } from '../../src/cli/ask-agent.ts';
import { Lab } from '../../src/cli/demo/lab.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const ALLOWED = 'n1.load.example.org';
const ADDRESS = '11.0.0.1';
/** No name of the policy leads there. */
const FORBIDDEN = '11.0.0.200';
const DENIED_NAME = 'api.example.org';

interface Event {
  readonly event: string;
  readonly [key: string]: unknown;
}

describe.skipIf(!canUseKernel)('audit mode', () => {
  let lab: Lab;

  beforeEach(async () => {
    lab = await Lab.build([
      { name: 'cart', namespace: 'shop', labels: { app: 'shop' } },
      { name: 'mail', namespace: 'shop', labels: { app: 'shop' } },
    ]);
    await lab.world.publish(DENIED_NAME, { A: ['192.0.2.80'], ttlSeconds: 60 });
    lab.configure({ policies: [POLICY], lifetimes: { grace: '30s' }, overrides: { state: join(lab.folder, 'state') } });
    await lab.startAgent();
  });

  afterEach(() => lab.remove());

  test('what is refused passes while it is off, is said, and is refused again', async () => {
    const cart = lab.pod('cart');
    expect(await reach('cart')).toBe('rejected');
    expect(await cart.ask(DENIED_NAME)).toMatchObject({ rcode: 'NXDOMAIN' });

    expect(await namewall('off')).toMatch(/^off: the whole node until "namewall on" \(since .*, by uid \d+\)\n$/);
    expect(await reach('cart')).toBe('connected');
    expect(await cart.ask(DENIED_NAME)).toMatchObject({ rcode: 'NOERROR', addresses: ['192.0.2.80'] });
    await eventually(() => {
      const events = audit();
      expect(events).toContainEqual(expect.objectContaining({ event: 'enforcement.off', scope: 'node', until: null }));
      const denial = { event: 'connection.denied', reason: 'would-deny', destination: FORBIDDEN };
      expect(events).toContainEqual(expect.objectContaining(denial));
      const answer = { event: 'dns.allowed', qname: DENIED_NAME, wouldDeny: true };
      expect(events).toContainEqual(expect.objectContaining(answer));
    }, 2_000);

    expect(await namewall('on')).toBe('nothing is off: what policy does not allow is refused\n');
    expect(await reach('cart')).toBe('rejected');
    expect(await cart.ask(DENIED_NAME)).toMatchObject({ rcode: 'NXDOMAIN' });
    await eventually(() => expect(audit().some(({ event }) => event === 'enforcement.on')).toBe(true), 2_000);
  });

  test('the end finds what policy allows open, and cuts what it does not', async () => {
    const cart = lab.pod('cart');
    await namewall('off');
    expect(await cart.ask(ALLOWED)).toMatchObject({ addresses: [ADDRESS] });
    const forbidden = await connection('cart', FORBIDDEN);
    const allowed = await connection('cart', ADDRESS);
    await namewall('on');
    await eventually(async () => expect((await cart.echo(forbidden)).outcome).toBe('rejected'), 2_000);
    expect(await cart.echo(allowed)).toMatchObject({ outcome: 'echoed' });
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
  });

  test('no other pod than the named one is opened', async () => {
    await namewall('off', '--pod', 'shop/cart');
    expect(await reach('cart')).toBe('connected');
    expect(await reach('mail')).toBe('rejected');
    expect(await lab.pod('mail').ask(DENIED_NAME)).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  test('a pod or namespace that no client has is an error, and nothing is off then', async () => {
    await expect(namewall('off', '--pod', 'shop/carts')).rejects.toThrow('Cannot find a client for pod shop/carts');
    await expect(namewall('off', '-n', 'shops')).rejects.toThrow('Cannot find a client for namespace shops');
    expect(await namewall('off', '--status', '-o', 'json')).toBe('[]\n');
  });

  test('it ends by itself', async () => {
    const text = await namewall('off', '--for', '2s', '--namespace', 'shop');
    expect(text).toMatch(/^off: namespace shop for [12]s, until /);
    expect(await reach('cart')).toBe('connected');
    await eventually(async () => expect(await reach('cart')).toBe('rejected'), 4_000);
    await eventually(async () => {
      expect(await lab.pod('cart').ask(DENIED_NAME)).toMatchObject({ rcode: 'NXDOMAIN' });
    }, 1_000);
    await eventually(() => {
      expect(audit()).toContainEqual(
        expect.objectContaining({ event: 'enforcement.on', scope: 'namespace', uid: null }),
      );
    }, 1_000);
  });

  test('it ends by itself when the agent is dead, and the next agent cuts what was opened meanwhile', async () => {
    await namewall('off', '--for', '2s');
    await lab.killAgent('SIGKILL');
    const forbidden = await connection('cart', FORBIDDEN);
    await eventually(async () => expect(await reach('cart')).toBe('rejected'), 4_000);
    expect(await lab.pod('cart').echo(forbidden)).toMatchObject({ outcome: 'echoed' });
    await lab.startAgent();
    expect(await reach('cart')).toBe('rejected');
    await eventually(async () => expect((await lab.pod('cart').echo(forbidden)).outcome).toBe('rejected'), 2_000);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)('it goes on after a restart (%s)', async (signal) => {
    await namewall('off', '--namespace', 'shop');
    await lab.killAgent(signal);
    expect(await reach('cart')).toBe('connected');
    await lab.startAgent();
    expect(await reach('cart')).toBe('connected');
    expect(await lab.pod('cart').ask(DENIED_NAME)).toMatchObject({ rcode: 'NOERROR' });
    expect(await namewall('off', '--status')).toMatch(/^off: namespace shop until "namewall on"/);
  });

  test('a pod that comes while its namespace is off is off, too', async () => {
    const clients = join(lab.folder, 'clients.yaml');
    const before = readFileSync(clients, 'utf8');
    writeFileSync(clients, before.slice(0, before.lastIndexOf('  - namespace:'))); // without the last one: mail
    await eventually(() => expect(log()).toContain('change applied'), 2_000);
    await namewall('off', '--namespace', 'shop', '--for', '1h');
    writeFileSync(clients, before);
    await eventually(() => expect(log().match(/change applied/g)).toHaveLength(2), 2_000);
    expect(await reach('mail')).toBe('connected');
    expect(await lab.pod('mail').ask(DENIED_NAME)).toMatchObject({ rcode: 'NOERROR' });
  });

  test('a change of policy meanwhile cuts no connection; the end of it does', async () => {
    const cart = lab.pod('cart');
    await namewall('off', '--pod', 'shop/cart');
    const forbidden = await connection('cart', FORBIDDEN);
    const policies = join(lab.folder, 'narrower.yaml');
    writeFileSync(policies, readFileSync(POLICY, 'utf8').replace('*.load', 'n7.load'));
    lab.configure({ policies: [policies], overrides: { state: join(lab.folder, 'state') } });
    await lab.killAgent('SIGTERM');
    await lab.startAgent();
    writeFileSync(policies, readFileSync(POLICY, 'utf8').replace('*.load', 'n8.load'));
    await eventually(() => expect(log()).toContain('change applied'), 2_000);
    expect(await cart.echo(forbidden)).toMatchObject({ outcome: 'echoed' });
    await namewall('on');
    await eventually(async () => expect((await cart.echo(forbidden)).outcome).toBe('rejected'), 2_000);
  });

  test('a connection that policy had cut goes on', async () => {
    const cart = lab.pod('cart');
    await namewall('off', '--pod', 'shop/cart');
    const forbidden = await connection('cart', FORBIDDEN);
    await namewall('on');
    await eventually(async () => expect(await cutFlows()).toContain(FORBIDDEN), 2_000);
    await namewall('off', '--pod', 'shop/cart');
    expect(await cutFlows()).not.toContain(FORBIDDEN);
    expect(await cart.echo(forbidden)).toMatchObject({ outcome: 'echoed' });
  });

  test('it outlives a foreign hand that deletes the table', async () => {
    await namewall('off', '--pod', 'shop/cart');
    await lab.onNode(['nft', 'delete', 'table', 'inet', 'namewall']);
    await eventually(async () => expect(await reach('mail')).toBe('rejected'), 5_000);
    await eventually(async () => expect(await reach('cart')).toBe('connected'), 1_000);
  });

  test('with a dead agent the command says which one opens the node, and that one does, DNS included', async () => {
    await lab.killAgent('SIGKILL');
    expect(await reach('cart')).toBe('rejected');
    expect(await lab.pod('cart').ask(DENIED_NAME, 'A', { timeoutMs: 300 })).toMatchObject({ outcome: 'silent' });
    await expect(namewall('off')).rejects.toThrow(OPEN_NODE);
    await lab.onNode(['sh', '-c', OPEN_NODE]);
    expect(await reach('cart')).toBe('connected');
    expect(await lab.pod('cart').ask(DENIED_NAME)).toMatchObject({ rcode: 'NOERROR', addresses: ['192.0.2.80'] });
    await lab.onNode(['sh', '-c', OPEN_NODE]); // nothing is there, and that is no error
    await lab.startAgent();
    expect(await reach('cart')).toBe('rejected');
    expect(await lab.pod('cart').ask(DENIED_NAME)).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  function namewall(...argv: readonly string[]): Promise<string> {
    return lab.onNode([process.execPath, MAIN, ...argv, '--state', join(lab.folder, 'state')]);
  }

  async function reach(pod: string): Promise<string> {
    return (await lab.pod(pod).connect(FORBIDDEN, 443)).outcome;
  }

  async function connection(pod: string, address: string): Promise<number> {
    const connected = await lab.pod(pod).connect(address, 443);
    return connected.outcome === 'connected' ? connected.connection : expect.fail(connected.outcome);
  }

  function log(): string {
    return readFileSync(lab.agentLogFile, 'utf8');
  }

  function cutFlows(): Promise<string> {
    return lab.onNode(['nft', 'list', 'set', 'inet', 'namewall', 'cut4']);
  }

  function audit(): Event[] {
    const lines = readFileSync(join(lab.folder, 'audit.jsonl'), 'utf8').trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Event);
  }
});
