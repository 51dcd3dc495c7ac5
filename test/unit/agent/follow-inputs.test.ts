import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { InputFollower } from '../../../src/agent/follow-inputs.ts';
import { Health } from '../../../src/agent/health.ts';
import type { Inputs } from '../../../src/agent/inputs.ts';
import { ProblemLog } from '../../../src/agent/problem-log.ts';
import { stateOf, type State } from '../../../src/agent/state.ts';
import type { Parsed } from '../../../src/base/errors.ts';
import type { UpstreamZone } from '../../../src/datapath/settings.ts';
import { EMPTY_REGISTRY } from '../../../src/pods/registry.ts';
import { inputs } from './inputs.ts';
import { recordedLog } from './recorded-log.ts';

const podsOf = (...names: readonly string[]): Inputs => {
  const pods = names.map((name) => ({
    uid: name,
    namespace: 'shop',
    name,
    labels: {},
    addresses: [`10.0.1.${name.charCodeAt(0)}`],
  }));
  return inputs({ pods });
};
const CONFIG = { protect: { ranges: [], cidrs: [] } };
const PROBLEM = { code: 'bad-pattern', at: 'CiliumNetworkPolicy shop/a: spec', message: 'Mend the pattern' };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A follower that began with no pods, of a source that answers what `now` holds. */
function following() {
  const began = stateOf(inputs(), EMPTY_REGISTRY, CONFIG);
  let state: State = began.ok ? began.value : expect.fail('refused');
  const world = {
    now: { ok: true, value: inputs() } as Parsed<Inputs>,
    isRefusing: false,
    reads: 0,
    restored: 0,
    told: 0,
    /** Names of the pods of each state that was applied. */
    applied: [] as string[][],
    zones: [] as (readonly UpstreamZone[])[],
    waitFor: Promise.resolve(),
  };
  const recorded = recordedLog();
  const health = new Health(() => 0, recorded.log);
  health.clear('starting');
  const follower = new InputFollower({
    config: CONFIG,
    source: {
      read: () => {
        world.reads++;
        return Promise.resolve(world.now);
      },
      warnings: () => [],
      close: () => undefined,
    },
    problems: new ProblemLog(recorded.log),
    upstreams: {
      use: (zones) => {
        world.zones.push(zones);
        return Promise.resolve();
      },
    },
    changeover: {
      get state() {
        return state;
      },
      apply: async (next) => {
        await world.waitFor;
        world.applied.push(next.registry.pods.map(({ pod, id }) => `${pod.name} ${id}`));
        if (!world.isRefusing) state = next;
        return !world.isRefusing;
      },
      restore: () => {
        world.restored++;
        return world.isRefusing ? Promise.reject(new Error('refused')) : Promise.resolve(true);
      },
    },
    onRestored: () => world.told++,
    health,
    log: recorded.log,
  });
  const change = async (to: Inputs): Promise<void> => {
    world.now = { ok: true, value: to };
    follower.changed();
    await vi.advanceTimersByTimeAsync(0);
  };
  const settle = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(0));
  return { world, follower, health, change, settle, lines: recorded.lines };
}

test('a change is applied as a whole', async () => {
  const { world, change } = following();
  await change(podsOf('a', 'b'));
  await change(podsOf('b'));
  expect(world.applied).toEqual([['a 1', 'b 2'], ['b 2']]);
});

test('a change that changes nothing that is enforced applies nothing, and upstreams are told all the same', async () => {
  const { world, change } = following();
  const zones = [{ zone: '.', servers: [] }];
  await change(inputs({ zones }));
  expect(world.applied).toEqual([]);
  expect(world.zones).toEqual([zones]);
});

test('what comes while one change is applied is one change after it', async () => {
  const { world, follower, change } = following();
  const gate = Promise.withResolvers<void>();
  world.waitFor = gate.promise;
  await change(podsOf('a'));
  for (const name of ['b', 'c', 'd']) await change(podsOf(name));
  gate.resolve();
  await vi.advanceTimersByTimeAsync(0);
  await follower.stop();
  expect(world.applied).toEqual([['a 1'], ['d 2']]);
  expect(world.reads).toBe(2);
});

test('inputs that cannot be used are refused as a whole, with their places', async () => {
  const { world, follower, lines } = following();
  world.now = { ok: false, problems: [PROBLEM] };
  follower.changed();
  await vi.advanceTimersByTimeAsync(0);
  expect(world.applied).toEqual([]);
  expect(lines).toEqual(['error Change refused: Mend the pattern']);
});

test('a refused part keeps nothing else from taking effect, and is logged once', async () => {
  const { world, change, lines } = following();
  await change({ ...podsOf('a'), problems: [PROBLEM] });
  await change({ ...podsOf('a', 'b'), problems: [PROBLEM] });
  expect(world.applied).toHaveLength(2);
  expect(lines.filter((line) => line.includes('Mend'))).toEqual(['error Mend the pattern']);
  await change(podsOf('a', 'b'));
  expect(world.applied).toHaveLength(2);
  expect(lines.at(-1)).toBe('info Mended: Mend the pattern');
});

test('what the kernel refused is tried again every second and keeps the agent from being ready', async () => {
  const { world, health, change } = following();
  world.isRefusing = true;
  await change(podsOf('a'));
  expect(health.status().reasons).toEqual(['last change was refused by the kernel']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(world.applied).toHaveLength(2);
  world.isRefusing = false;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(health.status().ready).toBe(true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(world.applied).toHaveLength(3);
});

test('after a refused change the way back is applied, too: some of the change may be in the kernel', async () => {
  const { world, health, change } = following();
  world.isRefusing = true;
  await change(podsOf('a'));
  world.isRefusing = false;
  await change(inputs());
  expect(world.applied).toEqual([['a 1'], []]);
  expect(health.status().ready).toBe(true);
});

test('an id that was given in a refused change is given to nobody else', async () => {
  const { world, change } = following();
  world.isRefusing = true;
  await change(podsOf('a'));
  world.isRefusing = false;
  await change(podsOf('b'));
  expect(world.applied).toEqual([['a 1'], ['b 2']]);
});

test('what somebody took away is put back and told, and nothing is read anew for it', async () => {
  const { world, follower, health, settle } = following();
  health.hold('table deleted');
  follower.lookAtKernel();
  follower.lookAtKernel();
  await settle();
  expect([world.restored, world.told, world.reads, health.status().ready]).toEqual([1, 1, 0, true]);
});

test('while it cannot be put back the agent is not ready', async () => {
  const { world, follower, health, settle } = following();
  world.isRefusing = true;
  follower.lookAtKernel();
  await settle();
  expect([world.told, health.status().reasons]).toEqual([0, expect.arrayContaining(['table deleted'])]);
});

test.each([
  ['another DNS server', { dnsServers: ['10.96.0.11'] }],
  ['another pod range', { protectedRanges: [{ cidr: '10.244.1.0/24', reason: 'pod-range' }] }],
])('%s needs another start, and nothing of the change is applied', async (_why, change) => {
  const { world, follower, change: becomes } = following();
  await becomes({ ...podsOf('a'), ...change });
  expect(await follower.restartNeeded).toMatch(/^from .* to .*(?:10\.96\.0\.11|10\.244\.1\.0)/);
  expect(world.applied).toEqual([]);
});

test('once it is stopped nothing is tried again', async () => {
  const { world, follower, change } = following();
  world.isRefusing = true;
  await change(podsOf('a'));
  await follower.stop();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(world.applied).toHaveLength(1);
});
