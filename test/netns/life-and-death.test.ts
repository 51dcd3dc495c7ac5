// How the agent ends, on the real kernel: by a signal, by an exception on either side, by somebody else's hand on its table; and that
// whatever happens nothing opens, and nothing of it is left after --cleanup.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const NAME = 'n1.load.example.org';
const ADDRESS = '11.0.0.1';

describe.skipIf(!canUseKernel)('the agent', () => {
  let lab: Lab;

  beforeEach(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    lab.configure({ policies: [POLICY], lifetimes: { grace: '30s' } });
  });

  afterEach(async () => {
    delete process.env['NAMEWALL_THROW'];
    await lab.remove();
  });

  test.each(['main', 'datapath'])(
    'ends within a second of an exception in %s; DNS takes whenDown: closed',
    async (where) => {
      process.env['NAMEWALL_THROW'] = where;
      await lab.startAgent();
      const cart = lab.pod('cart');
      expect(await cart.ask(NAME)).toMatchObject({ outcome: 'answered', addresses: [ADDRESS] });
      const pid = lab.agentPid ?? 0;
      const thrown = performance.now();
      process.kill(pid, 'SIGUSR2');
      while (isAlive(pid) && performance.now() - thrown < 1_000) await sleep(10);
      expect(isAlive(pid)).toBe(false);
      expect(await cart.ask('n2.load.example.org', 'A', { timeoutMs: 500 })).toMatchObject({ outcome: 'silent' });
      expect(await counter('agent_down')).toBeGreaterThan(0);
      expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
      expect(await cart.connect('11.0.0.2', 443)).toMatchObject({ outcome: 'rejected' });
      expect(readFileSync(lab.agentLogFile, 'utf8')).toContain('Thrown on purpose');
    },
  );

  test('with whenDown: bypass a dead agent leaves DNS to the server behind it, and egress closed', async () => {
    lab.configure({ policies: [POLICY], whenDown: 'bypass' });
    await lab.startAgent();
    await lab.killAgent('SIGKILL');
    const cart = lab.pod('cart');
    expect(await cart.ask(NAME)).toMatchObject({ outcome: 'answered', addresses: [ADDRESS] });
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'rejected' });
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends it cleanly, its audit log whole, its rules in force',
    async (signal) => {
      await lab.startAgent();
      const cart = lab.pod('cart');
      await cart.ask(NAME);
      await cart.ask('exfil.example.com');
      await lab.killAgent(signal);
      expect(lab.agentExit()).toEqual({ code: 0, signal: null });
      const events = readFileSync(`${lab.folder}/audit.jsonl`, 'utf8').trim().split('\n');
      expect(events.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
        'grant',
        'dns.allowed',
        'dns.denied',
      ]);
      expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
      expect(await cart.connect('11.0.0.2', 443)).toMatchObject({ outcome: 'rejected' });
    },
  );

  test('with the table deleted under load, no address is told that is not granted', { timeout: 60_000 }, async () => {
    await lab.startAgent();
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    // Interception goes with the table, so that answers can only be given to queries which the agent has already.
    await lab.world.delay(1_000);
    const waiting = Array.from({ length: 200 }, (_, i) =>
      cart.ask(`n${1000 + i}.load.example.org`, 'A', { timeoutMs: 1_500 }),
    );
    await sleep(500); // all 200 are with the agent, and the first answer is half a second away
    await lab.onNode(['nft', 'delete', 'table', 'inet', 'namewall']);
    const answers = await Promise.all(waiting);
    const told = answers.flatMap((asked) => (asked.outcome === 'answered' ? asked.addresses.slice(0, 1) : []));
    const refused = answers.filter((asked) => asked.outcome === 'answered' && asked.rcode === 'SERVFAIL');
    expect(told.length + refused.length).toBe(200);
    expect(readFileSync(lab.agentLogFile, 'utf8')).toContain('not ready: table deleted');
    // By then the table was back: whoever got an address can use it.
    for (const address of told.slice(0, 20)) {
      expect(await cart.connect(address, 443)).toMatchObject({ outcome: 'connected' });
    }
  });

  test('a table that somebody deleted is put back, with what was granted', async () => {
    await lab.startAgent();
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    await lab.onNode(['nft', 'delete', 'table', 'inet', 'namewall']);
    await eventually(async () => {
      expect(await cart.connect('11.0.0.2', 443)).toMatchObject({ outcome: 'rejected' });
    }, 5_000);
    // The rules first, the grants a moment later.
    await eventually(async () => {
      expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
    }, 2_000);
    expect(await lab.onNode(['nft', 'list', 'tables'])).not.toContain('namewall_shield');
    // Told when open connections are judged, too.
    await eventually(async () => {
      expect(readFileSync(`${lab.folder}/audit.jsonl`, 'utf8')).toContain('"event":"table.restored"');
    }, 2_000);
  });

  test('a second agent in the same namespace says so and changes nothing', async () => {
    await lab.startAgent();
    const cart = lab.pod('cart');
    await cart.ask(NAME);
    const before = await lab.onNode(['nft', '-s', 'list', 'table', 'inet', 'namewall']);
    const second = lab.onNode([process.execPath, MAIN, 'run', '--config', `${lab.folder}/namewall.yaml`]);
    await expect(second).rejects.toThrow('another namewall runs in this network namespace');
    expect(withoutRates(await lab.onNode(['nft', '-s', 'list', 'table', 'inet', 'namewall']))).toBe(
      withoutRates(before),
    );
    expect(await cart.ask('n2.load.example.org')).toMatchObject({ rcode: 'NOERROR' });
    expect(await cart.connect('11.0.0.3', 443)).toMatchObject({ outcome: 'rejected' });
  });

  test.each([
    ['after an ordinary stop', async () => await lab.killAgent('SIGTERM')],
    ['after kill -9', async () => await lab.killAgent('SIGKILL')],
    [
      'when half of it is gone',
      async () => {
        await lab.killAgent('SIGKILL');
        await lab.onNode(['nft', 'delete', 'table', 'inet', 'namewall']);
        await lab.onNode(['ip', 'route', 'flush', 'table', '5310']);
      },
    ],
  ])('run --cleanup leaves the node as it was, %s, also when it runs twice', { timeout: 60_000 }, async (_why, end) => {
    const before = await machine();
    await lab.startAgent();
    await lab.pod('cart').ask(NAME);
    expect(await machine()).not.toEqual(before);
    await end();
    await lab.onNode([process.execPath, MAIN, 'run', '--cleanup']);
    expect(await machine()).toEqual(before);
    await lab.onNode([process.execPath, MAIN, 'run', '--cleanup']);
    expect(await machine()).toEqual(before);
  });

  async function machine(): Promise<readonly string[]> {
    const script =
      'nft list ruleset; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ss -lnup';
    return (await lab.onNode(['sh', '-c', script])).split('\n').map((line) => line.trimEnd());
  }

  async function counter(name: string): Promise<number> {
    const text = await lab.onNode(['nft', 'list', 'counter', 'inet', 'namewall', name]);
    return Number(/packets (\d+)/.exec(text)?.[1] ?? -1);
  }
});

/** Without the elements of the rate limiter and of grants, which come and go with time. */
function withoutRates(ruleset: string): string {
  return ruleset.replaceAll(/elements = \{[^}]*\}/g, '');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
