import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../../src/base/ip.ts';
import { MAX_PODS, type Snapshot, type SnapshotPod } from '../../../../src/bridge/snapshot.ts';
import { NO_POD, POD_INDEXES, PodTable } from '../../../../src/datapath/state/pod-table.ts';

const bytesOf = (text: string): Uint8Array => parseAddress(text) ?? expect.fail(text);
const pod = (id: number, addresses: readonly string[], program = -1): SnapshotPod => ({
  id,
  addresses: addresses.map(bytesOf),
  program,
});
const snapshot = (...pods: SnapshotPod[]): Snapshot => ({
  generation: 1,
  pods,
  programs: [],
  classIds: [],
  shield: '',
});
const always = (): boolean => true;
const never = (): boolean => false;
const ownerOf = (table: PodTable, address: string): number => {
  const index = table.find(bytesOf(address), 0);
  return index === NO_POD ? 0 : table.ids[index]!;
};

function tableOf(...pods: SnapshotPod[]): PodTable {
  const table = new PodTable();
  table.replace(snapshot(...pods), always);
  return table;
}

test('an address belongs to its pod, in both families, and others to nobody', () => {
  const table = tableOf(pod(1, ['192.0.2.1', '2001:db8::1'], 4), pod(2, ['192.0.2.2']));
  expect(ownerOf(table, '192.0.2.1')).toBe(1);
  expect(ownerOf(table, '2001:db8::1')).toBe(1);
  expect(ownerOf(table, '192.0.2.2')).toBe(2);
  expect(ownerOf(table, '192.0.2.3')).toBe(0);
  expect(ownerOf(table, '::192.0.2.1')).toBe(0); // the IPv4 address is ::ffff:192.0.2.1
  expect(table.programs[table.indexOfId(1)]).toBe(4);
});

test('audit mode is that of the last snapshot, and none of a pod that is gone', () => {
  const table = tableOf({ ...pod(1, ['192.0.2.1']), isAudited: true }, pod(2, ['192.0.2.2']));
  const [first, second] = [table.indexOfId(1), table.indexOfId(2)];
  expect([table.isAudited[first], table.isAudited[second]]).toEqual([1, 0]);
  table.replace(snapshot(pod(1, ['192.0.2.1']), { ...pod(2, ['192.0.2.2']), isAudited: true }), never);
  expect([table.isAudited[first], table.isAudited[second]]).toEqual([0, 1]);
  table.replace(snapshot(), never);
  expect(table.isAudited[second]).toBe(0);
});

test('an empty table knows nobody', () => {
  expect(ownerOf(new PodTable(), '192.0.2.1')).toBe(0);
  expect(ownerOf(tableOf(), '::')).toBe(0);
});

test('an address is looked up at its offset', () => {
  const bytes = new Uint8Array(48).fill(0xee);
  bytes.set(bytesOf('192.0.2.1'), 32);
  expect(tableOf(pod(9, ['192.0.2.1'])).find(bytes, 32)).not.toBe(NO_POD);
});

test('grants are made for the addresses of one family', () => {
  const table = tableOf(pod(1, ['192.0.2.1', '2001:db8::1', '192.0.2.9']));
  const index = table.indexOfId(1);
  expect(table.addresses(index, 4).map((bytes) => formatAddress(bytes))).toEqual(['192.0.2.1', '192.0.2.9']);
  expect(table.addresses(index, 6).map((bytes) => formatAddress(bytes))).toEqual(['2001:db8::1']);
  expect(table.addresses(index + 1, 4)).toEqual([]);
});

test('addresses that share a place are told apart', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.oneof(fc.ipV4(), fc.ipV6()), { selector: (text) => bytesOf(text).join(), maxLength: 60 }),
      fc.array(fc.ipV4(), { maxLength: 20 }),
      (addresses, others) => {
        const table = tableOf(...addresses.map((address, i) => pod(i + 1, [address])));
        addresses.forEach((address, i) => expect(ownerOf(table, address)).toBe(i + 1));
        const strangers = others.filter((other) =>
          addresses.every((each) => bytesOf(each).join() !== bytesOf(other).join()),
        );
        for (const stranger of strangers) expect(ownerOf(table, stranger)).toBe(0);
      },
    ),
    { numRuns: 500 },
  );
});

