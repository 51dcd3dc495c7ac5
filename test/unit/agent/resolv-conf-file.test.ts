import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ResolvConfFile } from '../../../src/agent/resolv-conf-file.ts';
import { formatAddress } from '../../../src/base/ip.ts';
import { eventually } from '../../support/eventually.ts';
import { recordedLog } from './recorded-log.ts';

let folder = '';
let path = '';
let opened: ResolvConfFile | undefined;
const changed = vi.fn<() => void>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-resolv-conf-'));
  path = join(folder, 'resolv.conf');
  changed.mockClear();
});
afterEach(() => {
  opened?.close();
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

const OWN = ['127.0.0.53'];
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200)); // real files have no virtual clock
const write = (text: string): void => writeFileSync(path, text);
const nameservers = (...addresses: readonly string[]): string =>
  addresses.map((each) => `nameserver ${each}\n`).join('');

async function open(text?: string) {
  if (text !== undefined) write(text);
  const recorded = recordedLog();
  opened = await ResolvConfFile.open(path, changed, recorded.log);
  return { file: opened, ...recorded };
}

/** The servers' addresses, and the codes of what is wrong. */
async function readingOf(file: ResolvConfFile): Promise<{ servers: string[]; problems: string[] }> {
  const read = await file.read(OWN);
  if (!read.ok) return { servers: [], problems: read.problems.map(({ code }) => code) };
  return {
    servers: read.value.servers.map(({ address }) => formatAddress(address)),
    problems: read.value.problems.map(({ code }) => code),
  };
}

test.each([
  [
    'there is none',
    undefined,
    'bad-path',
    'there is no such file or folder; mend it, or list servers in dns.upstreams',
  ],
  [
    'it is empty',
    '',
    'no-nameserver',
    'has no nameserver that can be asked; add one, or list servers in dns.upstreams',
  ],
  ['it has other lines only', 'search example.org\n', 'no-nameserver', 'has no nameserver that can be asked'],
  [
    'its only server cannot be asked',
    nameservers('fe80::1%eth0'),
    'no-nameserver',
    'has no nameserver that can be asked',
  ],
  ['its only server is ours', nameservers('127.0.0.53'), 'own-listener', 'the question would come back to it'],
])('a file that has never named a server gives problems alone: %s', async (_why, text, code, message) => {
  const { file } = await open(text);
  const read = await file.read(OWN);
  expect(read).toMatchObject({ ok: false, problems: [{ code, message: expect.stringContaining(message) }] });
  expect(read.ok ? '' : read.problems[0]?.at).toBe(`${path}:1:1`);
});

test('a folder in its place is a problem', async () => {
  mkdirSync(path);
  const { file } = await open();
  expect(await file.read(OWN)).toMatchObject({ ok: false, problems: [{ code: 'bad-path', at: `${path}:1:1` }] });
});

test.each([
  ['it is gone', () => rmSync(path), 'bad-path'],
  ['it is empty', () => write(''), 'no-nameserver'],
  ['its servers are commented out', () => write(`# ${nameservers('192.0.2.53')}`), 'no-nameserver'],
  ['its only server is ours', () => write(nameservers('127.0.0.53')), 'own-listener'],
  ['a folder is in its place', () => (rmSync(path), mkdirSync(path)), 'bad-path'],
])('the last servers stay, with a problem and a warning, while %s', async (_why, spoil, code) => {
  const { file } = await open(nameservers('192.0.2.53'));
  expect(await readingOf(file)).toEqual({ servers: ['192.0.2.53'], problems: [] });
  expect(file.warnings()).toEqual([]);
  spoil();
  expect(await readingOf(file)).toEqual({ servers: ['192.0.2.53'], problems: [code] });
  const again = await file.read(OWN);
  expect(again.ok && again.value.problems[0]?.message).toMatch(/; until then its last servers are asked$/);
  expect(file.warnings()).toEqual([`${path} names no server that can be asked: its last ones are`]);
  rmSync(path, { recursive: true, force: true });
  write(nameservers('192.0.2.54'));
  expect(await readingOf(file)).toEqual({ servers: ['192.0.2.54'], problems: [] });
  expect(file.warnings()).toEqual([]);
});

