import { expect, test } from 'vitest';
import { Mirror } from '../../../src/kubernetes/mirror.ts';
import { keepPod, type PodObject } from '../../../src/kubernetes/objects.ts';
import { pod, type PodShape } from '../../support/kubernetes-objects.ts';

function kept(name: string, shape: PodShape = {}, uid = `uid-of-${name}`): PodObject {
  const raw = pod(name, shape);
  const object = keepPod({ ...raw, metadata: { ...raw.metadata, uid } });
  if (object === undefined) throw new Error('No pod');
  return object;
}

function mirrorOf(...pods: PodObject[]): Mirror<PodObject> {
  const mirror = new Mirror<PodObject>();
  mirror.replace(pods);
  return mirror;
}

const uids = (mirror: Mirror<PodObject>): string[] => mirror.all().map(({ object }) => object.metadata.uid);

test('an event that repeats what is known changes nothing, and keeps the object', () => {
  const first = kept('web');
  const mirror = mirrorOf(first);
  expect(mirror.put(kept('web'))).toBe(false);
  expect(mirror.all()[0]?.object).toBe(first);
});

test('an event with other content changes it', () => {
  const mirror = mirrorOf(kept('web'));
  expect(mirror.put(kept('web', { labels: { app: 'web' } }))).toBe(true);
  expect(mirror.all()[0]?.object.metadata.labels).toEqual({ app: 'web' });
});

test('the same list again changes nothing', () => {
  const mirror = mirrorOf(kept('a'), kept('b'));
  expect(mirror.replace([kept('b'), kept('a')])).toBe(false);
});

test.each([
  ['more', [kept('a'), kept('b'), kept('c')]],
  ['less', [kept('a')]],
  ['other', [kept('a'), kept('c')]],
])('a list with %s changes it', (_why, list) => {
  const mirror = mirrorOf(kept('a'), kept('b'));
  expect(mirror.replace(list)).toBe(true);
  expect(uids(mirror)).toEqual(list.map(({ metadata }) => metadata.uid));
});

test('a deletion of what is not known does no harm', () => {
  expect(mirrorOf(kept('a')).remove(kept('b'))).toBe(false);
});

test('who takes over a name replaces who had it', () => {
  const mirror = mirrorOf(kept('web', {}, 'old'));
  expect(mirror.put(kept('web', {}, 'new'))).toBe(true);
  expect(uids(mirror)).toEqual(['new']);
});

test('a late deletion of who had the name before takes nothing from who has it now', () => {
  const mirror = mirrorOf(kept('web', {}, 'new'));
  expect(mirror.remove(kept('web', {}, 'old'))).toBe(false);
  expect(uids(mirror)).toEqual(['new']);
});

test('pods of one list arrived together, a later one later, and a change is no arrival', () => {
  const mirror = mirrorOf(kept('a'), kept('b'));
  mirror.put(kept('c'));
  mirror.put(kept('a', { phase: 'Failed' }));
  mirror.replace([kept('a'), kept('b'), kept('c'), kept('d')]);
  const [a, b, c, d] = mirror.all().map(({ arrival }) => arrival);
  expect(a).toBe(b);
  expect(c).toBeGreaterThan(b ?? 0);
  expect(d).toBeGreaterThan(c ?? 0);
});

test('what is more than it can hold is refused, and what was there stays', () => {
  const mirror = mirrorOf(kept('web'));
  const many = Array.from({ length: 100_001 }, (_, i) => ({
    ...kept('x'),
    metadata: { ...kept('x').metadata, name: `x${i}` },
  }));
  expect(() => mirror.replace(many)).toThrow(expect.objectContaining({ code: 'too-big' }));
  expect(uids(mirror)).toEqual(['uid-of-web']);
});
