import { expect, test } from 'vitest';
import type { AskCheck, Check, ConnectCheck, Prober, Seen, TestCase } from '../../../../src/cli/test/case.ts';
import { runCase } from '../../../../src/cli/test/run-case.ts';

const CONNECT: ConnectCheck = {
  kind: 'connect',
  to: { kind: 'name', text: 'api.example.org' },
  protocol: 'tcp',
  port: 443,
  expect: 'allowed',
};
const ASK: AskCheck = { kind: 'ask', name: 'a.example.org', typeText: 'A', type: 1, expect: 'answered', addresses: [] };
const saw = (actual: string, addresses: string[] = []): Seen => ({ kind: 'seen', actual, addresses, detail: 'so' });

/** Answers what it is given, in that order, the last again and again. */
class ScriptedProber implements Prober {
  readonly timeouts: number[] = [];
  readonly #script: Seen[];
  constructor(...script: Seen[]) {
    this.#script = script;
  }
  see(_source: unknown, _check: unknown, timeoutMs: number): Promise<Seen> {
    this.timeouts.push(timeoutMs);
    const [first] = this.#script;
    return Promise.resolve((this.#script.length > 1 ? this.#script.shift() : first) ?? saw('nothing'));
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

const testOf = (checks: Check[], attempts = 1): TestCase => ({
  name: 'a',
  at: 't.yaml:1:1',
  source: { kind: 'host' },
  checks,
  attempts,
  timeoutMs: 9_000,
});

test('what was seen as expected passes', async () => {
  expect(await runCase(testOf([CONNECT]), new ScriptedProber(saw('allowed')))).toEqual({ kind: 'passed' });
});

test('anything else fails, and says what was tried, expected and seen', async () => {
  expect(await runCase(testOf([CONNECT]), new ScriptedProber(saw('blocked')))).toEqual({
    kind: 'failed',
    reason: 'tcp api.example.org port 443: so',
    expected: 'allowed',
    actual: 'blocked',
  });
});

test.each([['allowed'], ['blocked']] as const)(
  'what is not known fails, also where %s is expected',
  async (expected) => {
    const prober = new ScriptedProber({ kind: 'unknown', detail: 'no way in' });
    const outcome = await runCase(testOf([{ ...CONNECT, expect: expected }]), prober);
    expect(outcome).toMatchObject({ kind: 'failed', actual: 'unknown' });
  },
);

test('a check is tried until it holds', async () => {
  const prober = new ScriptedProber(saw('blocked'), saw('allowed'));
  expect(await runCase(testOf([CONNECT], 3), prober)).toEqual({ kind: 'passed' });
  expect(prober.timeouts).toEqual([3_000, 3_000]); // the attempts share the time
});

test('and no more often than its attempts', async () => {
  const prober = new ScriptedProber(saw('blocked'), saw('blocked'), saw('allowed'));
  expect(await runCase(testOf([CONNECT], 2), prober)).toMatchObject({ kind: 'failed' });
});

test('all checks must hold', async () => {
  const prober = new ScriptedProber(saw('answered'), saw('blocked'));
  expect(await runCase(testOf([ASK, CONNECT]), prober)).toMatchObject({ kind: 'failed', actual: 'blocked' });
});

test('every address that is asked for must be in the answer', async () => {
  const check = { ...ASK, addresses: ['192.0.2.1', '192.0.2.2'] };
  expect(await runCase(testOf([check]), new ScriptedProber(saw('answered', ['192.0.2.2', '192.0.2.1'])))).toEqual({
    kind: 'passed',
  });
  expect(await runCase(testOf([check]), new ScriptedProber(saw('answered', ['192.0.2.2'])))).toEqual({
    kind: 'failed',
    reason: 'A a.example.org: so',
    expected: 'answered with 192.0.2.1',
    actual: 'answered with 192.0.2.2',
  });
});

test('where nobody was asked, addresses are not compared', async () => {
  const prober = new ScriptedProber({ kind: 'seen', actual: 'answered', addresses: null, detail: 'a rule lets it' });
  expect(await runCase(testOf([{ ...ASK, addresses: ['192.0.2.1'] }]), prober)).toEqual({ kind: 'passed' });
});

test('a test of which a part cannot be judged is skipped, not passed', async () => {
  const prober = new ScriptedProber({ kind: 'skipped', detail: 'offline' }, saw('allowed'));
  expect(await runCase(testOf([ASK, CONNECT]), prober)).toEqual({ kind: 'skipped', why: 'offline' });
});

test('but a part that fails fails it', async () => {
  const prober = new ScriptedProber({ kind: 'skipped', detail: 'offline' }, saw('blocked'));
  expect(await runCase(testOf([ASK, CONNECT]), prober)).toMatchObject({ kind: 'failed' });
});

test('what nothing here can see is skipped without a probe', async () => {
  const prober = new ScriptedProber(saw('allowed'));
  expect(await runCase(testOf([{ kind: 'unprobed', why: 'ICMP is not probed' }]), prober)).toMatchObject({
    kind: 'skipped',
  });
  expect(prober.timeouts).toEqual([]);
});
