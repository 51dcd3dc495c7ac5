import { expect, test } from 'vitest';
import { read } from './cilium-documents.ts';

const annotated = (annotations: string, kind = 'CiliumNetworkPolicy') => `apiVersion: cilium.io/v2
kind: ${kind}
metadata: {name: p, annotations: {${annotations}}}
specs:
  - {endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.org}]}, {toCIDR: [192.0.2.0/24]}]}
  - {endpointSelector: {}, egress: [{toFQDNs: [{matchName: b.org}]}]}
`;

test.each(['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'])(
  'allow-answer-ranges of a %s is about every name that it lets connect to, and about nothing else',
  (kind) => {
    const text = annotated('namewall.io/allow-answer-ranges: "192.168.7.0/24,10.20.0.0/16, cgnat", other: x', kind);
    const egress = read(text).flatMap(({ rules }) => rules.flatMap((rule) => rule.egress));
    const answerRanges = ['10.20.0.0/16', '100.64.0.0/10', '192.168.7.0/24'];
    const expected = [{ kind: 'connect', answerRanges }, { kind: 'reach' }, { kind: 'connect', answerRanges }];
    expect(egress).toMatchObject(expected);
    expect(egress[1]).not.toHaveProperty('answerRanges');
  },
);

test('mode: audit is about the whole policy', () => {
  expect(read(annotated('namewall.io/mode: audit'))[0]?.isAudited).toBe(true);
});

test.each(['namewall.io/mode: enforce', 'other.example/mode: audit'])('%s changes nothing', (annotation) => {
  expect(read(annotated(annotation))[0]).not.toHaveProperty('isAudited');
});

test.each(['off', 'none', ''])('another mode is refused: "%s"', (mode) => {
  expect(() => read(annotated(`namewall.io/mode: "${mode}"`))).toThrow(
    `Cannot use "${mode}" as namewall.io/mode: write audit or enforce`,
  );
});
