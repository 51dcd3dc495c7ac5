// A finding as a file: what was found, the case, and how to see it again.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding } from './oracle/ledger.ts';

const HASH_DIGITS = 12;
const MOST_LINES = 20;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const FINDINGS = fileURLToPath(new URL('findings', import.meta.url));

/** Its path, from the top of the repository. */
export function writeFinding(folder: string, { kind, text }: Finding, steps: string): string {
  mkdirSync(folder, { recursive: true });
  const hash = createHash('sha256').update(kind).update(steps).digest('hex').slice(0, HASH_DIGITS);
  const file = join(folder, `${hash}.hex`);
  const path = relative(ROOT, file);
  const comments = [kind, ...text.split('\n').slice(0, MOST_LINES), `npm run fuzz -- --replay ${path}`];
  writeFileSync(file, `${comments.map((line) => `# ${line}`).join('\n')}\n${steps}`);
  return path;
}
