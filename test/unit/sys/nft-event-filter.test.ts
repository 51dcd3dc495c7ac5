import { expect, test } from 'vitest';
import { eventFilter } from '../../../src/sys/nft-event-filter.ts';

const NFTABLES = 10 << 8;
const ADDRESS = 0x7f00_1234_5000;
const PASS = 0xffff_ffff;
const INET = 1;

/** Runs classic BPF as the kernel does (socket(7), linux/filter.h): the bytes of the message that are let through. */
function run(program: Uint8Array, packetBytes: Uint8Array): number {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const packet = new DataView(packetBytes.buffer);
  const loads: Record<number, [bytes: number, load: (k: number) => number]> = {
    0x20: [4, (k) => packet.getUint32(k)], // in network order
    0x28: [2, (k) => packet.getUint16(k)],
    0x30: [1, (k) => packet.getUint8(k)],
  };
  let accumulator = 0;
  for (let pc = 0; pc < view.getUint16(0, true); pc++) {
    const at = 16 + pc * 8;
    const k = view.getUint32(at + 4, true);
    const code = view.getUint16(at, true);
    const [bytes, load] = loads[code] ?? [];
    if (bytes !== undefined && load !== undefined) {
      if (k + bytes > packet.byteLength) return 0; // a load beyond the end drops the packet
      accumulator = load(k);
    } else if (code === 0x15) pc += view.getUint8(at + (accumulator === k ? 2 : 3));
    else if (code === 0x06) return k;
    else throw new Error(`Unknown instruction ${code}`);
  }
  throw new Error('The program runs over its end');
}

/** nlmsghdr, nfgenmsg and the table's name as the first attribute; all in host order, but for the text. */
function message(type: number, table = 'filter', { family = INET, attribute = 1 } = {}): Uint8Array {
  const name = Buffer.from(`${table}\0`, 'latin1');
  const bytes = new Uint8Array(24 + ((name.length + 3) & ~3) + 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint8(16, family);
  view.setUint16(20, 4 + name.length, true);
  view.setUint16(22, attribute, true);
  bytes.set(name, 24);
  return bytes;
}

const isSeen = (bytes: Uint8Array, table = 'namewall'): boolean => run(eventFilter(ADDRESS, table), bytes) === PASS;

test('the program is announced with its length and its address', () => {
  const program = eventFilter(ADDRESS, 'namewall');
  const view = new DataView(program.buffer);
  expect(program.length).toBe(16 + view.getUint16(0, true) * 8);
  expect(view.getBigUint64(8, true)).toBe(BigInt(ADDRESS));
});

test.each([
  ['a new element, which our own commits make thousands of times a second', NFTABLES | 12, false],
  ['a deleted element', NFTABLES | 14, false],
  ['a new generation, which ends every transaction', NFTABLES | 15, false],
  ['a new rule, which other programs make by tens of thousands', NFTABLES | 6, false],
  ['a new table', NFTABLES | 0, true],
  ['a deleted table', NFTABLES | 2, true],
  ['a new chain', NFTABLES | 3, true],
  ['a deleted chain', NFTABLES | 5, true],
  ['a deleted rule: ours may stand behind it', NFTABLES | 8, true],
  ['a new set', NFTABLES | 9, true],
  ['a deleted set', NFTABLES | 11, true],
  ['an error', 2, true],
  ['a message of another subsystem with the number of an element', (1 << 8) | 12, true],
  ['a message of another subsystem with the number of a rule', (1 << 8) | 6, true],
])('of another table, %s', (_what, type, want) => {
  expect(isSeen(message(type))).toBe(want);
});

test.each([
  ['a new rule', 6, true],
  ['a deleted rule', 8, true],
  ['a new element', 12, false],
  ['a deleted element', 14, false],
])('of our table, %s', (_what, type, want) => {
  expect(isSeen(message(NFTABLES | type, 'namewall'))).toBe(want);
});

test.each([
  ['its name begins with ours', message(NFTABLES | 6, 'namewall2')],
  ['ours begins with its name', message(NFTABLES | 6, 'name')],
  ['it differs in the first letter', message(NFTABLES | 6, 'Namewall')],
  ['it differs in the last letter', message(NFTABLES | 6, 'namewalk')],
  ['it is of another family', message(NFTABLES | 6, 'namewall', { family: 2 })],
  ['the first attribute is not the name', message(NFTABLES | 6, 'namewall', { attribute: 2 })],
  ['the message is cut within the name', message(NFTABLES | 6, 'namewall').slice(0, 30)],
])('a new rule is not of our table: %s', (_why, bytes) => {
  expect(isSeen(bytes)).toBe(false);
});

test.each(['n', 'nw', 'nwa', 'namewall', 'namewalls', 'a-table-of-some-length'])(
  'the table may be called %s',
  (table) => {
    expect(isSeen(message(NFTABLES | 6, table), table)).toBe(true);
    expect(isSeen(message(NFTABLES | 6, `${table}x`), table)).toBe(false);
  },
);