test('one that is ours is left out and said, and the others are asked', async () => {
  const { file } = await open(nameservers('127.0.0.53', '192.0.2.53'));
  expect(await readingOf(file)).toEqual({ servers: ['192.0.2.53'], problems: ['own-listener'] });
  expect(file.warnings()).toEqual([]);
});

test('one that cannot be asked is warned of once, and again when it comes back', async () => {
  const { file, lines, fields } = await open(nameservers('fe80::1%eth0', '192.0.2.53'));
  await file.read(OWN);
  await file.read(OWN);
  const warning = 'warn Cannot ask nameserver "fe80::1%eth0": it holds on one interface only';
  expect(lines).toEqual([warning]);
  expect(fields).toEqual([{ at: `${path}:1:1`, code: 'scoped-address' }]);
  write(nameservers('192.0.2.53'));
  await file.read(OWN);
  write(nameservers('192.0.2.53', 'fe80::1%eth0'));
  await file.read(OWN);
  expect(lines).toEqual([warning, warning]);
});

test.each([
  ['it is written', () => write(nameservers('192.0.2.54'))],
  ['another is moved to its place', () => replace(nameservers('192.0.2.54'))],
  ['it is removed', () => rmSync(path)],
])('a change is told: %s', async (_why, change) => {
  const { file } = await open(nameservers('192.0.2.53'));
  await file.read(OWN);
  change();
  await eventually(() => expect(changed).toHaveBeenCalled(), 5_000);
});

test('a change is told: a link that leads elsewhere, and what it leads to', async () => {
  const [first, second] = ['a', 'b'].map((name) => join(folder, name));
  for (const each of [first!, second!]) mkdirSync(each);
  for (const each of [first!, second!]) writeFileSync(join(each, 'stub'), nameservers('192.0.2.53'));
  symlinkSync('a/stub', path);
  const { file } = await open();
  await file.read(OWN);
  symlinkSync('b/stub', `${path}.new`);
  renameSync(`${path}.new`, path);
  await eventually(() => expect(changed).toHaveBeenCalledTimes(1), 5_000);
  writeFileSync(join(second!, 'stub.new'), nameservers('192.0.2.54'));
  renameSync(join(second!, 'stub.new'), join(second!, 'stub'));
  await eventually(() => expect(changed).toHaveBeenCalledTimes(2), 5_000);
  expect(await readingOf(file)).toEqual({ servers: ['192.0.2.54'], problems: [] });
});

test('a change that no folder tells of is seen by the next look', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  // What the link leads to comes later, in a folder that nobody watches: systemd-resolved makes its own when it starts.
  mkdirSync(join(folder, 'etc'));
  path = join(folder, 'etc', 'resolv.conf');
  symlinkSync('../run/resolv.conf', path);
  const { file } = await open();
  await file.read(OWN);
  mkdirSync(join(folder, 'run'));
  writeFileSync(join(folder, 'run', 'resolv.conf'), nameservers('192.0.2.53'));
  await settle();
  expect(changed, 'nobody told of it').not.toHaveBeenCalled();
  vi.advanceTimersByTime(10_000);
  await eventually(() => expect(changed).toHaveBeenCalledTimes(1), 5_000);
  expect(await readingOf(file)).toEqual({ servers: ['192.0.2.53'], problems: [] });
});

test('nothing is told once it is closed', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const { file } = await open(nameservers('192.0.2.53'));
  await file.read(OWN);
  write(nameservers('192.0.2.54'));
  vi.advanceTimersByTime(10_000); // a look is under way
  file.close();
  expect(vi.getTimerCount()).toBe(0);
  write(nameservers('192.0.2.55'));
  vi.advanceTimersByTime(10_000);
  await settle();
  expect(changed).not.toHaveBeenCalled();
});

function replace(text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
