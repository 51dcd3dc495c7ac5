import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SinkError, StreamSink } from '../../../../src/audit/sinks/stream.ts';

const MODULE = fileURLToPath(new URL('../../../../src/audit/sinks/stream.ts', import.meta.url));
const noError = (error: Error): void => expect.fail(error.message);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-sink-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('lines are written in order, each with its newline', async () => {
  const file = join(folder, 'audit.log');
  const sink = StreamSink.toFile(file, noError);
  sink.write(['{"a":1}', '{"b":2}']);
  sink.write(['{"c":3}']);
  await sink.close();
  expect(readFileSync(file, 'utf8')).toBe('{"a":1}\n{"b":2}\n{"c":3}\n');
  expect(sink.takeLost()).toBe(0);
});

test('a new file is for its owner to write and its group to read', async () => {
  const file = join(folder, 'audit.log');
  await StreamSink.toFile(file, noError).close();
  expect(statSync(file).mode & 0o777).toBe(0o640);
});

test('a file that is there is appended to and keeps its mode', async () => {
  const file = join(folder, 'audit.log');
  writeFileSync(file, 'before\n');
  chmodSync(file, 0o600);
  const sink = StreamSink.toFile(file, noError);
  sink.write(['after']);
  await sink.close();
  expect(readFileSync(file, 'utf8')).toBe('before\nafter\n');
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test.each([
  ['a folder that cannot be made', 'taken/audit.log', 'EEXIST'],
  ['a folder', '.', 'EISDIR'],
])(
  'a file that cannot be opened is said when the agent starts, not when the first line is lost: %s',
  (_why, name, why) => {
    writeFileSync(join(folder, 'taken'), '');
    const open = (): unknown => StreamSink.toFile(join(folder, name), noError);
    expect(open).toThrow(SinkError);
    expect(open).toThrow(expect.objectContaining({ code: 'audit-unwritable' }));
    expect(open).toThrow(new RegExp(`^Cannot open the audit log: ${why}: `));
  },
);

test('a folder that is missing is made', async () => {
  const sink = StreamSink.toFile(join(folder, 'new/audit.log'), noError);
  sink.write(['line']);
  await sink.close();
  expect(readFileSync(join(folder, 'new/audit.log'), 'utf8')).toBe('line\n');
});

test('after rotation the log goes on in a new file, and nothing of the old one is lost', async () => {
  const file = join(folder, 'rotated.log');
  const sink = StreamSink.toFile(file, noError);
  sink.write(['old']);
  renameSync(file, `${file}.1`);
  sink.reopen();
  sink.write(['new']);
  await sink.close();
  expect([readFileSync(`${file}.1`, 'utf8'), readFileSync(file, 'utf8')]).toEqual(['old\n', 'new\n']);
});

test('a full disk: said once, what was taken is counted as lost, and nothing more is taken', async () => {
  const onError = vi.fn();
  const sink = StreamSink.toFile('/dev/full', onError);
  expect([sink.write(['a', 'b']), sink.write(['c'])]).toEqual([true, true]);
  await sink.drained();
  expect(sink.takeLost()).toBe(3);
  await expect.poll(() => onError.mock.calls.length).toBe(1);
  expect(sink.write(['d'])).toBe(false);
  expect(sink.takeLost()).toBe(0); // lines that it refuses are its writer's to count
  await sink.close();
  expect(onError).toHaveBeenCalledOnce();
});

test('drained is when what was taken is in the file', async () => {
  const file = join(folder, 'audit.log');
  const sink = StreamSink.toFile(file, noError);
  await sink.drained(); // nothing waits
  for (const line of ['a', 'b', 'c']) sink.write([line]);
  await sink.drained();
  expect(readFileSync(file, 'utf8')).toBe('a\nb\nc\n');
  await sink.close();
});

test('closing a target that fails meanwhile ends, and does not throw at the agent that stops', async () => {
  const onError = vi.fn();
  const sink = StreamSink.toFile('/dev/full', onError);
  sink.write(['a']);
  await expect(sink.close()).resolves.toBeUndefined();
  expect(onError).toHaveBeenCalledOnce();
});

const MEGABYTE = 'x'.repeat(1024 * 1024 - 1);

test('the backlog is bounded: what a stuck target cannot take is refused, not kept in memory', async () => {
  const file = join(folder, 'audit.log');
  const sink = StreamSink.toFile(file, noError);
  // In one turn: nothing of it can be written yet.
  const taken = Array.from({ length: 64 }, () => sink.write([MEGABYTE])).filter(Boolean).length;
  expect(taken).toBe(17);
  await sink.close();
  expect(statSync(file).size).toBe(taken * 1024 * 1024);
  expect(sink.takeLost()).toBe(0);
});

test('a target that recovers takes lines again', async () => {
  const file = join(folder, 'audit.log');
  const sink = StreamSink.toFile(file, noError);
  while (sink.write([MEGABYTE])) continue;
  await sink.drained();
  expect(sink.write(['again'])).toBe(true);
  await sink.close();
  expect(sink.takeLost()).toBe(0);
  expect(readFileSync(file, 'latin1').endsWith('x\nagain\n')).toBe(true);
});

/** `statement` in a process of its own, with `sink` on its standard output. */
function onStdout(statement: string) {
  const script = `
    import { SinkError, StreamSink } from ${JSON.stringify(MODULE)};
    const sink = StreamSink.toStdout((error) => process.stderr.write('said ' + error.code + '\\n'));
    ${statement}`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
}

test('standard output is written to and left open', async () => {
  const child = onStdout("sink.write(['a', 'b']); await sink.close(); process.stdout.write('still open');");
  expect(await text(child.stdout)).toBe('a\nb\nstill open');
});

test('a reader of standard output that goes away: said once, the process goes on, lines are counted', async () => {
  const child = onStdout(`
    const timer = setInterval(() => sink.write(['x'.repeat(100)]), 1);
    setTimeout(() => { clearInterval(timer); process.stderr.write('lost ' + (sink.takeLost() > 0) + '\\n'); }, 300);`);
  const ended = once(child, 'exit');
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await text(child.stderr)).toBe('said EPIPE\nlost true\n');
  expect((await ended)[0]).toBe(0);
});

test('a reader of standard output that does not read: nobody waits for it, and what is too much is refused', async () => {
  const child = onStdout(`
    const line = 'x'.repeat(1024 * 1024);
    let taken = 0;
    while (taken < 100 && sink.write([line])) taken++;
    process.stderr.write('took ' + taken + '\\n');
    process.exit(0);`);
  const ended = once(child, 'exit'); // its standard output is never read
  expect(await text(child.stderr)).toMatch(/^took 1[67]\n$/);
  expect((await ended)[0]).toBe(0);
});
