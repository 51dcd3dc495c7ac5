import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const WATCHDOG = new URL('watchdog.ts', import.meta.url).href;

test('a case that never ends is written down, and the process ends', () => {
  const folder = mkdtempSync(join(tmpdir(), 'namewall-watchdog-'));
  const program = `
    const { Watchdog } = await import(${JSON.stringify(WATCHDOG)});
    new Watchdog(${JSON.stringify(folder)}, 2).watch('ask cart 00\\n');
    for (;;);`;
  // A file and no `-e`: a thread inherits the options of its process.
  writeFileSync(join(folder, 'loop.mjs'), program);
  const { signal } = spawnSync(process.execPath, [join(folder, 'loop.mjs')], { timeout: 60_000 });
  expect(signal).toBe('SIGKILL');
  const file = readdirSync(folder).find((each) => each.endsWith('.hex')) ?? '';
  expect(readFileSync(join(folder, file), 'utf8')).toMatch(
    /^# hang\n# no end after 2 s\n# npm run fuzz -- --replay .*\nask cart 00\n$/,
  );
  rmSync(folder, { recursive: true });
}, 70_000);
