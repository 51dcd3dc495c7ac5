import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KernelWatch, SEEN } from '../../../src/datapath/kernel-watch.ts';
import { SimulatedSys } from '../../../src/sys/simulated.ts';
import { ERRNO, type Fd, type Sys } from '../../../src/sys/sys.ts';

const MODULE = fileURLToPath(new URL('../../../src/datapath/kernel-watch.ts', import.meta.url));
const NFTABLES = 10 << 8;
const TYPE = {
  NewTable: 0,
  DelTable: 2,
  NewChain: 3,
  DelChain: 5,
  NewRule: 6,
  DelRule: 8,
  NewSet: 9,
  DelSet: 11,
  NewElement: 12,
  NewGen: 15,
} as const;
const OURS = new Set(['grants4_tcp443', 'grants6_tcp443']);
const BUFFER_BYTES = 64 * 1024;

const u16 = (value: number): number[] => [value & 0xff, value >>> 8];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const padded = (bytes: readonly number[]): number[] => [...bytes, ...new Uint8Array(-bytes.length & 3)];
const zeros = (count: number): number[] => [...new Uint8Array(count)];
const text = (value: string): number[] => [...Buffer.from(`${value}\0`, 'latin1')];

/** struct nlattr, host order (netlink(7)). */
function attribute(type: number, value: readonly number[], length = 4 + value.length): number[] {
  return padded([...u16(length), ...u16(type), ...value]);
}

/** struct nlmsghdr, struct nfgenmsg and the attributes; `length` says something else than the truth. */
function message(type: number, attributes: readonly number[], length = 20 + attributes.length): number[] {
  return padded([...u32(length), ...u16(type), ...u16(0), ...u32(1), ...u32(0), 1, 0, 0, 7, ...attributes]);
}

const named = (...names: string[]): number[] => names.flatMap((name, i) => attribute(i + 1, text(name)));
const delTable = (table: string): number[] => message(NFTABLES | TYPE.DelTable, named(table));
const delSet = (table: string, set: string): number[] => message(NFTABLES | TYPE.DelSet, named(table, set));
/** What the kernel sends for a set beside its names (nf_tables_fill_set): a handle, and for DELSET of older kernels all the rest. */
const HANDLE = attribute(16, [0, 0, 0, 0, 0, 0, 0, 9]);

/** A watch whose socket has these datagrams, or -errno, or lengths of datagrams that were cut. */
function watchOf(...queue: (readonly number[] | number)[]): KernelWatch {
  const bytes = new Uint8Array(BUFFER_BYTES);
  const sys = {
    netlinkOpen: () => 7 as Fd,
    netlinkWatch: () => undefined,
    allocate: () => ({ bytes, address: 0 }),
    receive: () => {
      const next = queue.shift() ?? -ERRNO.EAGAIN;
      if (typeof next === 'number') return next;
      bytes.fill(0xee); // of the datagram before
      bytes.set(next.slice(0, BUFFER_BYTES));
      return next.length; // MSG_TRUNC: the true length
    },
  } as unknown as Sys; // no more is asked for
  return KernelWatch.open(sys, 'namewall');
}

const readAll = (...queue: (readonly number[] | number)[]): number => watchOf(...queue).read(OURS);
const isDamage = (...queue: (readonly number[] | number)[]): boolean => readAll(...queue) === SEEN.Damage;

test.each<[string, readonly number[]]>([
  ['our table', delTable('namewall')],
  ['a set of IPv4 grants', delSet('namewall', 'grants4_tcp443')],
  ['a set of IPv6 grants', delSet('namewall', 'grants6_tcp443')],
  ['with more attributes', message(NFTABLES | TYPE.DelSet, [...named('namewall', 'grants4_tcp443'), ...HANDLE])],
  ['with the handle before the names', message(NFTABLES | TYPE.DelTable, [...HANDLE, ...named('namewall')])],
])('a deletion of ours is damage: %s', (_why, datagram) => {
  expect(isDamage(datagram)).toBe(true);
});

test.each<[string, readonly number[]]>([
  ['another table', delTable('filter')],
  ['a table whose name begins with ours', delTable('namewall2')],
  ['a table whose name ours begins with', delTable('name')],
  ['a set of that name in another table', delSet('filter', 'grants4_tcp443')],
  ['a set of a class that is gone, as we delete them ourselves', delSet('namewall', 'grants4_tcp80')],
  ['an anonymous set, as every change of rules deletes them', delSet('namewall', '__set0')],
  ['a set named like our table', delSet('filter', 'namewall')],
  ['a chain of ours: the ruleset is replaced by us, too', message(NFTABLES | TYPE.DelChain, named('namewall', 'pods'))],
  ['a rule of ours', message(NFTABLES | TYPE.DelRule, named('namewall', 'pods'))],
  ['a table that was made', message(NFTABLES | TYPE.NewTable, named('namewall'))],
  ['a set that was made', message(NFTABLES | TYPE.NewSet, named('namewall', 'grants4_tcp443'))],
  ['the same numbers of another subsystem', message((1 << 8) | TYPE.DelTable, named('namewall'))],
  ['a new generation', message(NFTABLES | TYPE.NewGen, attribute(1, u32(5)))],
  ['a deletion without any name', message(NFTABLES | TYPE.DelTable, [])],
  ['a set deleted without its name', message(NFTABLES | TYPE.DelSet, named('namewall'))],
  ['nothing', []],
])('no damage: %s', (_why, datagram) => {
  expect(isDamage(datagram)).toBe(false);
});

