import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readLookups, writeLookups } from '../../../src/agent/grants-file.ts';
import type { SavedHead, SavedLookup } from '../../../src/agent/grants-encoding.ts';

const BOOT = '0f8e2c1a-1111-4222-8333-444455556666';
const HEAD: SavedHead = { bootId: BOOT, generation: 17, savedAtMs: 123_456.5 };
const NAME = new Uint8Array(Buffer.from('\x03api\x07example\x03org\0', 'latin1'));

function lookup(owner: number, addresses: number, name = NAME): SavedLookup {
  const bytes = new Uint8Array(addresses * 16).map((_, i) => (owner + i) & 255);
  return { owner: owner.toString(16).padStart(32, '0'), name, addresses: bytes, untilMs: 1_000.25 * owner };
}

const LOOKUPS = [lookup(1, 1), lookup(0xabc, 3), lookup(2, 0), lookup(3, 2, new Uint8Array(255).fill(7))];

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nw-grants-'));
  path = join(folder, 'grants');
});
afterEach(() => rm(folder, { recursive: true }));

const isProblem = async (bootId = BOOT): Promise<boolean> => 'problem' in (await readLookups(path, bootId));

test('what was written is read', async () => {
  expect(await writeLookups(path, HEAD, LOOKUPS)).toBe(0);
  expect(await readLookups(path, BOOT)).toEqual({ ...HEAD, lookups: LOOKUPS });
});

test('no lookups at all are fine', async () => {
  await writeLookups(path, HEAD, []);
  expect(await readLookups(path, BOOT)).toEqual({ ...HEAD, lookups: [] });
});

test('more than one piece is read in its order', async () => {
  const many = Array.from({ length: 20_000 }, (_, i) => lookup(i, i % 5));
  await writeLookups(path, HEAD, many);
  const read = await readLookups(path, BOOT);
  expect('lookups' in read && read.lookups.length).toBe(many.length);
  expect('lookups' in read && read.lookups.findIndex(({ untilMs }, i) => untilMs !== many[i]?.untilMs)).toBe(-1);
});

test('a lookup larger than a piece is written whole', async () => {
  const large = [lookup(1, 1), lookup(2, 65_535), lookup(3, 1)];
  await writeLookups(path, HEAD, large);
  const read = await readLookups(path, BOOT);
  expect('lookups' in read && read.lookups.map(({ addresses }) => addresses.length)).toEqual([16, 65_535 * 16, 16]);
});

test('every byte that is changed, at every position, makes a problem of the whole file', async () => {
  await writeLookups(path, HEAD, LOOKUPS);
  const good = await readFile(path);
  const unnoticed: number[] = [];
  for (let at = 0; at < good.length; at++) {
    for (const bits of [0x01, 0x80, 0xff]) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ bits;
      await writeFile(path, bad);
      if (!(await isProblem())) unnoticed.push(at);
    }
  }
  expect(unnoticed).toEqual([]);
});

test('a file that is cut, at every length, is a problem', async () => {
  await writeLookups(path, HEAD, LOOKUPS);
  const { size } = await stat(path);
  const unnoticed: number[] = [];
  for (let length = size - 1; length >= 0; length--) {
    await truncate(path, length);
    if (!(await isProblem())) unnoticed.push(length);
  }
  expect(unnoticed).toEqual([]);
});

describe('a file with a right checksum is a problem, too, when', () => {
  /** What a writer with a bug would leave: `change` is made before the checksum. */
  async function forge(change: (body: Buffer) => Buffer): Promise<string> {
    await writeLookups(path, HEAD, LOOKUPS);
    const body = change(Buffer.from((await readFile(path)).subarray(0, -32)));
    await writeFile(path, Buffer.concat([body, createHash('sha256').update(body).digest()]));
    const read = await readLookups(path, BOOT);
    return 'problem' in read ? read.problem : '';
  }
  const with32 = (at: number, value: number) => (body: Buffer) => {
    body.writeUInt32LE(value, at);
    return body;
  };

  test.each<[string, string, (body: Buffer) => Buffer]>([
    ['it is of another version', 'it is of version 2, and this one reads 1', with32(8, 2)],
    ['it says that it holds more lookups', 'more than it does', with32(12, LOOKUPS.length + 1)],
    ['it says that it holds 2^32 lookups', 'more than it does', with32(12, 0xffff_ffff)],
    ['it says that it holds fewer', 'more than it says', with32(12, LOOKUPS.length - 1)],
    ['something stands behind its end', 'more than it says', (body) => Buffer.concat([body, Buffer.alloc(28)])],
    ['its last lookup is cut', 'more than it does', (body) => body.subarray(0, -1)],
    ['it is something else', 'no file of lookups', with32(0, 0)],
  ])('%s', async (_why, problem, change) => {
    expect(await forge(change)).toContain(problem);
  });

  test('it is of another boot: the clock of its lifetimes started anew', async () => {
    await writeLookups(path, HEAD, LOOKUPS);
    expect(await isProblem(BOOT.replace('0', '1'))).toBe(true);
  });
});

test.each<[string, (path: string) => Promise<unknown>]>([
  ['is not there', () => Promise.resolve()],
  ['is empty', (at) => writeFile(at, '')],
  ['is a folder', (at) => rm(at, { force: true }).then(() => symlink('/', at))],
  ['is larger than any that we write', (at) => writeFile(at, '').then(() => truncate(at, 64 * 1024 * 1024 + 1))],
])('a file that %s is a problem and nothing is thrown', async (_why, make) => {
  await make(path);
  expect(await isProblem()).toBe(true);
});

test('the file is its owner’s alone, whatever was left of an earlier writing', async () => {
  await writeFile(`${path}.new`, 'half');
  await chmod(`${path}.new`, 0o666);
  await writeLookups(path, HEAD, LOOKUPS);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['grants']);
});

test.each([
  ['an owner that is too short', { ...lookup(1, 1), owner: 'abc' }],
  ['an owner that is no number', { ...lookup(1, 1), owner: 'x'.repeat(32) }],
  ['a name beyond 255 bytes', lookup(1, 1, new Uint8Array(256))],
  ['half an address', { ...lookup(1, 1), addresses: new Uint8Array(8) }],
  ['more addresses than can be counted', lookup(1, 65_536)],
])('a lookup with %s is refused, and the old file stays', async (_why, wrong) => {
  await writeLookups(path, HEAD, LOOKUPS);
  await expect(writeLookups(path, HEAD, [...LOOKUPS, wrong])).rejects.toThrow(RangeError);
  expect(await readLookups(path, BOOT)).toEqual({ ...HEAD, lookups: LOOKUPS });
  expect(await readdir(folder)).toEqual(['grants']);
});

test('beyond 64 MiB the last lookups are left out, and said so', async () => {
  const large = lookup(1, 60_000);
  const left = await writeLookups(
    path,
    HEAD,
    Array.from({ length: 80 }, () => large),
  );
  const read = await readLookups(path, BOOT);
  expect(left).toBeGreaterThan(0);
  expect('lookups' in read && read.lookups.length + left).toBe(80);
});
