import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const LOG = fileURLToPath(new URL('../../../src/base/log.ts', import.meta.url));

/** In a process of its own: the log goes to descriptor 2. */
function log(level: string, statement: string): { out: string; lines: Record<string, unknown>[] } {
  const script = `import { openLog } from ${JSON.stringify(LOG)}; const log = openLog('${level}'); ${statement}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const lines = stderr.split('\n').filter((line) => line !== '');
  return { out: stdout, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test('one JSON object a line on standard error, nothing on standard output', () => {
  const { out, lines } = log(
    'info',
    "log.info({ servers: 2 }, 'ready'); log.debug('not shown'); log.error('two\\nlines');",
  );
  expect(out).toBe('');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({ level: 30, servers: 2, msg: 'ready' });
  expect(lines[0]?.['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(lines[1]?.['msg']).toBe('two\nlines');
});

test('the last line before a sudden end is written', () => {
  const { lines } = log('info', "log.fatal('the end'); process.kill(process.pid, 'SIGKILL');");
  expect(lines).toMatchObject([{ msg: 'the end' }]);
});
