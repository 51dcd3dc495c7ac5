import { expect, test } from 'vitest';
import { BypassWatch, InterceptionWatch } from '../../../../src/agent/doctor/watches.ts';

type Looks = readonly (readonly [moving: number, following: number])[];

test.each<[string, Looks, boolean]>([
  [
    'nothing happens',
    [
      [0, 0],
      [0, 0],
      [0, 0],
    ],
    false,
  ],
  [
    'what is taken arrives',
    [
      [10, 10],
      [20, 20],
      [30, 30],
    ],
    false,
  ],
  [
    'one look says nothing',
    [
      [10, 10],
      [99, 10],
    ],
    false,
  ],
  [
    'packets are taken and none arrives',
    [
      [10, 10],
      [12, 10],
      [14, 10],
    ],
    true,
  ],
  [
    'a packet under way',
    [
      [10, 10],
      [11, 10],
      [11, 10],
    ],
    false,
  ],
  [
    'one arrives after all',
    [
      [10, 10],
      [20, 10],
      [30, 10],
      [40, 11],
    ],
    false,
  ],
  [
    'the table was put back: its counter starts anew',
    [
      [50, 10],
      [0, 10],
      [2, 10],
    ],
    false,
  ],
  [
    'and is watched from there on',
    [
      [50, 10],
      [0, 10],
      [2, 10],
      [4, 10],
    ],
    true,
  ],
  [
    'the agent starts beside an old table',
    [
      [1_000, 0],
      [1_000, 0],
      [1_000, 0],
    ],
    false,
  ],
])('interception: %s', (_why, looks, want) => {
  const watch = new InterceptionWatch();
  expect(looks.map(([taken, received]) => watch.look(taken, received)).at(-1)).toBe(want);
});

test.each<[string, Looks, boolean]>([
  [
    'idle clients speak ARP',
    [
      [0, 0],
      [30, 0],
      [60, 0],
      [90, 0],
      [120, 0],
    ],
    false,
  ],
  [
    'what they send is counted',
    [
      [0, 0],
      [500, 400],
      [1_000, 800],
    ],
    false,
  ],
  [
    'one look says nothing',
    [
      [0, 0],
      [500, 0],
    ],
    false,
  ],
  [
    'they send and no chain counts',
    [
      [0, 0],
      [500, 0],
      [1_000, 0],
    ],
    true,
  ],
  [
    'it stays while they are idle',
    [
      [0, 0],
      [500, 0],
      [1_000, 0],
      [1_001, 0],
    ],
    true,
  ],
  [
    'something is counted after all',
    [
      [0, 0],
      [500, 0],
      [1_000, 0],
      [1_500, 1],
    ],
    false,
  ],
  [
    'an interface went: its packets are gone from the sum',
    [
      [0, 0],
      [500, 0],
      [100, 0],
      [600, 0],
    ],
    false,
  ],
])('bypass: %s', (_why, looks, want) => {
  const watch = new BypassWatch();
  expect(looks.map(([sent, counted]) => watch.look(sent, counted)).at(-1)).toBe(want);
});
