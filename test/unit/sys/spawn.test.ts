import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runToEnd } from '../../../src/sys/spawn.ts';
import { SysError } from '../../../src/sys/sys.ts';

const LIMITS = { patienceMs: 10_000, maxBytes: 1 << 20 };

describe('runToEnd', () => {
  it('gives the input and answers output, errors and exit code', async () => {
    const ended = await runToEnd(['sh', '-c', 'cat; echo wrong >&2; exit 3'], 'Grüße', LIMITS);
    expect(ended).toEqual({ exitCode: 3, stdout: 'Grüße', stderr: 'wrong\n' });
  });

  it('passes arguments as they are', async () => {
    const { stdout } = await runToEnd(['printf', '%s|', '$HOME', 'a b', ''], '', LIMITS);
    expect(stdout).toBe('$HOME|a b||');
  });

  it('reads more than a pipe holds', async () => {
    const text = 'x'.repeat(1_000_000);
    expect((await runToEnd(['cat'], text, LIMITS)).stdout).toBe(text);
  });

  it('says that there is no such program', async () => {
    await expect(runToEnd(['namewall-is-no-program'], '', LIMITS)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('tells an end by signal', async () => {
    expect((await runToEnd(['sh', '-c', 'kill -TERM $$'], '', LIMITS)).exitCode).toBeUndefined();
  });

  it('kills what takes too long', async () => {
    const error: unknown = await runToEnd(['sleep', '60'], '', { ...LIMITS, patienceMs: 50 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SysError);
    expect(error).toMatchObject({ code: 'ETIMEDOUT', message: 'Cannot wait for "sleep 60": ETIMEDOUT' });
  });

  it('does not wait for what a killed program has left behind', async () => {
    const began = performance.now();
    const left = runToEnd(['sh', '-c', 'sleep 5 & wait'], '', { ...LIMITS, patienceMs: 50 });
    await expect(left).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(performance.now() - began).toBeLessThan(4_000);
  });

  it('kills what writes without end', async () => {
    await expect(runToEnd(['yes'], '', LIMITS)).rejects.toMatchObject({ code: 'EMSGSIZE' });
  });

  it('lets a closed pipe end the program, as from a shell', async () => {
    const { stdout } = await runToEnd(['sh', '-c', 'yes | head -1; grep SigIgn /proc/self/status'], '', LIMITS);
    const [first, ignored] = stdout.trim().split('\n');
    expect(first).toBe('y');
    const SIGPIPE = 1n << 12n;
    expect(BigInt(`0x${ignored?.split('\t')[1]}`) & SIGPIPE).toBe(0n);
  });

  it('leaves no descriptor and no process behind', async () => {
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    await runToEnd(['true'], '', LIMITS);
    const before = descriptors();
    for (let i = 0; i < 20; i++) await runToEnd(['true'], 'text', LIMITS);
    await runToEnd(['namewall-is-no-program'], '', LIMITS).catch(() => undefined);
    expect(descriptors()).toBe(before);
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
    const stats = children.filter(Boolean).map((child) => readFileSync(`/proc/${child}/stat`, 'utf8'));
    expect(stats.filter((stat) => stat.includes(') Z '))).toEqual([]);
  });
});
