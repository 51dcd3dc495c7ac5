// What must hold of the reference whatever the documents are, and that the generator draws what is worth comparing.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import type { PolicyDocument } from './policy-reference/documents.ts';
import { cases, type Case } from './policy-reference/generate.ts';
import { ask, connect, isJudged, type Verdict } from './policy-reference/reference.ts';

/** Of every pod about every question. */
function verdictsOf(documents: readonly PolicyDocument[], { world, destinations, queries }: Case): Verdict[] {
  return world.pods.flatMap((pod) => [
    ...destinations.map((destination) => connect(documents, world, pod, destination)),
    ...queries.map(({ name, transport }) => ask(documents, world, pod, name, transport)),
  ]);
}

function withMode(document: PolicyDocument, mode: 'audit' | 'enforce'): PolicyDocument {
  const { metadata } = document;
  const annotations = { ...metadata.annotations, 'namewall.io/mode': mode };
  return { ...document, metadata: { ...metadata, annotations } };
}

test('the order of documents means nothing', () => {
  fc.assert(
    fc.property(cases, (one) => {
      expect(verdictsOf(one.documents.toReversed(), one)).toEqual(verdictsOf(one.documents, one));
    }),
    { numRuns: 200 },
  );
});

test('what is not judged is allowed', () => {
  fc.assert(
    fc.property(cases, (one) => {
      const { documents, world, destinations } = one;
      for (const pod of world.pods.filter((each) => !isJudged(documents, world, each))) {
        for (const destination of destinations) expect(connect(documents, world, pod, destination)).toBe('allow');
      }
    }),
    { numRuns: 200 },
  );
});

test('audit mode denies nothing, and tells of what enforcement would deny, no more and no less', () => {
  fc.assert(
    fc.property(cases, (one) => {
      const enforced = verdictsOf(
        one.documents.map((each) => withMode(each, 'enforce')),
        one,
      );
      const audited = verdictsOf(
        one.documents.map((each) => withMode(each, 'audit')),
        one,
      );
      const mixed = verdictsOf(one.documents, one);
      expect(audited).toEqual(enforced.map((verdict) => (verdict === 'deny' ? 'would-deny' : verdict)));
      expect(mixed.map((verdict) => verdict === 'allow')).toEqual(enforced.map((verdict) => verdict === 'allow'));
    }),
    { numRuns: 200 },
  );
});

test('another NetworkPolicy takes nothing from whoever is isolated already', () => {
  const isNetworkPolicy = ({ kind }: PolicyDocument): boolean => kind === 'NetworkPolicy';
  fc.assert(
    fc.property(cases, (one) => {
      const all = one.documents.filter(isNetworkPolicy).map((each) => withMode(each, 'enforce'));
      const judged = one.world.pods.filter((pod) => isJudged(all.slice(1), one.world, pod));
      const before = verdictsOf(all.slice(1), { ...one, world: { ...one.world, pods: judged } });
      const after = verdictsOf(all, { ...one, world: { ...one.world, pods: judged } });
      before.forEach((verdict, i) => {
        if (verdict === 'allow') expect(after[i]).toBe('allow');
      });
    }),
    { numRuns: 200 },
  );
});

test('documents are what YAML says of them', () => {
  fc.assert(
    fc.property(cases, ({ documents }) => {
      expect(parse(stringify(documents))).toEqual(documents);
    }),
    { numRuns: 100 },
  );
});

test('every verdict is drawn often, for every kind of document alone', () => {
  const drawn = fc.sample(cases, { numRuns: 800, seed: 7 });
  const kinds: readonly PolicyDocument['kind'][] = [
    'CiliumNetworkPolicy',
    'CiliumClusterwideNetworkPolicy',
    'NetworkPolicy',
    'ClusterNetworkPolicy',
  ];
  for (const kind of kinds) {
    const shares = { allow: 0, deny: 0, 'would-deny': 0 };
    for (const one of drawn) {
      const documents = one.documents.filter((document) => document.kind === kind);
      const judged = one.world.pods.filter((pod) => isJudged(documents, one.world, pod));
      for (const verdict of verdictsOf(documents, { ...one, world: { ...one.world, pods: judged } })) shares[verdict]++;
    }
    const total = shares.allow + shares.deny + shares['would-deny'];
    expect(total).toBeGreaterThan(1000);
    for (const share of Object.values(shares)) expect(share / total).toBeGreaterThan(0.02);
  }
});
