// The simulated kernel against what test/contract/set-writer.test.ts sees on a real one.
import { beforeEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import { COMMIT, NetlinkSetWriter } from '../../../src/kernel/set-writer.ts';
import type { RefreshStrategy } from '../../../src/kernel/set-writer.ts';
import { SimulatedSys } from '../../../src/sys/simulated.ts';
import { ERRNO } from '../../../src/sys/sys.ts';
import type { Memory } from '../../../src/sys/sys.ts';

const TABLE = 'namewall';
const POD = '10.0.0.1';
const WEB = '192.0.2.1';
const TINY = 1;
const MISSING = 2;

let sys: SimulatedSys;
let writer: NetlinkSetWriter;

function start(strategy: RefreshStrategy, renews = strategy === 'update', bufferBytes = 1 << 20): void {
  sys = new SimulatedSys({ renews });
  for (const family of [4, 6]) {
    const keyBytes = family === 4 ? 8 : 32;
    sys.nftables.addSet(TABLE, `grants${family}_web`, { keyBytes, size: 1_000 });
    sys.nftables.addSet(TABLE, `grants${family}_tiny`, { keyBytes, size: 3 });
  }
  writer = NetlinkSetWriter.open(sys, { table: TABLE, strategy, bufferBytes });
  writer.define(['web', 'tiny', 'missing']);
}

describe.each(['update', 'replace'] as const)('renewed by %s', (strategy) => {
  beforeEach(() => start(strategy));

  test.each([
    ['IPv4', POD, WEB],
    ['IPv6', '2001:db8:1::1', '2001:db8:2::1'],
  ])('an %s element is there for as long as it was asked for', (_family, pod, address) => {
    expect(add(address, 60_000, 0, pod)).toBe(true);
    expect(writer.commit()).toBe(COMMIT.Done);
    expect(left(address, 0, pod)).toBe(60_000);
    sys.advance(59_999);
    expect(left(address, 0, pod)).toBe(1);
    sys.advance(1);
    expect(left(address, 0, pod)).toBe(0);
  });

  test.each([
    ['equal', 60_000],
    ['longer', 90_000],
    ['shorter', 30_000],
  ])('a lifetime that is %s takes the place of the old one', (_why, lifetimeMs) => {
    commit(add(WEB, 60_000));
    sys.advance(20_000);
    expect(commit(add(WEB, lifetimeMs))).toBe(COMMIT.Done);
    expect(left(WEB)).toBe(lifetimeMs);
  });

  test('removing what is there, missing or expired is no error', () => {
    commit(add(WEB, 10_000));
    for (let time = 0; time < 2; time++) {
      expect(commit(remove(WEB))).toBe(COMMIT.Done);
      expect(left(WEB)).toBe(0);
    }
    commit(add(WEB, 1_000));
    sys.advance(1_500);
    expect(commit(remove(WEB))).toBe(COMMIT.Done);
  });

  test('a full set refuses the whole batch, and renewing and exchanging go on', () => {
    commit(tiny(1), tiny(2), tiny(3));
    expect(commit(add(WEB, 60_000), tiny(4))).toBe(ERRNO.ENFILE);
    expect(left(WEB)).toBe(0);
    expect(left('192.0.2.3', TINY)).toBe(60_000);
    expect(commit(tiny(1, 90_000))).toBe(COMMIT.Done);
    expect(commit(remove('192.0.2.1', TINY), tiny(4))).toBe(COMMIT.Done);
    expect(left('192.0.2.4', TINY)).toBe(60_000);
  });

  test('an expired element counts until it is collected, a second later at most (V3)', () => {
    sys.advance(200); // collections come at whole seconds
    commit(tiny(1, 1_100), tiny(2), tiny(3));
    sys.advance(1_200);
    expect(left('192.0.2.1', TINY)).toBe(0);
    expect(commit(tiny(4))).toBe(ERRNO.ENFILE);
    sys.advance(600);
    expect(commit(tiny(4))).toBe(COMMIT.Done);
  });

  test('a missing set or table refuses the whole batch with ENOENT', () => {
    expect(commit(add(WEB, 60_000), add(WEB, 60_000, MISSING))).toBe(ERRNO.ENOENT);
    expect(left(WEB)).toBe(0);
    sys.nftables.deleteTable(TABLE);
    expect(commit(add(WEB, 60_000))).toBe(ERRNO.ENOENT);
  });

  test('a commit that is refused is undone and reported beside the acknowledgement', () => {
    sys.nftables.refuse({ errno: ERRNO.EPERM, times: 1 });
    expect(commit(add(WEB, 60_000))).toBe(ERRNO.EPERM);
    expect(left(WEB)).toBe(0);
    expect(commit(add(WEB, 60_000))).toBe(COMMIT.Done);
  });

  test('acknowledgements that are held back, lost or late leave the outcome unknown', () => {
    sys.holdAcknowledgements();
    expect(commit(add(WEB, 60_000))).toBe(COMMIT.Unknown);
    expect(sys.nftables.set(TABLE, 'grants4_web')?.liveKeys(sys.nowMs())).toHaveLength(1);
    sys.releaseAcknowledgements();
    expect(commit(add(WEB, 61_000))).toBe(COMMIT.Done);
    sys.overflow();
    expect(commit(add(WEB, 62_000))).toBe(COMMIT.Unknown);
    expect(left(WEB)).toBe(62_000);
  });

  test("reports over-run a small buffer as the kernel's do, and an error is still seen (V25)", () => {
    start(strategy, strategy === 'update', 20_000);
    for (let i = 0; i < 200; i++) add(i % 2 ? WEB : '2001:db8:2::1', 60_000, MISSING, i % 2 ? POD : '2001:db8:1::1');
    expect(writer.commit()).toBe(ERRNO.ENOENT);
    expect(commit(add(WEB, 60_000))).toBe(COMMIT.Done);
  });
});

describe('a kernel that cannot renew (V4)', () => {
  beforeEach(() => start('update', false));

  test('ignores new lifetimes without a word', () => {
    commit(add(WEB, 60_000));
    sys.advance(10_000);
    expect(commit(add(WEB, 90_000))).toBe(COMMIT.Done);
    expect(left(WEB)).toBe(50_000);
  });

  test('does not know DESTROYSETELEM', () => {
    expect(commit(remove(WEB))).toBe(ERRNO.EINVAL);
  });
});

describe('what is not well formed is EINVAL and changes nothing', () => {
  /** The batch that adds one element, for damaging. */
  let batch: Uint8Array;
  let memory: Memory;

  beforeEach(() => {
    start('update');
    const sent: Uint8Array[] = [];
    const spy = new Proxy(sys, {
      get: (target, name) => {
        if (name !== 'send') {
          const value: unknown = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        }
        return (fd: never, from: Memory, offset: number, length: number) => {
          sent.push(from.bytes.slice(offset, offset + length));
          return target.send(fd, from, offset, length);
        };
      },
    });
    writer = NetlinkSetWriter.open(spy, { table: TABLE, strategy: 'update' });
    writer.define(['web']);
    commit(add(WEB, 60_000));
    batch = sent[0] ?? new Uint8Array(0);
    commit(remove(WEB));
    memory = sys.allocate(4096);
  });

  function send(datagram: Uint8Array): number {
    const fd = sys.netlinkOpen(65_536);
    memory.bytes.set(datagram);
    sys.send(fd, memory, 0, datagram.length);
    sys.receive(fd, memory, 0, 4096);
    return Math.abs(new DataView(memory.bytes.buffer).getInt32(16, true));
  }

  const damaged = (at: number, ...values: number[]): Uint8Array => {
    const copy = batch.slice();
    copy.set(values, at);
    return copy;
  };

  test('the batch itself is fine', () => {
    expect(send(batch)).toBe(0);
    expect(left(WEB)).toBe(60_000);
  });

  test.each([
    ['no begin', () => batch.subarray(20)],
    ['no end', () => batch.subarray(0, -20)],
    ['a begin of another subsystem', () => damaged(18, 0, 1)],
    ['a message longer than the datagram', () => damaged(20, 0xff, 0x0f)],
    ['a message shorter than its header', () => damaged(20, 8, 0)],
    ['a message that is no request', () => damaged(26, 0)],
    ['a type that is none', () => damaged(24, 99)],
    ['a family other than inet', () => damaged(36, 2)],
    ['an attribute longer than its message', () => damaged(40, 0xff, 0)],
    ['an attribute shorter than its header', () => damaged(40, 3, 0)],
    ['a table without a NUL', () => damaged(40 + 4 + TABLE.length, 0x41)],
    ['nothing at all', () => new Uint8Array(0)],
    ['a runt', () => batch.subarray(0, 10)],
  ])('%s', (_why, make) => {
    expect(send(make())).toBe(ERRNO.EINVAL);
    expect(left(WEB)).toBe(0);
  });
});

test('subscribers hear of deleted tables and sets, and of nothing else', () => {
  start('update');
  const fd = sys.netlinkOpen(65_536);
  sys.netlinkWatch(fd);
  commit(add(WEB, 60_000));
  const memory = sys.allocate(4096);
  expect(sys.receive(fd, memory, 0, 4096)).toBe(-ERRNO.EAGAIN);
  sys.nftables.deleteTable(TABLE);
  const types: number[] = [];
  while (sys.receive(fd, memory, 0, 4096) > 0) types.push(new DataView(memory.bytes.buffer).getUint16(4, true) & 0xff);
  expect(types).toEqual([11, 11, 11, 11, 2]);
});

function add(address: string, lifetimeMs: number, classIndex = 0, pod = POD): boolean {
  return writer.add(classIndex, bytes(pod), 0, bytes(address), 0, lifetimeMs);
}

function remove(address: string, classIndex = 0): boolean {
  return writer.remove(classIndex, bytes(POD), 0, bytes(address), 0);
}

function tiny(last: number, lifetimeMs = 60_000): boolean {
  return add(`192.0.2.${last}`, lifetimeMs, TINY);
}

/** What was added or removed in the arguments, as one transaction. */
function commit(...changes: readonly boolean[]): number {
  expect(changes).not.toContain(false);
  return writer.commit();
}

function left(address: string, classIndex = 0, pod = POD): number {
  return writer.readBack(classIndex, bytes(pod), 0, bytes(address), 0);
}

function bytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(text);
  return address;
}
