// The demo as a user runs it: it shows what it promises, and however it ends, the machine is as it was before.
import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { labFolder, removeLab } from '../../src/cli/demo/namespaces.ts';
import { STEPS } from '../../src/cli/demo/steps.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const DEMO_LIMIT_MS = 60_000;

test(
  'the demo sees every step as expected and leaves the machine as it was, twice',
  { timeout: 2 * DEMO_LIMIT_MS },
  async () => {
    const before = machine();
    for (const turn of ['first', 'second']) {
      const demo = startDemo();
      const { code, output } = await demo.ended;
      expect({ turn, code, output }).toMatchObject({ code: 0 });
      // Step 0, without the agent, counts too.
      expect(output).toContain(`${STEPS.length + 1} of ${STEPS.length + 1} steps as expected`);
      expect(output).not.toContain('✗');
      expect(output).not.toContain('\u001b['); // no terminal, no colour
      expect(leftOf(demo.pid)).toEqual([]);
      expect(machine()).toEqual(before);
    }
  },
);

test('an interrupted demo removes what it built', { timeout: DEMO_LIMIT_MS }, async () => {
  const demo = startDemo();
  await demo.shows('An allowed name resolves');
  demo.child.kill('SIGINT');
  expect((await demo.ended).code).toBe(130);
  expect(leftOf(demo.pid)).toEqual([]);
});

test('what a killed demo leaves behind is removed by the next one', { timeout: 2 * DEMO_LIMIT_MS }, async () => {
  const killed = startDemo();
  await killed.shows('An allowed name resolves');
  killed.child.kill('SIGKILL');
  await killed.ended;
  expect(leftOf(killed.pid)).not.toEqual([]);

  const next = startDemo();
  expect((await next.ended).code).toBe(0);
  expect(leftOf(killed.pid)).toEqual([]);
});

test('two demos at the same time do not meet', { timeout: 2 * DEMO_LIMIT_MS }, async () => {
  const demos = [startDemo(), startDemo()];
  const ended = await Promise.all(demos.map((demo) => demo.ended));
  expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  expect(demos.flatMap((demo) => leftOf(demo.pid))).toEqual([]);
});

test(
  '--keep leaves the pods and a working agent up, and the next demo does not remove them',
  { timeout: 2 * DEMO_LIMIT_MS },
  async () => {
    const demo = startDemo('--keep');
    expect((await demo.ended).code).toBe(0);
    const id = labIdOf(demo.pid);
    try {
      expect((await startDemo().ended).code).toBe(0);
      const probe = new URL('../../src/cli/demo/try.ts', import.meta.url).pathname;
      const argv = ['netns', 'exec', `namewall-cart-${id}`, process.execPath, probe, 'eu.shop.example.org'];
      expect(execFileSync('ip', argv, { encoding: 'utf8' })).toContain('NXDOMAIN'); // allowed, but the world has no such name
      expect(existsSync(join(labFolder(id), 'agent.log'))).toBe(true);
    } finally {
      removeLab(id);
    }
    await expect.poll(() => leftOf(demo.pid)).toEqual([]);
  },
);

test('--audit keeps the audit log of the run', { timeout: DEMO_LIMIT_MS }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'namewall-test-'));
  try {
    const file = join(folder, 'audit.jsonl');
    expect((await startDemo('--audit', file).ended).code).toBe(0);
    const events = readFileSync(file, 'utf8').trim().split('\n');
    for (const event of events) JSON.parse(event);
    expect(events.some((event) => event.includes('exfil.example.com'))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

interface Demo {
  readonly pid: number;
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
  /** Resolves when the demo has printed `text`. */
  shows(text: string): Promise<void>;
}

function startDemo(...argv: readonly string[]): Demo {
  const child = spawn(process.execPath, [MAIN, 'demo', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, output }));
  const shows = async (text: string): Promise<void> => {
    while (!output.includes(text)) {
      if (child.exitCode !== null) throw new Error(`The demo ended before it showed "${text}":\n${output}`);
      await sleep(10);
    }
  };
  if (child.pid === undefined) throw new Error('Cannot start the demo');
  return { pid: child.pid, child, ended, shows };
}

/** Namespaces, folders and processes of the demo that ran as `pid`. */
function leftOf(pid: number): readonly string[] {
  const isItsOwn = (text: string): boolean => new RegExp(`namewall-[a-z]+-${pid}-`).test(text);
  return [...namespaces(), ...readdirSync(tmpdir()), ...commandLines()].filter(isItsOwn);
}

function labIdOf(pid: number): string {
  const id = namespaces().flatMap((name) => new RegExp(`^namewall-cart-(${pid}-.*)$`).exec(name)?.[1] ?? []);
  expect(id).toHaveLength(1);
  return id[0] ?? '';
}

function namespaces(): readonly string[] {
  const lines = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }).split('\n');
  return lines.map((line) => line.split(' ')[0] ?? '').filter(Boolean);
}

function commandLines(): readonly string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return []; // it ended meanwhile
      }
    });
}

/** What a program can change outside its own namespaces. */
function machine(): Readonly<Record<string, string>> {
  const show = (...argv: [string, ...string[]]): string => execFileSync(argv[0], argv.slice(1), { encoding: 'utf8' });
  return {
    links: show('ip', '-br', 'link'),
    rules4: show('ip', '-4', 'rule'),
    rules6: show('ip', '-6', 'rule'),
    routes4: show('ip', '-4', 'route', 'show', 'table', 'all'),
    routes6: show('ip', '-6', 'route', 'show', 'table', 'all'),
    ruleset: show('nft', 'list', 'ruleset'),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
  };
}
