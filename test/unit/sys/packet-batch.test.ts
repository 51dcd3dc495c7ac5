import { expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import { PacketBatch } from '../../../src/sys/packet-batch.ts';
import { SimulatedMemory } from '../../../src/sys/simulated-memory.ts';
import type { Sys } from '../../../src/sys/sys.ts';

const CAPACITY = 3;
const PACKET_BYTES = 100;
const AF_INET = 2;
const AF_INET6 = 10;

function build(): { batch: PacketBatch; at: (address: number, lengthBytes: number) => DataView } {
  const memory = new SimulatedMemory();
  const part: Partial<Sys> = { allocate: (lengthBytes) => memory.allocate(lengthBytes) };
  const batch = new PacketBatch(part as Sys, CAPACITY, PACKET_BYTES); // it allocates and nothing else
  const at = (address: number, lengthBytes: number): DataView => {
    const view = memory.view(address, lengthBytes);
    if (view === undefined) throw new Error(`${address} is not in one block`);
    return view;
  };
  return { batch, at };
}

/** What the kernel finds when it follows the pointers of struct mmsghdr on a 64-bit system (recvmmsg(2)). */
function follow({ batch, at }: ReturnType<typeof build>, i: number) {
  const header = at(batch.headerAddress(i), 64);
  const iovec = at(Number(header.getBigUint64(16, true)), 16);
  const nameBytes = header.getUint32(8, true);
  const nameAddress = Number(header.getBigUint64(0, true));
  return {
    nameBytes,
    name: nameAddress === 0 ? undefined : at(nameAddress, nameBytes),
    iovecs: Number(header.getBigUint64(24, true)),
    control: [Number(header.getBigUint64(32, true)), Number(header.getBigUint64(40, true))],
    payloadAddress: Number(iovec.getBigUint64(0, true)),
    payloadBytes: Number(iovec.getBigUint64(8, true)),
  };
}

test('each packet has one buffer of its own, whole when ready to receive', () => {
  const built = build();
  built.batch.prepareReceive();
  for (let i = 0; i < CAPACITY; i++) {
    const { iovecs, control, nameBytes, payloadAddress, payloadBytes } = follow(built, i);
    expect({ iovecs, control, nameBytes, payloadBytes }).toEqual({
      iovecs: 1,
      control: [0, 0],
      nameBytes: 28,
      payloadBytes: PACKET_BYTES,
    });
    built.batch.bytes[built.batch.start(i)] = 0x40 + i;
    expect(built.at(payloadAddress, 1).getUint8(0)).toBe(0x40 + i);
  }
});

test('the length to send is the length of the buffer, and ready to receive is whole again', () => {
  const built = build();
  built.batch.setLength(1, 33);
  expect(built.batch.lengthToSend(1)).toBe(33);
  expect(follow(built, 1).payloadBytes).toBe(33);
  built.batch.prepareReceive();
  expect(follow(built, 1).payloadBytes).toBe(PACKET_BYTES);
});

test('the received length is what the kernel wrote behind the header', () => {
  const built = build();
  built.at(built.batch.headerAddress(2), 64).setUint32(56, 77, true);
  expect(built.batch.received(2)).toBe(77);
  expect(built.batch.received(1)).toBe(0);
});

test.each([
  ['IPv4', '192.0.2.7', 4, AF_INET, 16],
  ['IPv6', '2001:db8::7', 6, AF_INET6, 28],
] as const)('an %s peer is a socket address of its family and reads back', (_family, text, family, af, nameBytes) => {
  const built = build();
  built.batch.setPeer(1, family, bytes(text), 0, 5353);
  const name = follow(built, 1).name;
  expect(follow(built, 1).nameBytes).toBe(nameBytes);
  expect(name?.getUint16(0, true)).toBe(af);
  expect(name?.getUint16(2)).toBe(5353);
  const back = new Uint8Array(20);
  built.batch.readPeerAddress(1, back, 4);
  expect(formatAddress(back, 4)).toBe(text);
  expect(built.batch.peerPort(1)).toBe(5353);
});

test('towards a connected peer no address is given', () => {
  const built = build();
  built.batch.useConnectedPeer();
  expect(follow(built, 0)).toMatchObject({ name: undefined, nameBytes: 0 });
});

function bytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(text);
  return address;
}
