import { expect, test } from 'vitest';
import { Counters } from '../../../src/bridge/counters.ts';
import { KEPT_AFTER_END_MS } from '../../../src/bridge/protocol.ts';
import type { KeptLookup } from '../../../src/bridge/protocol.ts';
import { inherit, keptLookups } from '../../../src/datapath/inherit.ts';
import type { Plane } from '../../../src/datapath/plane.ts';
import { recall } from '../../../src/datapath/recall.ts';
import { AnswerRanges } from '../../../src/datapath/state/answer-ranges.ts';
import { Grants } from '../../../src/datapath/state/grants.ts';
import { Lookups } from '../../../src/datapath/state/lookups.ts';
import { POD_INDEXES, PodTable } from '../../../src/datapath/state/pod-table.ts';
import { Programs } from '../../../src/datapath/state/programs.ts';
import { formatName, parseNameText } from '../../../src/dns/name.ts';
import { bytesOf, snapshot } from './plane-with-pods.ts';

const ADDRESS = bytesOf('192.0.2.8');

/** A plane with pods 1 and 2 that took over what pod 1 looked up: names, and what is left of each. */
function takenOver(...seen: readonly (readonly [name: string, leftMs: number])[]) {
  const added: string[] = [];
  const { pods: podsNow, programs } = snapshot(1);
  const counters = new Counters().words;
  const plane = {
    pods: new PodTable(),
    grants: new Grants(1, POD_INDEXES),
    lookups: new Lookups(),
    programs: new Programs(programs),
    ranges: new AnswerRanges({ protect: [], cidrs: [] }),
    nowMs: 1_000,
    seed: 5,
    writer: { add: () => added.push('an element') > 0, commit: () => 0, pending: 0 },
    counters,
    count: (word: number) => void (counters[word]! += 1),
  } as unknown as Plane; // what inherit.ts and recall.ts ask for, and no more
  plane.pods.replace({ ...snapshot(1), pods: podsNow }, () => true);
  const lookups = seen.map(([text, leftMs]): KeptLookup => {
    return { pod: 1, name: parseNameText(text) ?? expect.fail(text), addresses: ADDRESS, leftMs };
  });
  inherit(plane, { grants: [], lookups, changed: [1, 2] });
  return { plane, added };
}

test('a lookup that has ended is taken over as a reason for what is open, and grants nothing', () => {
  const { plane, added } = takenOver(['a.example.org', -5_000]);
  expect(added).toEqual([]);
  expect(recall(plane, [{ pod: 1, address: ADDRESS }])).toEqual([
    [{ name: 'a.example.org', leftMs: -5_000, classes: [0], rule: 0 }],
  ]);
});

test('a lookup that lives is granted to a pod whose program is another one', () => {
  expect(takenOver(['a.example.org', 5_000]).added).toHaveLength(1);
});

test('of one name, what lives is granted even if something that has ended stands behind it', () => {
  const { plane, added } = takenOver(['a.example.org', 5_000], ['a.example.org', -5_000]);
  expect(added).toHaveLength(1);
  expect(recall(plane, [{ pod: 1, address: ADDRESS }])[0]?.[0]?.leftMs).toBe(5_000);
});

test('no name is recalled for another pod, another address or a pod that is gone', () => {
  const { plane } = takenOver(['a.example.org', 5_000]);
  const questions = [
    { pod: 2, address: ADDRESS },
    { pod: 1, address: bytesOf('192.0.2.9') },
    { pod: 9, address: ADDRESS },
  ];
  expect(recall(plane, questions)).toEqual([[], [], []]);
});

test('lookups are kept for a day after they ended, the oldest first', () => {
  const { plane } = takenOver(['a.example.org', 5_000], ['b.example.org', -5_000]);
  const kept = (): [string, number][] => keptLookups(plane, 1).map(({ name, leftMs }) => [formatName(name), leftMs]);
  expect(kept()).toEqual([
    ['b.example.org', -5_000],
    ['a.example.org', 5_000],
  ]);
  plane.nowMs += KEPT_AFTER_END_MS;
  expect(kept()).toEqual([['a.example.org', 5_000 - KEPT_AFTER_END_MS]]);
});

test('of a pod that looks up more, the thousand are kept that live, then those that ended last', () => {
  const ended = Array.from({ length: 1_000 }, (_, i) => [`n${i}.example.org`, -1] as const);
  const kept = keptLookups(takenOver(['a.example.org', 5_000], ...ended).plane, 1);
  expect(kept).toHaveLength(1_000);
  expect(kept.map(({ name }) => formatName(name))).toContain('a.example.org');
  expect(kept.map(({ name }) => formatName(name))).not.toContain('n0.example.org');
});
