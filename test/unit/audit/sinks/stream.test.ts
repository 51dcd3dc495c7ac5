import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StreamSink } from '../../../../src/audit/sinks/stream.ts';

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

test('a file that cannot be opened: said once, every line counted', async () => {
  const onError = vi.fn();
  const sink = StreamSink.toFile(join(folder, 'missing', 'audit.log'), onError);
  await expect.poll(() => onError.mock.calls.length).toBe(1);
  sink.write(['a', 'b']);
  sink.write(['c']);
  expect(sink.takeLost()).toBe(3);
  expect(sink.takeLost()).toBe(0);
  await sink.close();
  expect(onError).toHaveBeenCalledOnce();
});

test('a full disk: said once, and the lines that were on their way are counted too', async () => {
  const onError = vi.fn();
  const sink = StreamSink.toFile('/dev/full', onError);
  sink.write(['a', 'b']);
  sink.write(['c']);
  await expect.poll(() => onError.mock.calls.length).toBe(1);
  sink.write(['d']);
  expect(sink.takeLost()).toBe(4);
  await sink.close();
  expect(onError).toHaveBeenCalledOnce();
});

test('closing a target that fails meanwhile ends, and does not throw at the agent that stops', async () => {
  const onError = vi.fn();
  const sink = StreamSink.toFile('/dev/full', onError);
  sink.write(['a']);
  await expect(sink.close()).resolves.toBeUndefined();
  expect(onError).toHaveBeenCalledOnce();
});

test('the backlog is bounded: what a stuck target cannot take is lost and counted, not kept in memory', async () => {
  const file = join(folder, 'audit.log');
  const sink = StreamSink.toFile(file, noError);
  const line = 'x'.repeat(1024 * 1024 - 1);
  for (let i = 0; i < 64; i++) sink.write([line]); // in one turn: nothing of it can be written yet
  const lost = sink.takeLost();
  expect(lost).toBeGreaterThanOrEqual(64 - 17);
  await sink.close();
  expect(statSync(file).size).toBe((64 - lost) * 1024 * 1024);
});

test('a target that recovers takes lines again', async () => {
  const file = join(folder, 'audit.log');
  const sink = StreamSink.toFile(file, noError);
  const line = 'x'.repeat(1024 * 1024 - 1);
  for (let i = 0; i < 20; i++) sink.write([line]);
  const lost = sink.takeLost();
  await expect.poll(() => statSync(file).size).toBe((20 - lost) * 1024 * 1024);
  sink.write(['again']);
  await sink.close();
  expect(sink.takeLost()).toBe(0);
  expect(readFileSync(file, 'latin1').endsWith('x\nagain\n')).toBe(true);
});

/** `statement` in a process of its own, with `sink` on its standard output. */
function onStdout(statement: string) {
  const script = `
    import { StreamSink } from ${JSON.stringify(MODULE)};
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
