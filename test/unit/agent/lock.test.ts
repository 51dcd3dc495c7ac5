import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const MODULE = fileURLToPath(new URL('../../../src/agent/lock.ts', import.meta.url));
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A process that takes the lock and then does `then`; `said` is what became of it. */
async function holder(then: string): Promise<{ child: ChildProcess; said: string }> {
  const script = `
    import { takeLock } from ${JSON.stringify(MODULE)};
    await takeLock().then(
      () => { process.stdout.write('held'); ${then} },
      (error) => process.stdout.write(error.constructor.name + ' ' + error.code + ': ' + error.message),
    );`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [said] = (await once(child.stdout, 'data')) as [Buffer]; // a pipe's first chunk
  return { child, said: said.toString() };
}

const WAIT = 'setInterval(() => undefined, 1_000);';

test('one agent at a time: the second one is told so, and the end of the first one, however it comes, frees the lock', async () => {
  const first = await holder(WAIT);
  expect(first.said).toBe('held');
  expect((await holder(WAIT)).said).toBe(
    'LockError already-running: Cannot start: another namewall runs in this network namespace; stop it first',
  );
  const ended = once(first.child, 'exit');
  first.child.kill('SIGKILL');
  await ended;
  expect((await holder(WAIT)).said).toBe('held');
});

test('holding it keeps no process alive', async () => {
  const { child, said } = await holder('');
  expect(said).toBe('held');
  if (child.exitCode === null) await once(child, 'exit');
  expect(child.exitCode).toBe(0);
});