test('addresses in one row, as CNIs give them, and as many as a snapshot may have', () => {
  const addresses = Array.from({ length: MAX_PODS }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
  const table = tableOf(...addresses.map((address, i) => pod(i + 1, [address])));
  addresses.forEach((address, i) => expect(ownerOf(table, address)).toBe(i + 1));
});

/** `MAX_PODS` pods with the ids from `first` on. */
const fullHouse = (first: number): SnapshotPod[] =>
  Array.from({ length: MAX_PODS }, (_, i) => pod(first + i, [`10.${first % 251}.${i >> 8}.${i & 255}`]));

test('a table full of pods that are gone but not empty has room for as many new ones', () => {
  const table = tableOf(...fullHouse(1));
  const next = snapshot(...fullHouse(MAX_PODS + 1));
  table.replace(next, never);
  const indexes = new Set(Array.from({ length: 2 * MAX_PODS }, (_, i) => table.indexOfId(i + 1)));
  expect([indexes.size, indexes.has(NO_POD)]).toEqual([POD_INDEXES, false]);
  for (const { id, addresses } of next.pods) expect(table.ids[table.find(addresses[0] ?? expect.fail(), 0)]).toBe(id);
});

test('a pod too many is said to be one, and not given the place of another', () => {
  const table = tableOf(...fullHouse(1));
  table.replace(snapshot(...fullHouse(MAX_PODS + 1)), never);
  const third = snapshot(pod(3 * MAX_PODS, ['192.0.2.1']), ...fullHouse(MAX_PODS + 1));
  expect(() => table.replace(third, never)).toThrow(RangeError);
  expect(table.indexOfId(1)).not.toBe(NO_POD);
});

test('the index of a pod that is gone and not empty is nobody else’s, and answers for no address', () => {
  const table = tableOf(pod(1, ['192.0.2.1', '2001:db8::1'], 7), pod(2, ['192.0.2.2']));
  const kept = table.indexOfId(1);
  table.replace(snapshot(pod(2, ['192.0.2.2']), pod(3, ['192.0.2.1'])), (index) => index !== kept);
  expect(table.indexOfId(1)).toBe(kept);
  expect(table.indexOfId(3)).not.toBe(kept);
  expect([ownerOf(table, '192.0.2.1'), ownerOf(table, '2001:db8::1')]).toEqual([3, 0]);
  expect([table.ids[kept], table.programs[kept]]).toEqual([1, -1]);
  // What is still to be removed was granted for these.
  expect(table.addresses(kept, 4).map((bytes) => formatAddress(bytes))).toEqual(['192.0.2.1']);
  expect(table.addresses(kept, 6).map((bytes) => formatAddress(bytes))).toEqual(['2001:db8::1']);
});

test('it stays among the missing until it is empty, and then its index is free', () => {
  const table = tableOf(pod(1, ['192.0.2.1']), pod(2, ['192.0.2.2']));
  const kept = table.indexOfId(1);
  const without = snapshot(pod(2, ['192.0.2.2']));
  table.replace(without, never);
  expect(table.missingFrom(without)).toEqual([kept]);
  table.replace(without, always);
  expect(table.missingFrom(without)).toEqual([]);
  expect([table.indexOfId(1), table.ids[kept]]).toEqual([NO_POD, 0]);
});

test('only those who are gone are asked whether they are empty', () => {
  const table = tableOf(pod(1, ['192.0.2.1']), pod(2, ['192.0.2.2']));
  const asked: number[] = [];
  const gone = table.indexOfId(1);
  table.replace(snapshot(pod(2, ['192.0.2.2']), pod(3, ['192.0.2.3'])), (index) => asked.push(index) > 0);
  expect(asked).toEqual([gone]);
});

test('a pod keeps its index while it lives, whatever comes and goes beside it', () => {
  const table = tableOf(pod(1, ['192.0.2.1']), pod(2, ['192.0.2.2']), pod(3, ['192.0.2.3']));
  const third = table.indexOfId(3);
  table.inFlight[third] = 5;
  table.replace(snapshot(pod(4, ['192.0.2.4']), pod(3, ['192.0.2.3'], 2)), always);
  expect(table.indexOfId(3)).toBe(third);
  expect(table.programs[third]).toBe(2);
  expect(table.inFlight[third]).toBe(5);
  expect(table.indexOfId(1)).toBe(NO_POD);
  expect(ownerOf(table, '192.0.2.1')).toBe(0);
});

test('a freed index is given to a new pod with nothing of the old one', () => {
  const table = tableOf(pod(1, ['192.0.2.1', '2001:db8::1'], 7), pod(2, ['192.0.2.2']));
  const freed = table.indexOfId(1);
  table.inFlight[freed] = 9;
  table.replace(snapshot(pod(2, ['192.0.2.2']), pod(3, ['192.0.2.3'])), always);
  expect(table.indexOfId(3)).toBe(freed);
  expect([table.ids[freed], table.programs[freed], table.inFlight[freed]]).toEqual([3, -1, 0]);
  expect(table.addresses(freed, 6)).toEqual([]);
});

test('an index that nobody has is not selected by any program', () => {
  const table = tableOf(pod(1, ['192.0.2.1'], 7));
  const freed = table.indexOfId(1);
  table.replace(snapshot(), always);
  expect([table.ids[freed], table.programs[freed]]).toEqual([0, -1]);
});

test('an address that moved to another pod is the other pod’s at once (I4)', () => {
  const table = tableOf(pod(1, ['192.0.2.1']));
  const next = snapshot(pod(2, ['192.0.2.1']));
  expect(table.missingFrom(next)).toEqual([table.indexOfId(1)]);
  table.replace(next, always);
  expect(ownerOf(table, '192.0.2.1')).toBe(2);
});

test('those that are missing from a snapshot are named by index, and only those', () => {
  const table = tableOf(pod(1, ['192.0.2.1']), pod(2, ['192.0.2.2']), pod(3, ['192.0.2.3']));
  const missing = table.missingFrom(snapshot(pod(2, ['192.0.2.2']), pod(4, ['192.0.2.4'])));
  expect(missing).toEqual([table.indexOfId(1), table.indexOfId(3)]);
});
