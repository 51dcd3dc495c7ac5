import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

function namewall(...argv: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...argv], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

test.each([['help'], ['--help'], ['-h']])('%s lists the commands on standard output', (argument) => {
  const { code, out, err } = namewall(argument);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^Usage: namewall COMMAND/);
  for (const command of [
    'run',
    'check',
    'match',
    'probe',
    'dig',
    'test',
    'doctor',
    'off',
    'on',
    'demo',
    'help',
    'version',
  ])
    expect(out).toMatch(new RegExp(`^ {2}${command} `, 'm'));
});

test.each([['version'], ['--version'], ['-V']])('%s prints the version of package.json', (argument) => {
  expect(namewall(argument)).toEqual({ code: 0, out: `${packageJson.version}\n`, err: '' });
});

test('nothing asked: the same on standard error, as wrong usage', () => {
  const { code, out, err } = namewall();
  expect([code, out]).toEqual([2, '']);
  expect(err).toBe(namewall('help').out);
});

test.each([
  ['a word that is none', 'enforce'],
  ['a word of every object', 'constructor'],
  ['an option before the command', '--config'],
  ['bytes that would move the cursor', '\u001b[2J'],
])('an unknown command is wrong usage: %s', (_why, argument) => {
  const { code, out, err } = namewall(argument);
  expect([code, out]).toEqual([2, '']);
  expect(err).toBe(`namewall: unknown command ${JSON.stringify(argument)}; see namewall help\n`);
});

test.each([['run'], ['check'], ['match'], ['probe'], ['dig'], ['test'], ['doctor'], ['off'], ['on'], ['demo']])(
  '%s --help tells what it does, its options and its exit codes',
  (command) => {
    const { code, out, err } = namewall(command, '--help');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(new RegExp(`^Usage: namewall ${command} `));
    expect(out).toContain('--help');
    expect(out).toMatch(/^Exit codes?:/m);
  },
);

test.each([
  ['yes', ['match', '*.example.org', 'www.example.org'], 0, 'yes www.example.org\n'],
  ['the command’s no', ['match', '*.example.org', 'example.org'], 1, 'no example.org\n'],
  ['wrong usage', ['match'], 2, ''],
])('the exit code is the command’s: %s', (_why, argv, code, out) => {
  expect(namewall(...argv)).toMatchObject({ code, out });
});

/** 20,000 lines, many times what a pipe holds. */
const MANY = Array.from({ length: 20_000 }, (_, i) => `n${i}.example.org`);

test('a long answer goes into a slow pipe whole', async () => {
  const child = spawn(process.execPath, [MAIN, 'match', '*.example.org', ...MANY], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'readable');
  const out = await text(child.stdout);
  expect(out).toBe(MANY.map((name) => `yes ${name}\n`).join(''));
  expect((await ended)[0]).toBe(0);
});

/** `argv | reader` in sh; what reached standard output and standard error, and the exit code of the left side. */
function piped(reader: string, argv: readonly string[]): { out: string; err: string; code: number } {
  const script = `{ "$0" "$@"; echo "code $?" >&2; } | ${reader}`;
  const { stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath, MAIN, ...argv], { encoding: 'utf8' });
  const [, err = '', code = ''] = /^([\s\S]*)code (\d+)\n$/.exec(stderr) ?? [];
  return { out: stdout, err, code: Number(code) };
}

test('a reader that goes away, as head does, gets no stack', () => {
  const { out, err } = piped('head -n 1', ['match', '*.example.org', ...MANY]);
  expect([out, err]).toEqual(['yes n0.example.org\n', '']);
});

test('a reader that went away ends the command as SIGPIPE would: not everything was said, so it is no success', () => {
  expect(piped('head -n 1', ['match', '*.example.org', ...MANY]).code).toBe(141);
});

test.each([
  ['help', ['help']],
  ['run --help', ['run', '--help']],
])('a reader that never reads gets no stack: %s', (_why, argv) => {
  expect(piped('true', argv)).toMatchObject({ out: '', err: '' });
});
