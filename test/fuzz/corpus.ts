// The cases that everything begins with: test/fuzz/corpus, one a file, named for what is in it.
import { readdirSync, readFileSync } from 'node:fs';
import { readCase } from './case.ts';
import type { Case } from './case.ts';

const FOLDER = new URL('corpus/', import.meta.url);

export function readCorpus(): ReadonlyMap<string, Case> {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.hex'));
  return new Map(files.toSorted().map((file) => [file, readCase(readFileSync(new URL(file, FOLDER), 'utf8'))]));
}
