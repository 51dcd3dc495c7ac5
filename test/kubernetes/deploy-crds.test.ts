// The CRDs of deploy/overlays/crds: their form, and that the API server takes what namewall enforces.
import { describe, expect, test } from 'vitest';
import { isHostText, isPatternText, MAX_TEXT } from '../../src/policy/name-syntax.ts';
import { readTree } from '../repo/tree.ts';
import { parseManifests } from './deploy-manifests.ts';
import { complaints, CRDS, schema, schemas, schemasIn } from './deploy-schema.ts';

describe('the schema', () => {
  test('every object preserves what it does not know, and every field may be null', () => {
    const closed = schemasIn(schema).filter(
      ([, { type, additionalProperties, ...rest }]) =>
        type === 'object' &&
        additionalProperties === undefined &&
        rest['x-kubernetes-preserve-unknown-fields'] !== true,
    );
    const strict = schemasIn(schema).filter(
      ([path, { nullable }]) => /\.[a-zA-Z]+$|\*$/.test(path) && nullable !== true,
    );
    expect([...closed, ...strict].map(([path]) => path)).toEqual([]);
  });

  test('it is structural: every node has one type, and an array its items', () => {
    const types = ['object', 'array', 'string', 'integer', 'boolean'];
    const wrong = schemasIn(schema).filter(
      ([, { type = '', items }]) => !types.includes(type) || (type === 'array') !== (items !== undefined),
    );
    expect(wrong.map(([path]) => path)).toEqual([]);
  });

  test('both kinds have the same, but for what they say of themselves', () => {
    const [first, second] = schemas.map((each) => ({ ...each, description: '' }));
    expect(first).toEqual(second);
  });

  test.each([
    ['CiliumNetworkPolicy', 'Namespaced', ['cnp', 'ciliumnp']],
    ['CiliumClusterwideNetworkPolicy', 'Cluster', ['ccnp']],
  ])('%s is what kubectl and the code call it', (kind, scope, shortNames) => {
    const plural = `${kind.replace(/y$/, 'ie').toLowerCase()}s`;
    const crd = CRDS.find(({ names }) => 'kind' in names && names.kind === kind);
    const names = { kind, plural, shortNames, listKind: `${kind}List` };
    expect(crd).toMatchObject({ group: 'cilium.io', scope, names });
    expect(crd?.versions).toHaveLength(1);
    expect(crd?.versions[0]).toMatchObject({ name: 'v2', served: true, storage: true, subresources: { status: {} } });
  });
});

/** Those of other kinds have their CRDs from elsewhere, or are the API server's own. */
const KINDS: readonly string[] = ['CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'];

describe('what the API server takes', () => {
  const documents = [...readTree(['policies'], '.yaml')].flatMap(([path, text]) =>
    parseManifests(text)
      .filter(({ kind }) => KINDS.includes(kind))
      .map((policy) => [`${path}: ${policy.metadata.name}`, policy] as const),
  );

  test.each(documents)('the policy of this repository %s', (_name, policy) => {
    expect(complaints(policy, schema)).toEqual([]);
  });

  test('not a misspelt type', () => {
    const rule = { endpointSelector: {}, egress: [{ toPorts: [{ ports: [{ port: 443, protocol: 'tcp' }] }] }] };
    expect(complaints({ spec: rule }, schema)).toEqual([
      '.spec.egress[0].toPorts[0].ports[0].port: not string',
      '.spec.egress[0].toPorts[0].ports[0].protocol: not one of TCP, UDP, SCTP, ANY',
    ]);
    expect(complaints({ spec: { egress: [{}] } }, schema)).toEqual(['.spec.endpointSelector: missing']);
  });

  test.each([
    ['matchName', isHostText],
    ['matchPattern', isPatternText],
  ] as const)('in a %s the characters that namewall takes', (field, isTaken) => {
    const [, node] = schemasIn(schema).find(([path]) => path.endsWith(`toFQDNs.[].${field}`)) ?? expect.fail(field);
    const { pattern = '', maxLength } = node;
    expect(maxLength).toBe(MAX_TEXT);
    // One class, repeated: linear in every engine, not only in the API server's.
    expect(pattern).toMatch(/^\^\[[^\]]+\]\+\$$/);
    const characters = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).concat('\u212a', 'ä');
    const differing = characters.filter((each) => new RegExp(pattern).test(each) !== isTaken(each));
    expect(differing).toEqual([]);
  });
});
