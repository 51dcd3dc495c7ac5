import { expect, test } from 'vitest';
import { elementEventFilter } from '../../../src/sys/nft-event-filter.ts';

const NFTABLES = 10 << 8;
const ADDRESS = 0x7f00_1234_5000;

/** Runs classic BPF as the kernel does (socket(7), linux/filter.h): the bytes of the message that are let through. */
function run(program: Uint8Array, packetBytes: Uint8Array): number {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const packet = new DataView(packetBytes.buffer);
  let accumulator = 0;
  for (let pc = 0; pc < view.getUint16(0, true); pc++) {
    const at = 16 + pc * 8;
    const k = view.getUint32(at + 4, true);
    switch (view.getUint16(at, true)) {
      case 0x28: // ldh [k], in network order
        accumulator = packet.getUint16(k);
        break;
      case 0x15: // jeq #k, jt, jf
        pc += view.getUint8(at + (accumulator === k ? 2 : 3));
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`Unknown instruction ${view.getUint16(at, true)}`);
    }
  }
  throw new Error('The program runs over its end');
}

function message(type: number): Uint8Array {
  const bytes = new Uint8Array(20);
  new DataView(bytes.buffer).setUint16(4, type, true); // nlmsghdr is in host order
  return bytes;
}

test('the program is announced with its length and its address', () => {
  const program = elementEventFilter(ADDRESS);
  const view = new DataView(program.buffer);
  expect(program.length).toBe(16 + view.getUint16(0, true) * 8);
  expect(view.getBigUint64(8, true)).toBe(BigInt(ADDRESS));
});

test.each([
  ['a new element, which our own commits make thousands of times a second', NFTABLES | 12, false],
  ['a deleted element', NFTABLES | 14, false],
  ['a new generation, which ends every transaction', NFTABLES | 15, false],
  ['a new table', NFTABLES | 0, true],
  ['a deleted table', NFTABLES | 2, true],
  ['a deleted chain', NFTABLES | 5, true],
  ['a deleted rule', NFTABLES | 8, true],
  ['a deleted set', NFTABLES | 11, true],
  ['an error', 2, true],
  ['a message of another subsystem with the number of an element', (1 << 8) | 12, true],
])('%s', (_what, type, isSeen) => {
  expect(run(elementEventFilter(ADDRESS), message(type))).toBe(isSeen ? 0xffff_ffff : 0);
});
