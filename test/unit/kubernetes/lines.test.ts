import { describe, expect, test } from 'vitest';
import { jsonLines, wholeJson } from '../../../src/kubernetes/lines.ts';

async function* chunksOf(chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function read(chunks: readonly (string | Uint8Array)[], maxBytes?: number): Promise<unknown[]> {
  return Array.fromAsync(jsonLines(chunksOf(chunks), maxBytes));
}

describe('a stream', () => {
  test.each<[why: string, chunks: string[]]>([
    ['two lines in one chunk', ['{"a":1}\n{"a":2}\n']],
    ['a chunk for each byte', '{"a":1}\n{"a":2}\n'.split('')],
    ['a line break alone in a chunk', ['{"a":1}', '\n', '{"a":2}', '\n']],
    ['empty chunks between', ['', '{"a":1}\n', '', '{"a":2}\n', '']],
  ])('%s', async (_why, chunks) => expect(await read(chunks)).toEqual([{ a: 1 }, { a: 2 }]));

  test('a letter of several bytes may be split', async () => {
    const bytes = Buffer.from('"é☃"\n');
    expect(await read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(['é☃']);
  });

  test('nothing is no line', async () => expect(await read([])).toEqual([]));

  test.each<[why: string, chunks: (string | Uint8Array)[], code: string]>([
    ['a line that is not JSON', ['{"a":\n'], 'broken-answer'],
    ['an empty line', ['\n'], 'broken-answer'],
    ['bytes that are not UTF-8', [Uint8Array.of(0x22, 0xff, 0x22, 0x0a)], 'broken-answer'],
    ['an end inside a line', ['{"a":1}\n{"a"'], 'broken-answer'],
    ['an end before the line break', ['{"a":1}'], 'broken-answer'],
    ['a line over the limit', ['"0123456789"\n'], 'too-big'],
    ['a line over the limit that has no end', ['"012345678', '9'], 'too-big'],
  ])('%s ends it with an error', async (_why, chunks, code) => {
    await expect(read(chunks, 10)).rejects.toMatchObject({ code });
  });

  test('the lines before the broken one count', async () => {
    const seen: unknown[] = [];
    const reading = async (): Promise<void> => {
      for await (const value of jsonLines(chunksOf(['1\n', 'x\n', '2\n']))) seen.push(value);
    };
    await expect(reading()).rejects.toMatchObject({ code: 'broken-answer' });
    expect(seen).toEqual([1]);
  });
});

describe('a whole answer', () => {
  test('is one value', async () => expect(await wholeJson(chunksOf(['{"a"', ':1}\n']), 100)).toEqual({ a: 1 }));

  test('over the limit is an error', async () => {
    await expect(wholeJson(chunksOf(['"012345678', '9"']), 10)).rejects.toMatchObject({ code: 'too-big' });
  });
});
