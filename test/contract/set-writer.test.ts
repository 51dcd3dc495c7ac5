import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { COMMIT } from '../../src/kernel/set-writer.ts';
import { ERRNO } from '../../src/sys/sys.ts';
import { Child } from './support/child.ts';
import { describeKernel, eventually, Namespace } from './support/namespace.ts';
import { WRITER_CHILD } from './support/writer-child.ts';
import type { WriterCall } from './support/writer-child.ts';

const POD = '10.0.0.1';
const POD6 = '2001:db8:1::1';
const WEB = { pod: POD, address: '192.0.2.1' };
const WEB6 = { pod: POD6, address: '2001:db8:2::1' };
const COMMIT_NOW: WriterCall = { do: 'commit' };

const set = (name: string, family: 4 | 6, size = 262_144) =>
  `set ${name} { type ipv${family}_addr . ipv${family}_addr; flags timeout; size ${size}; gc-interval 1s; }`;
const TABLE = `add table inet namewall
delete table inet namewall
table inet namewall {
  ${set('grants4_web', 4)}
  ${set('grants6_web', 6)}
  ${set('grants4_tiny', 4, 3)}
  ${set('grants6_tiny', 6, 3)}
}
`;
const CLASSES = ['web', 'tiny', 'missing'];
const TINY = 1;
const MISSING = 2;

function tiny(last: number): { pod: string; address: string; class: number } {
  return { pod: POD, address: `192.0.2.${last}`, class: TINY };
}

function add(element: { pod: string; address: string; class?: number }, lifetimeMs = 60_000): WriterCall {
  return { do: 'add', ...element, lifetimeMs };
}

