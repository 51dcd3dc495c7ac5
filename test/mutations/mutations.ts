// mutations.txt as data: what could be wrong with the compiler, each as one change of its text.
import { readFileSync } from 'node:fs';

export interface Mutation {
  /** What would go wrong. */
  readonly title: string;
  /** From the top of the repository. */
  readonly file: string;
  /** Stands in the file once; may be a part of a line, or several lines. */
  readonly text: string;
  readonly instead: string;
}

const MINUS = '- ';
const PLUS = '+ ';

export function readMutations(): Mutation[] {
  return parseMutations(readFileSync(new URL('mutations.txt', import.meta.url), 'utf8'));
}

/** Of each `=== FILE: TITLE` the lines that begin with `- ` and those that begin with `+ `; whatever else is there is an error. */
export function parseMutations(all: string): Mutation[] {
  const [, ...blocks] = all.split(/^=== /m);
  return blocks.map((block) => {
    const [head = '', ...lines] = block.trimEnd().split('\n');
    const [, file = '', title = ''] = /^(\S+): (.+)$/.exec(head) ?? [];
    const without = (sign: string): string[] =>
      lines.flatMap((line) => (line.startsWith(sign.trimEnd()) ? [line.slice(sign.length)] : []));
    const [text, instead] = [without(MINUS), without(PLUS)];
    if (title === '' || text.length === 0 || text.length + instead.length !== lines.length)
      throw new Error(`Cannot read the mutation ${JSON.stringify(head)}`);
    return { title, file, text: text.join('\n'), instead: instead.join('\n') };
  });
}

export function countOf(text: string, content: string): number {
  return content.split(text).length - 1;
}

/** Throws for one that does not fit: then the source has changed, and the mutation must follow it. */
export function mutated(content: string, { title, file, text, instead }: Mutation): string {
  const found = countOf(text, content);
  if (found !== 1) throw new Error(`${file}: found ${found} times, must be once: ${JSON.stringify(text)} (${title})`);
  return content.replace(text, () => instead);
}
