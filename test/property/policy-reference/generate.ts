// Random cases of everything: a world, documents of all dialects, and what is asked about them. fast-check prints the seed and the smallest
// case that fails.
import * as fc from 'fast-check';
import type { PolicyDocument } from './documents.ts';
import { ciliumDocuments, documentsOfNames } from './generate-cilium.ts';
import { clusterNetworkPolicies, networkPolicies } from './generate-kubernetes.ts';
import { destinations, queries } from './generate-questions.ts';
import { worlds } from './generate-world.ts';
import type { Destination, Transport, World } from './world.ts';

export interface Case {
  readonly documents: readonly PolicyDocument[];
  readonly world: World;
  readonly destinations: readonly Destination[];
  readonly queries: readonly { readonly name: string; readonly transport: Transport }[];
}

const document: fc.Arbitrary<PolicyDocument> = fc.oneof(
  { weight: 5, arbitrary: ciliumDocuments },
  { weight: 3, arbitrary: networkPolicies },
  { weight: 4, arbitrary: clusterNetworkPolicies },
);

/** One that is named by its place: it comes there instead of another, or is that other when it changed. Often about names. */
export function documentAt(place: number): fc.Arbitrary<PolicyDocument> {
  return fc.oneof({ weight: 2, arbitrary: document }, documentsOfNames).map((each) => withName(each, `b-${place}`));
}

/** Names are given last, so that no two are equal and their order is not that of the documents. */
const documents = fc
  .array(fc.tuple(document, fc.constantFrom('a', 'b', 'c')), { maxLength: 6 })
  .map((all) => all.map(([each, letter], i) => withName(each, `${letter}-${i}`)));

export const cases: fc.Arbitrary<Case> = fc.record({
  documents,
  world: worlds,
  destinations: fc.array(destinations, { minLength: 1, maxLength: 12 }),
  queries: fc.array(queries, { minLength: 1, maxLength: 4 }),
});

function withName(policy: PolicyDocument, name: string): PolicyDocument {
  return { ...policy, metadata: { ...policy.metadata, name } };
}
