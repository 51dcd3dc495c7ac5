import { expect, test } from 'vitest';
import { Memory } from '../../../src/agent/memory.ts';
import type { State } from '../../../src/agent/state.ts';
import { inputs } from './inputs.ts';
import { EMPTY_REGISTRY, updateRegistry } from '../../../src/pods/registry.ts';
import type { Registry } from '../../../src/pods/registry.ts';
import type { Pod } from '../../../src/pods/pod.ts';

const REMEMBERED = 16;

const pod = (name: string, address: string, labels: Record<string, string> = {}): Pod => ({
  uid: name,
  namespace: 'shop',
  name,
  labels,
  addresses: [address],
});

function stateOf(generation: number, registry: Registry): State {
  const rule = { kind: 'K', namespace: 'shop', name: `policy-${generation}`, at: 'f:1:1' };
  const compiled = {
    classes: [{ id: `class-${generation}`, ports: 'all' as const }],
    rules: [rule],
    programs: [],
    destinations: [],
    programOfPod: [],
  };
  return { generation, inputs: inputs(), registry, compiled };
}

test('numbers mean what they meant in their generation', () => {
  const memory = new Memory();
  memory.remember(stateOf(1, EMPTY_REGISTRY));
  memory.remember(stateOf(2, EMPTY_REGISTRY));
  expect([memory.rule(1, 0)?.name, memory.rule(2, 0)?.name]).toEqual(['policy-1', 'policy-2']);
  expect([memory.portClass(1, 0)?.id, memory.portClass(2, 0)?.id]).toEqual(['class-1', 'class-2']);
});

test('what never was is not known', () => {
  const memory = new Memory();
  expect([memory.pod(1), memory.rule(1, 0), memory.portClass(1, 0)]).toEqual([undefined, undefined, undefined]);
  memory.remember(stateOf(1, EMPTY_REGISTRY));
  expect([memory.rule(1, -1), memory.rule(1, 1), memory.portClass(1, -1), memory.pod(0)]).toEqual(
    Array(4).fill(undefined),
  );
});

test('the last sixteen generations are known, no more', () => {
  const memory = new Memory();
  for (let generation = 1; generation <= REMEMBERED + 1; generation++)
    memory.remember(stateOf(generation, EMPTY_REGISTRY));
  expect(memory.rule(1, 0)).toBeUndefined();
  expect(memory.rule(2, 0)?.name).toBe('policy-2');
  expect(memory.rule(REMEMBERED + 1, 0)?.name).toBe(`policy-${REMEMBERED + 1}`);
});

test('a pod that is gone is still named, and forgotten with its last generation', () => {
  const memory = new Memory();
  const { registry } = updateRegistry(EMPTY_REGISTRY, [pod('cart', '192.0.2.1')]);
  memory.remember(stateOf(1, registry));
  for (let generation = 2; generation <= REMEMBERED; generation++) memory.remember(stateOf(generation, EMPTY_REGISTRY));
  expect(memory.pod(1)?.name).toBe('cart');
  memory.remember(stateOf(REMEMBERED + 1, EMPTY_REGISTRY));
  expect(memory.pod(1)).toBeUndefined();
});

test('of a pod that changed, what it is now stands', () => {
  const memory = new Memory();
  const { registry } = updateRegistry(EMPTY_REGISTRY, [pod('cart', '192.0.2.1', { version: '1' })]);
  const { registry: next } = updateRegistry(registry, [pod('cart', '192.0.2.1', { version: '2' })]);
  memory.remember(stateOf(1, registry));
  memory.remember(stateOf(2, next));
  expect(memory.pod(1)?.labels).toEqual({ version: '2' });
});

test('a generation that was tried, refused by the kernel and tried again with other files means the later one', () => {
  const memory = new Memory();
  memory.remember(stateOf(2, EMPTY_REGISTRY));
  const again = stateOf(2, EMPTY_REGISTRY);
  memory.remember({ ...again, compiled: { ...again.compiled, rules: [] } });
  expect(memory.rule(2, 0)).toBeUndefined();
});
