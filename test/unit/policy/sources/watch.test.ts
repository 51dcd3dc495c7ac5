import { appendFile, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchFiles, type FileWatch } from '../../../../src/policy/sources/watch.ts';

let folder = '';
let watched: FileWatch | undefined;
const changed = vi.fn<() => void>();
const failed = vi.fn<(error: Error) => void>();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'namewall-watch-'));
  await writeFile(join(folder, 'a.yaml'), 'one');
  changed.mockClear();
  failed.mockClear();
});
afterEach(async () => {
  watched?.close();
  await rm(folder, { recursive: true, force: true });
});

const start = async (...paths: string[]) => {
  watched = await watchFiles(paths, { changed, failed });
};
const sees = (times: number) =>
  vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(times), { timeout: 3000, interval: 20 });
const settle = () => new Promise((resolve) => setTimeout(resolve, 400)); // longer than the quiet time: real files have no virtual clock

test('a file that is written, and one change for many writes', async () => {
  await start(join(folder, 'a.yaml'));
  for (const text of ['1', '2', '3']) await appendFile(join(folder, 'a.yaml'), text);
  await sees(1);
  await settle();
  expect(changed).toHaveBeenCalledTimes(1);
});

test('a file that an editor replaces, twice', async () => {
  await start(join(folder, 'a.yaml'));
  for (const times of [1, 2]) {
    await writeFile(join(folder, 'a.yaml~'), 'new');
    await rename(join(folder, 'a.yaml~'), join(folder, 'a.yaml'));
    await sees(times);
  }
});

test('a ConfigMap that swaps its link', async () => {
  const version = async (name: string) => {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'p.yaml'), name);
  };
  await version('..1');
  await symlink('..1', join(folder, '..data'));
  await symlink('..data/p.yaml', join(folder, 'p.yaml'));
  await start(join(folder, 'p.yaml'));
  for (const [times, name] of [
    [1, '..2'],
    [2, '..3'],
  ] as const) {
    await version(name);
    await symlink(name, join(folder, '..tmp'));
    await rename(join(folder, '..tmp'), join(folder, '..data'));
    await sees(times);
  }
});

test('a folder: files that come and go', async () => {
  await start(folder);
  await writeFile(join(folder, 'b.yaml'), 'b');
  await sees(1);
  await unlink(join(folder, 'a.yaml'));
  await sees(2);
});

test('a folder that is replaced by another of its name', async () => {
  await mkdir(join(folder, 'd'));
  await writeFile(join(folder, 'd', 'x.yaml'), '1');
  await start(join(folder, 'd'));
  await mkdir(join(folder, 'new'));
  await writeFile(join(folder, 'new', 'x.yaml'), '2');
  await rename(join(folder, 'd'), join(folder, 'old'));
  await rename(join(folder, 'new'), join(folder, 'd'));
  await sees(1);
  await appendFile(join(folder, 'd', 'x.yaml'), '3');
  await sees(2);
});

test('a path that does not exist yet', async () => {
  await start(join(folder, 'later', 'deep', '*.yaml'));
  await mkdir(join(folder, 'later', 'deep'), { recursive: true });
  await settle();
  await writeFile(join(folder, 'later', 'deep', 'x.yaml'), 'x');
  await sees(1);
});

test('other files of the folder change nothing', async () => {
  await start(join(folder, 'a.yaml'));
  await writeFile(join(folder, 'audit.log'), 'x');
  await settle();
  expect(changed).not.toHaveBeenCalled();
});

test('a folder that never rests does not put a change off for ever', async () => {
  await start(join(folder, 'a.yaml'));
  const noise = setInterval(() => void appendFile(join(folder, 'audit.log'), 'x'), 20);
  await appendFile(join(folder, 'a.yaml'), 'x');
  await sees(1).finally(() => clearInterval(noise));
});

test('after close nothing is said any more', async () => {
  await start(folder);
  await appendFile(join(folder, 'a.yaml'), 'x');
  watched?.close();
  await settle();
  expect(changed).not.toHaveBeenCalled();
  expect(failed).not.toHaveBeenCalled();
});