describeKernel('grants in the kernel', () => {
  let namespace: Namespace;
  let child: Child<WriterCall>;

  beforeAll(async () => {
    namespace = await Namespace.create('writer');
    child = new Child(namespace, WRITER_CHILD);
  });
  afterAll(async () => {
    await child.end();
    await namespace.remove();
  });

  describe.each(['update', 'replace'] as const)('renewed by %s', (strategy) => {
    beforeEach(async () => {
      await namespace.run('nft', ['-f', '-'], TABLE);
      await child.call({ do: 'open', strategy }, { do: 'define', classIds: CLASSES });
    });

    const left = async (element: { pod: string; address: string; class?: number }) =>
      Number(await child.last({ do: 'read back', ...element }));

    test.each([
      ['IPv4', WEB],
      ['IPv6', WEB6],
    ])('an %s grant is there when commit answers Done, with the lifetime asked for', async (_family, element) => {
      expect(await child.last(add(element), COMMIT_NOW)).toBe(COMMIT.Done);
      expect(await left(element)).toBeGreaterThan(55_000);
      expect(await left(element)).toBeLessThanOrEqual(60_000);
    });

    test.each([
      ['equal', 60_000],
      ['longer', 90_000],
      ['shorter', 30_000],
    ])('a grant that exists gets a new lifetime when it is %s', async (_why, lifetimeMs) => {
      await namespace.run('nft', ['-f', '-'], aged(60, 10));
      expect(await left(WEB)).toBeLessThanOrEqual(10_000);
      expect(await child.last(add(WEB, lifetimeMs), COMMIT_NOW)).toBe(COMMIT.Done);
      expect(await left(WEB)).toBeGreaterThan(lifetimeMs - 5_000);
      expect(await left(WEB)).toBeLessThanOrEqual(lifetimeMs);
    });

    test('the last of several lifetimes in one batch holds', async () => {
      expect(await child.last(add(WEB, 60_000), add(WEB, 20_000), add(WEB, 40_000), COMMIT_NOW)).toBe(COMMIT.Done);
      expect(await left(WEB)).toBeGreaterThan(35_000);
      expect(await left(WEB)).toBeLessThanOrEqual(40_000);
    });

    test('a grant removed and given again in one batch is there', async () => {
      await child.call(add(WEB), COMMIT_NOW);
      const calls = [{ do: 'remove', ...WEB } as const, add(WEB, 30_000), COMMIT_NOW];
      expect(await child.last(...calls)).toBe(COMMIT.Done);
      expect(await left(WEB)).toBeGreaterThan(25_000);
    });

    test('an expired grant is gone and can be given again', async () => {
      await child.call(add(WEB, 1_000), COMMIT_NOW);
      expect(await eventually(async () => (await left(WEB)) === 0)).toBe(true);
      expect(await child.last(add(WEB), COMMIT_NOW)).toBe(COMMIT.Done);
      expect(await left(WEB)).toBeGreaterThan(55_000);
    });

    test.each([
      ['zero', 0],
      ['below a jiffy', 0.5],
      ['negative', -5],
    ])('a lifetime that is %s never becomes a permanent grant', async (_why, lifetimeMs) => {
      await child.call(add(WEB, lifetimeMs), COMMIT_NOW);
      expect(await eventually(async () => (await left(WEB)) === 0, 2_000)).toBe(true);
    });

    test('a removed grant is gone, and removing what is missing or expired is no error', async () => {
      await child.call(add(WEB), add(WEB6), COMMIT_NOW);
      for (let time = 0; time < 2; time++) {
        expect(await child.last({ do: 'remove', ...WEB }, { do: 'remove', ...WEB6 }, COMMIT_NOW)).toBe(COMMIT.Done);
        expect(await left(WEB)).toBe(0);
        expect(await left(WEB6)).toBe(0);
      }
      await child.call(add(WEB, 1_000), COMMIT_NOW);
      await eventually(async () => (await left(WEB)) === 0);
      expect(await child.last({ do: 'remove', ...WEB }, COMMIT_NOW)).toBe(COMMIT.Done);
    });

    test('removals behind additions in one batch take away only what they name', async () => {
      const [other, gone] = [
        { pod: POD, address: '192.0.2.2' },
        { pod: POD, address: '192.0.2.3' },
      ];
      await child.call(add(other), add(WEB6), COMMIT_NOW);
      const removals = [other, WEB6, gone].map((element) => ({ do: 'remove', ...element }) as const);
      expect(await child.last(add(WEB), ...removals, COMMIT_NOW)).toBe(COMMIT.Done);
      expect([await left(other), await left(WEB6), await left(gone)]).toEqual([0, 0, 0]);
      expect(await left(WEB)).toBeGreaterThan(55_000);
    });

    test('a full set refuses the whole batch with ENFILE, and what was there stays', async () => {
      await child.call(add(tiny(1)), add(tiny(2)), add(tiny(3)), COMMIT_NOW);
      expect(await child.last(add(WEB), add(tiny(4)), COMMIT_NOW)).toBe(ERRNO.ENFILE);
      expect(await left(WEB)).toBe(0);
      expect(await left(tiny(4))).toBe(0);
      expect(await left(tiny(3))).toBeGreaterThan(50_000);
    });

    test('in a full set what is there can still be renewed, removed and exchanged', async () => {
      await child.call(add(tiny(1)), add(tiny(2)), add(tiny(3)), COMMIT_NOW);
      expect(await child.last(add(tiny(1), 90_000), COMMIT_NOW)).toBe(COMMIT.Done);
      expect(await left(tiny(1))).toBeGreaterThan(85_000);
      expect(await child.last({ do: 'remove', ...tiny(1) }, add(tiny(4)), COMMIT_NOW)).toBe(COMMIT.Done);
      expect(await left(tiny(1))).toBe(0);
      expect(await left(tiny(4))).toBeGreaterThan(55_000);
    });

    test('a set or table that is missing refuses the whole batch with ENOENT', async () => {
      expect(await child.last(add(WEB), add({ ...WEB, class: MISSING }), add(WEB6), COMMIT_NOW)).toBe(ERRNO.ENOENT);
      expect(await left(WEB)).toBe(0);
      await namespace.execute('nft', 'delete', 'table', 'inet', 'namewall');
      expect(await child.last(add(WEB), COMMIT_NOW)).toBe(ERRNO.ENOENT);
    });

    test('a class that was never defined, or addresses of two families, grant nothing', async () => {
      expect(await child.last(add(WEB), add({ ...WEB, class: 9 }), COMMIT_NOW)).toBe(ERRNO.EINVAL);
      const mixed = { pod: '2001:db8::a00:1', address: '192.0.2.1' };
      expect(await child.last(add(WEB), add(mixed), COMMIT_NOW)).toBe(ERRNO.EINVAL);
      expect(await left(WEB)).toBe(0);
      expect(await child.last(add(WEB), COMMIT_NOW)).toBe(COMMIT.Done);
    });

    test('a batch takes thousands of grants and says when it is full', async () => {
      const calls = Array.from({ length: 20_000 }, (_, i) => add({ pod: POD, address: `198.18.${i >> 8}.${i & 255}` }));
      const taken = (await child.call(...calls)).filter((answer) => answer === true).length;
      expect(taken).toBeGreaterThan(strategy === 'update' ? 15_000 : 1_500);
      expect(taken).toBeLessThan(20_000);
      expect(await child.last(COMMIT_NOW)).toBe(COMMIT.Done);
      const listing = await namespace.execute('nft', 'list', 'set', 'inet', 'namewall', 'grants4_web');
      expect(listing.match(/expires/g)).toHaveLength(taken);
      expect(await child.last(add(WEB), COMMIT_NOW)).toBe(COMMIT.Done);
    });

    test('a refusal is seen as one even after the acknowledgement buffer over-ran', async () => {
      await child.call({ do: 'open', strategy, bufferBytes: 40_000 }, { do: 'define', classIds: CLASSES });
      // Alternating sets make a message of each, and each of them is refused: more reports than the buffer holds.
      const failing = Array.from({ length: 200 }, (_, i) => add({ ...(i % 2 ? WEB : WEB6), class: MISSING }));
      for (let time = 1; time <= 3; time++) {
        expect(await child.last(...failing, COMMIT_NOW)).toBe(ERRNO.ENOENT);
        expect(await child.last({ do: 'over-runs' })).toBe(time);
        expect(await child.last(add({ ...WEB, class: MISSING }), COMMIT_NOW)).toBe(ERRNO.ENOENT);
        expect(await child.last(add(WEB), COMMIT_NOW)).toBe(COMMIT.Done);
      }
    });
  });
});

function aged(timeoutSeconds: number, leftSeconds: number): string {
  const element = `${POD} . ${WEB.address} timeout ${timeoutSeconds}s expires ${leftSeconds}s`;
  return `add element inet namewall grants4_web { ${element} }\n`;
}