test('a table of that name in another family is not ours', () => {
  const ip = delTable('namewall').with(16, 2); // NFPROTO_IPV4
  const watch = watchOf(ip);
  expect([watch.read(OURS), watch.isTouched]).toEqual([SEEN.Nothing, false]);
});

describe('touched', () => {
  const isTouched = (...queue: (readonly number[] | number)[]): boolean => {
    const watch = watchOf(...queue);
    watch.read(OURS);
    return watch.isTouched;
  };

  test.each<[string, number]>([
    ['a table of ours that changed, as by the flag dormant', TYPE.NewTable],
    ['a new or changed chain', TYPE.NewChain],
    ['a deleted chain', TYPE.DelChain],
    ['a new rule', TYPE.NewRule],
    ['a deleted rule', TYPE.DelRule],
    ['a new set', TYPE.NewSet],
    ['a deleted set that holds no grants', TYPE.DelSet],
  ])('%s', (_why, type) => {
    const datagram = message(NFTABLES | type, named('namewall', 'x'));
    expect(isTouched(datagram)).toBe(true);
    expect(isDamage(datagram)).toBe(false);
    expect(isTouched(message(NFTABLES | type, named('filter', 'x')))).toBe(false);
  });

  test.each<[string, boolean, (readonly number[] | number)[]]>([
    ['damage', true, [delTable('namewall')]],
    ['a loss, behind which anything may be', true, [-ERRNO.ENOBUFS]],
    [
      'a rule of ours behind others in one datagram',
      true,
      [[...delTable('filter'), ...message(NFTABLES | 8, named('namewall'))]],
    ],
    ['elements', false, [message(NFTABLES | TYPE.NewElement, named('namewall', 'bound4'))]],
    ['a generation', false, [message(NFTABLES | TYPE.NewGen, attribute(1, u32(5)))]],
    ['a name that goes on behind ours', false, [message(NFTABLES | TYPE.NewRule, named('namewall2'))]],
    ['a message without a name', false, [message(NFTABLES | TYPE.NewRule, [])]],
    ['nothing', false, []],
  ])('by %s: %s', (_why, want, queue) => {
    expect(isTouched(...queue)).toBe(want);
  });

  test('only by what the last read saw', () => {
    const watch = watchOf(message(NFTABLES | TYPE.NewRule, named('namewall')));
    watch.read(OURS);
    watch.read(OURS);
    expect(watch.isTouched).toBe(false);
  });
});

describe('several messages in one datagram, as one transaction sends them', () => {
  const strange = delTable('filter');
  test.each<[string, boolean, readonly number[]]>([
    ['ours is the first', true, [...delTable('namewall'), ...strange]],
    ['ours is the last', true, [...strange, ...delSet('namewall', '__set0'), ...delSet('namewall', 'grants6_tcp443')]],
    [
      'ours is behind one whose length is no multiple of four',
      true,
      [
        ...message(NFTABLES | TYPE.DelRule, [...named('filter'), 5, 0, 9, 0, 0xff], 20 + named('filter').length + 5),
        ...delTable('namewall'),
      ],
    ],
    [
      'none is ours',
      false,
      [...strange, ...delSet('filter', 'grants4_tcp443'), ...message(NFTABLES | TYPE.NewGen, [])],
    ],
    [
      'the table’s name of one and the set’s name of another are not put together',
      false,
      [...delSet('namewall', '__set0'), ...delSet('filter', 'grants4_tcp443')],
    ],
  ])('%s', (_why, want, datagram) => {
    expect(isDamage(datagram)).toBe(want);
  });
});

test('every datagram that waits is read, and one of them is enough', () => {
  const watch = watchOf(delTable('filter'), delTable('namewall'), delTable('filter'));
  expect(watch.read(OURS)).toBe(SEEN.Damage);
  expect(watch.read(OURS)).toBe(SEEN.Nothing); // nothing is left, and nothing is remembered
});

test('which sets are ours is asked anew each time', () => {
  expect(watchOf(delSet('namewall', 'grants4_any')).read(new Set(['grants4_any']))).toBe(SEEN.Damage);
});

test.each<[string, (readonly number[] | number)[]]>([
  ['events were lost (ENOBUFS)', [-ERRNO.ENOBUFS]],
  ['events were lost, and others are there', [-ERRNO.ENOBUFS, delTable('filter')]],
  ['a datagram was cut', [zeros(BUFFER_BYTES + 4)]],
])('what may have been missed must be looked at: %s', (_why, queue) => {
  expect(readAll(...queue)).toBe(SEEN.Loss);
});

