import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { breed } from './breed.ts';
import { packCase, readCase, writeCase } from './case.ts';
import type { Case } from './case.ts';
import { anyCase, mutation } from './generate/cases.ts';
import { layoutOf } from './layout.ts';
import { HOW, mutate } from './mutate.ts';
import { Random } from './random.ts';
import { shrink } from './shrink.ts';
import { a, message, opt, option, pointer, question, response } from '../unit/dns/message.ts';

const answers = [a(pointer(12)), a('b.example.org'), a('c.example.org')];
const good = response({
  questions: [question('example.org')],
  answers,
  additional: [opt(option(10, [1, 2, 3, 4, 5, 6, 7, 8]))],
});

test('a case is read as it was written, packed or not', () => {
  fc.assert(
    fc.property(anyCase, (steps) => {
      expect(readCase(writeCase(steps))).toEqual(steps);
      expect(readCase(packCase(steps))).toEqual(steps);
    }),
    { numRuns: 300 },
  );
});

test('what comes often in a row is counted', () => {
  const steps: Case = [{ verb: 'read', bytes: Uint8Array.from(Buffer.from(`12${'c00c'.repeat(200)}34`, 'hex')) }];
  expect(packCase(steps)).toBe('read 12 c00c*200 34\n');
});

test.each([
  ['a client that is not there', 'ask nobody 00'],
  ['half a byte', 'read 0'],
  ['a step that is not there', 'sing'],
  ['a number that is none', 'wait long'],
])('%s is refused with its line', (_why, line) => {
  expect(() => readCase(`hold\n${line}\n`)).toThrow(/^line 2: /);
});

describe('mutations', () => {
  test('never throw and are the same every time, whatever the message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(mutation, { maxLength: 4 }), (bytes, mutations) => {
        const before = bytes.slice();
        expect(mutate(bytes, mutations)).toEqual(mutate(bytes, mutations));
        expect(bytes).toEqual(before);
      }),
    );
  });

  test.each(HOW)('%s changes a good message', (how) => {
    const tries = Array.from({ length: 60 }, (_, i) => mutate(good, [{ how, where: i, what: i * 259 }]));
    expect(tries.some((bytes) => !Buffer.from(bytes).equals(good))).toBe(true);
  });

  test('repeating, moving and removing a record keep the counts true', () => {
    const count = (bytes: Uint8Array) =>
      layoutOf(bytes)
        .records.map(({ section }) => section)
        .join('');
    expect(count(good)).toBe('0002');
    expect(count(mutate(good, [{ how: 'repeat-record', where: 1, what: 1 }]))).toBe('000002');
    expect(count(mutate(good, [{ how: 'move-record', where: 0, what: 1 }]))).toBe('0012');
    expect(count(mutate(good, [{ how: 'remove-record', where: 3, what: 0 }]))).toBe('000');
  });
});

test('a layout names what stands in a message, and stops where it ends', () => {
  const kinds = layoutOf(good).fields.map(({ kind }) => kind);
  for (const kind of ['count', 'label', 'pointer', 'type', 'ttl', 'rdlength', 'rdata', 'option-code'])
    expect(kinds).toContain(kind);
  expect(layoutOf(good.subarray(0, 20)).records).toEqual([]);
  expect(layoutOf(new Uint8Array()).fields).toEqual([]);
});

test('breeding gives cases that can be written', () => {
  const random = new Random(1);
  const parents = fc.sample(anyCase, { seed: 1, numRuns: 20 });
  let steps: Case = parents[0] ?? [];
  for (let i = 0; i < 300; i++) {
    if (i % 20 === 0) steps = [];
    steps = breed(steps, random.pick(parents), random);
    expect(readCase(writeCase(steps))).toEqual(steps);
  }
});

test('a finding shrinks to what it needs', () => {
  const ask = (length: number): Case[number] => ({
    verb: 'ask',
    client: 'cart',
    bytes: message({ trailing: Array.from({ length }, () => 7) }),
  });
  const steps: Case = [{ verb: 'hold' }, ask(3), { verb: 'wait', milliseconds: 900 }, ask(90), { verb: 'release' }];
  const small = shrink(steps, (each) => each.some((step) => step.verb === 'ask' && step.bytes.length >= 40));
  expect(small).toHaveLength(1);
  expect(small[0]).toMatchObject({ verb: 'ask' });
  expect(small[0]?.verb === 'ask' && small[0].bytes.length).toBe(40);
});
