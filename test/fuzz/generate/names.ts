// Names that policies.yaml knows, their neighbours, and names that are made to be misread.
import fc from 'fast-check';
import type { Bytes } from '../../unit/dns/message.ts';
import { name } from '../../unit/dns/message.ts';

/** Each is granted to some pod, or only asked, or refused. */
const KNOWN = [
  'api.example.org',
  'a.web.example.org',
  'b.web.example.org',
  'db.corp.example.org',
  'x.deep.example.org',
  'x.y.deep.example.org',
  'mirror.example.org',
  'blocked.example.org',
];
/** Where chains lead. */
const TARGETS = [
  'edge.cdn.example.org',
  'edge.cdn.example.org',
  'b.web.example.org',
  'api.example.org',
  'other.example.org',
  'org',
  '.',
];

const hostile = fc.oneof(
  fc.constantFrom<Bytes>(
    [7, 97, 112, 105, 46, 101, 120, 97, 3, 111, 114, 103, 0], // a dot inside a label
    [4, 97, 112, 0, 105, ...name('web.example.org')],
    [5, 0xe2, 0x84, 0xaa, 97, 98, ...name('web.example.org')], // U+212A, which toLowerCase() makes a k (V11)
    [9, 95, 95, 112, 114, 111, 116, 111, 95, 95, ...name('web.example.org')],
    [1, 42, ...name('web.example.org')],
    [0],
  ),
  fc
    .uint8Array({ minLength: 1, maxLength: 63 })
    .map((label): Bytes => [label.length, ...label, ...name('web.example.org')]),
  fc.integer({ min: 1, max: 126 }).map((labels): Bytes => [...Array.from({ length: labels }, () => [1, 97]).flat(), 0]),
  fc.integer({ min: 50, max: 63 }).map((length): Bytes => {
    const label = [length, ...Array.from({ length }, () => 98)];
    return [...label, ...label, ...label, ...name('deep.example.org')];
  }),
);

/** What a query asks for, plain on the wire. */
export const qname: fc.Arbitrary<Bytes> = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...KNOWN).map(name) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...KNOWN), fc.nat()).map(([text, cases]) => name(mixed(text, cases))),
  },
  { weight: 1, arbitrary: hostile },
);

export const target: fc.Arbitrary<Bytes> = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...TARGETS).map(name) },
  { weight: 1, arbitrary: hostile },
);

/** Some letters in upper case. */
function mixed(text: string, cases: number): string {
  return text
    .split('')
    .map((letter, i) => ((cases >>> (i % 31)) & 1 ? letter.toUpperCase() : letter))
    .join('');
}