test('what was seen beside a loss still counts', () => {
  expect(readAll(-ERRNO.ENOBUFS, delTable('namewall'))).toBe(SEEN.Damage);
  expect(readAll(delTable('namewall'), -ERRNO.ENOBUFS)).toBe(SEEN.Damage);
});

test('a full buffer that was not cut is read as it is', () => {
  const filler = message(NFTABLES | TYPE.NewGen, zeros(BUFFER_BYTES - 20 - delTable('namewall').length));
  expect([...filler, ...delTable('namewall')]).toHaveLength(BUFFER_BYTES);
  expect(isDamage([...filler, ...delTable('namewall')])).toBe(true);
  expect(isDamage(message(NFTABLES | TYPE.NewGen, zeros(BUFFER_BYTES - 20)))).toBe(false);
});

test('an interrupted call ends the reading for this turn, and keeps what was seen', () => {
  const watch = watchOf(delTable('namewall'), -ERRNO.EINTR, delTable('filter'));
  expect([watch.read(OURS), watch.read(OURS)]).toEqual([SEEN.Damage, SEEN.Nothing]);
});

describe('messages that are not what they say', () => {
  const whole = delSet('namewall', 'grants4_tcp443');

  test.each(Array.from({ length: whole.length }, (_, length) => [length]))(
    'cut after %i bytes: nothing is read that is not there',
    (length) => {
      expect(isDamage(whole.slice(0, length))).toBe(false);
    },
  );

  test.each<[string, readonly number[]]>([
    ['a length beyond the datagram', message(NFTABLES | TYPE.DelTable, named('namewall'), 4_096)],
    ['a length of nothing', message(NFTABLES | TYPE.DelTable, named('namewall'), 0)],
    ['a length less than its header', message(NFTABLES | TYPE.DelTable, named('namewall'), 15)],
    ['a length that ends before the attributes', message(NFTABLES | TYPE.DelTable, named('namewall'), 20)],
    ['an attribute of no length', message(NFTABLES | TYPE.DelTable, attribute(1, text('namewall'), 0))],
    [
      'an attribute that runs over the end of its message',
      message(NFTABLES | TYPE.DelTable, attribute(1, text('namewall'), 99)),
    ],
    [
      'an attribute that ends in the next message',
      [...message(NFTABLES | TYPE.DelTable, attribute(1, text('nam'), 13), 28), ...delTable('filter')],
    ],
  ])('%s', (_why, datagram) => {
    expect(isDamage(datagram)).toBe(false);
  });

  test('whatever stands in a datagram, reading it ends', () => {
    const byte = fc.oneof(fc.nat(3), fc.constantFrom(10, 11, 16, 20, 24, 32), fc.nat(127)); // lengths from 2^31 on: below
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 200 }), (datagram) => {
        expect(isDamage(datagram)).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });

  test.each([
    ['2^31', 0x8000_0000],
    ['the largest number', 0xffff_ffff],
  ])('a length of %s ends the reading, too', (_why, length) => {
    const datagram = message(NFTABLES | TYPE.NewGen, [], length);
    const script = `
      import { KernelWatch } from ${JSON.stringify(MODULE)};
      const bytes = new Uint8Array(${BUFFER_BYTES});
      const queue = [${JSON.stringify(datagram)}];
      const receive = () => { const next = queue.shift() ?? []; bytes.set(next); return next.length || -11; };
      const sys = { netlinkOpen: () => 7, netlinkWatch() {}, allocate: () => ({ bytes, address: 0 }), receive };
      console.log(KernelWatch.open(sys, 'namewall').read(new Set()));`;
    // In a process of its own: an endless loop would stop this one, its timeouts included.
    const { stdout, stderr, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 1_500,
    });
    expect([signal, stderr, stdout]).toEqual([null, '', '0\n']);
  });
});

test('on the simulated kernel: our table and its sets, and nothing else', () => {
  const sys = new SimulatedSys();
  const { nftables } = sys;
  for (const table of ['namewall', 'filter']) {
    for (const set of ['grants4_tcp443', 'scratch']) nftables.addSet(table, set, { keyBytes: 8, size: 8 });
  }
  const watch = KernelWatch.open(sys, 'namewall');
  const after = (change: () => void): boolean => {
    change();
    return watch.read(OURS) === SEEN.Damage;
  };
  expect(after(() => undefined)).toBe(false);
  expect(after(() => nftables.deleteSet('namewall', 'scratch'))).toBe(false);
  expect(after(() => nftables.deleteTable('filter'))).toBe(false);
  expect(after(() => nftables.deleteSet('namewall', 'grants4_tcp443'))).toBe(true);
  expect(after(() => nftables.deleteTable('namewall'))).toBe(true);
  expect(after(() => undefined)).toBe(false);
});
