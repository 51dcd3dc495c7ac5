import * as fc from 'fast-check';
import { minimatch } from 'minimatch';
import { expect, test } from 'vitest';
import { ruleMatches } from '../../src/policy/match.ts';
import {
  compileMatchName,
  compileMatchPattern,
  compileNameRule,
  matchesName,
  nameShape,
} from '../../src/policy/names.ts';

const few = (letters: string, max: number) =>
  fc.string({ unit: fc.constantFrom(...letters.split('')), minLength: 1, maxLength: max });
const label = few('ab-_', 8);
const oddLabel = few('ab.\\! \0\u007f\u00e9', 4);
const glob = few('ab*', 8);

function wireOf(labels: readonly string[]): Uint8Array {
  return Uint8Array.from([...labels.flatMap((text) => [text.length, ...Buffer.from(text, 'latin1')]), 0]);
}

const names = fc.array(fc.oneof({ weight: 9, arbitrary: label }, { weight: 1, arbitrary: oddLabel }), { maxLength: 5 });
const patterns = fc
  .tuple(fc.constantFrom('', '', '**.', '***.', '*.'), fc.array(glob, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([start, labels, hasFinalDot]) => `${start}${labels.join('.')}${hasFinalDot ? '.' : ''}`);

test('the matcher agrees with the reference on every pattern and name', () => {
  fc.assert(
    fc.property(patterns, names, fc.boolean(), (text, labels, grants) => {
      const rule = { match: 'pattern' as const, text, classes: grants ? [0] : [] };
      expect(matchesName(compileNameRule(rule), wireOf(labels), 0)).toBe(ruleMatches(rule, labels));
    }),
    { numRuns: 20_000 },
  );
});

test('of domain names too', () => {
  const hostLabels = few('ab', 2);
  const domains = fc
    .tuple(fc.boolean(), fc.array(hostLabels, { minLength: 2, maxLength: 3 }), fc.boolean())
    .map(([isWild, labels, hasFinalDot]) => `${isWild ? '*.' : ''}${labels.join('.')}${hasFinalDot ? '.' : ''}`);
  const asked = fc.array(fc.oneof({ weight: 9, arbitrary: few('ab', 2) }, { weight: 1, arbitrary: oddLabel }), {
    maxLength: 5,
  });
  fc.assert(
    fc.property(domains, asked, (text, labels) => {
      const rule = { match: 'domain' as const, text, classes: [0] };
      expect(matchesName(compileNameRule(rule), wireOf(labels), 0)).toBe(ruleMatches(rule, labels));
    }),
    { numRuns: 20_000 },
  );
});

test('a name that is made from the pattern matches it', () => {
  const made = fc.array(
    fc.array(fc.tuple(fc.constantFrom('a', 'b', '*'), few('ab', 3)), { minLength: 1, maxLength: 5 }),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  fc.assert(
    fc.property(made, (labels) => {
      const text = labels.map((pieces) => pieces.map(([piece]) => piece).join('')).join('.');
      const name = labels.map((pieces) => pieces.map(([piece, cover]) => (piece === '*' ? cover : piece)).join(''));
      fc.pre(!/^\*+(?:\.|$)/.test(text));
      expect(matchesName(compileNameRule({ match: 'pattern', text, classes: [0] }), wireOf(name), 0)).toBe(true);
    }),
  );
});

test('label by label the matcher agrees with minimatch', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(glob, few('ab', 8)), { minLength: 1, maxLength: 4 }), (pairs) => {
      const text = `x${pairs.map(([pattern]) => pattern).join('.')}`;
      const labels = pairs.map(([, name], i) => (i === 0 ? `x${name}` : name));
      // minimatch reads `**` as folders and a leading star as "at least one character"; both are outside one label's meaning.
      const globs = text.replaceAll(/\*+/g, '*').split('.');
      const expected = globs.every((each, i) => each === '*' || minimatch(labels[i] ?? '', each));
      expect(matchesName(compileNameRule({ match: 'pattern', text, classes: [0] }), wireOf(labels), 0)).toBe(expected);
    }),
    { numRuns: 5000 },
  );
});

test('no text throws when it is compiled, and what is accepted as a name matches itself', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        names.map((labels) => labels.join('.')),
      ),
      (text) => {
        compileMatchPattern(text, 'rules.dns');
        const compiled = compileMatchName(text);
        if (!compiled.ok) return;
        const labels = text.toLowerCase().replace(/\.$/, '').split('.');
        expect(matchesName(compiled.value, wireOf(labels), 0)).toBe(labels.every(({ length }) => length <= 63));
      },
    ),
  );
});

test('no bytes throw or run past their end', () => {
  const compiled = [compileNameRule({ match: 'pattern', text: '**.a*b', classes: [] })];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(310), (bytes, offset) => {
      for (const rule of compiled) matchesName(rule, bytes, offset);
      expect(nameShape(bytes, offset)).toBeGreaterThanOrEqual(-1);
    }),
  );
});
