import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Programs, TRANSPORT, type Verdict } from '../../src/datapath/state/programs.ts';
import type { NameRule } from '../../src/policy/compiled.ts';
import { ruleMatches } from '../../src/policy/match.ts';
import { hashKeys } from '../../src/policy/name-ends.ts';
import { NameTable } from '../../src/policy/name-table.ts';
import { compileNameRule, matchesShaped, nameShape } from '../../src/policy/names.ts';

/** Few and short: ends, fronts and whole names meet all the time. */
const labels = fc.constantFrom('a', 'b', 'ab', 'ba', 'A', 'a-b');
const globs = fc.constantFrom('*', 'a*', '*b', 'a*b', '**', '*a*');
const oddLabels = fc.constantFrom('a!', 'a.b', '\\', 'a\u0000', '\u00e9');
const joined = (label: fc.Arbitrary<string>, minLength: number, maxLength: number) =>
  fc
    .tuple(fc.array(label, { minLength, maxLength }), fc.constantFrom('', '', '.'))
    .map(([parts, dot]) => parts.join('.') + dot);
const rested = fc.tuple(fc.constantFrom('*.', '**.', '***.'), joined(labels, 1, 3)).map((parts) => parts.join(''));

const texts: fc.Arbitrary<Pick<NameRule, 'match' | 'text'>> = fc.oneof(
  joined(labels, 1, 4).map((text) => ({ match: 'name' as const, text })),
  rested.map((text) => ({ match: 'pattern' as const, text })),
  joined(fc.oneof(labels, globs), 1, 4).map((text) => ({ match: 'pattern' as const, text })),
  fc.constantFrom('*', '**', '*.').map((text) => ({ match: 'pattern' as const, text })),
  fc
    .tuple(fc.constantFrom('', '*.'), joined(labels, 2, 3))
    .map(([star, text]) => ({ match: 'domain' as const, text: star + text })),
);
const rules: fc.Arbitrary<NameRule> = fc
  .record({
    selector: texts,
    askUdp: fc.boolean(),
    askTcp: fc.boolean(),
    classes: fc.constantFrom([], [], [0], [1], [2, 0]),
    isOpening: fc.boolean(),
  })
  .map(({ selector, isOpening, ...rule }) => {
    const opens = isOpening && rule.classes.length > 0;
    return { ...selector, ...rule, rule: 0, ...(opens ? { answerRanges: ['10.20.0.0/16'] } : {}) };
  });
const programs = fc
  .array(rules, { maxLength: 40 })
  .map((many) => many.map((rule, i) => Object.assign(rule, { rule: 100 + i })));
const names = fc.array(
  fc.array(fc.oneof({ weight: 30, arbitrary: labels }, { weight: 1, arbitrary: oddLabels }), { maxLength: 5 }),
  { minLength: 40, maxLength: 40 },
);

/** Folded, as the data plane asks. */
function wireOf(parts: readonly string[]): Uint8Array {
  return Uint8Array.from([...parts.flatMap((text) => [text.length, ...Buffer.from(text.toLowerCase(), 'latin1')]), 0]);
}

test('the table finds the rules that the reference means, in their order', () => {
  fc.assert(
    fc.property(programs, names, fc.integer(), (program, asked, seed) => {
      const compiled = program.map(compileNameRule);
      const tables = [new NameTable(compiled, hashKeys(seed)), new NameTable(compiled, new Int32Array(256))];
      const found = new Int32Array(program.length);
      for (const parts of asked) {
        const wire = wireOf(parts);
        const want = program.flatMap((rule, i) => (ruleMatches(rule, parts) ? [i] : []));
        for (const table of tables) expect([...found.subarray(0, table.find(wire, 0, found))]).toEqual(want);
      }
    }),
    { numRuns: 1_500 },
  );
});

test('programs decide as a walk over all rules does: the rule, the classes in their order, what they open', () => {
  fc.assert(
    fc.property(programs, names, fc.constantFrom(...Object.values(TRANSPORT)), (program, asked, transport) => {
      const ours = new Programs([{ id: 'p', names: program }]);
      for (const parts of asked) {
        const wire = wireOf(parts);
        const want = walk(program, wire, transport);
        const { opens, ...verdict } = ours.judge(0, wire, 0, wire.length, wire.length, transport);
        expect({ ...verdict, opens: opens?.map(({ classIndex }) => classIndex) }).toEqual(want);
      }
    }),
    { numRuns: 1_500 },
  );
});

type Walked = Omit<Verdict, 'opens'> & { readonly opens: readonly number[] | undefined };

/** Rule by rule, first to last: what opens addresses of a name does so as soon as any other lets it be asked. */
function walk(program: readonly NameRule[], wire: Uint8Array, transport: number): Walked {
  const shape = nameShape(wire, 0);
  const isAsked = ({ askUdp, askTcp }: NameRule): boolean =>
    (askUdp && transport !== TRANSPORT.Tcp) || (askTcp && transport !== TRANSPORT.Udp);
  const matching = program.filter((rule) => matchesShaped(compileNameRule(rule), wire, 0, shape));
  const meant = matching.filter((rule) => matching.some(isAsked) && (isAsked(rule) || rule.classes.length > 0));
  const opening = meant.filter(({ answerRanges }) => answerRanges !== undefined).flatMap(({ classes }) => classes);
  return {
    mayAsk: meant.length > 0,
    classes: [...new Set(meant.flatMap(({ classes }) => classes))],
    rule: (meant.find(({ classes }) => classes.length > 0) ?? meant[0])?.rule ?? -1,
    opens: opening.length > 0 ? opening : undefined,
  };
}

test('no bytes throw or run past their end', () => {
  const many = ['**.a*b', '*', '*.a', 'a', '**.b', 'a.b'].map((text) =>
    compileNameRule({ match: 'pattern', text, classes: [] }),
  );
  const table = new NameTable(many, hashKeys(1));
  const found = new Int32Array(many.length);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(310), (bytes, offset) => {
      expect(table.find(bytes, offset, found)).toBeLessThanOrEqual(many.length);
    }),
  );
});
