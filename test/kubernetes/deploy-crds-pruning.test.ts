// What the API server prunes namewall cannot refuse, and an ignored restriction is a hole: our CRDs lose nothing on the way.
import { describe, expect, test } from 'vitest';
import { keepPolicy } from '../../src/kubernetes/objects.ts';
import { PolicyHistory } from '../../src/policy/sources/kubernetes.ts';
import { isObject, META, schema, schemasIn, served, type Json, type JsonObject, type Schema } from './deploy-schema.ts';

const RULE = {
  description: 'every field that the CRD has a type for',
  enableDefaultDeny: { egress: true, ingress: false },
  endpointSelector: {
    matchLabels: { app: 'cart' },
    matchExpressions: [{ key: 'tier', operator: 'In', values: ['web', 'api'] }],
  },
  egress: [
    {
      toFQDNs: [{ matchName: 'api.example.org' }, { matchPattern: '*.example.org' }],
      toPorts: [{ ports: [{ port: '8000', endPort: 8100, protocol: 'TCP' }] }],
    },
    {
      toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s-app': 'kube-dns' } }],
      toPorts: [{ ports: [{ port: '53', protocol: 'ANY' }], rules: { dns: [{ matchName: 'a.example.org' }] } }],
    },
  ],
};
const POLICY = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: { name: 'everything', namespace: 'shop', uid: '6c1d' },
  spec: RULE,
  specs: [RULE],
};

/** Every object of a policy but its metadata, by its path. */
function objectsIn(value: Json, path = ''): [string, JsonObject][] {
  if (Array.isArray(value)) return value.flatMap((item, i) => objectsIn(item, `${path}[${i}]`));
  if (!isObject(value)) return [];
  const below = Object.entries(value).filter(([key]) => !(path === '' && META.includes(key)));
  return [[path, value], ...below.flatMap(([key, child]) => objectsIn(child, `${path}.${key}`))];
}

/** Copies of the policy, each with one change in one object. */
function variants(change: (object: JsonObject) => JsonObject[]): [string, JsonObject][] {
  return objectsIn(POLICY).flatMap(([path], i) => {
    const original = objectsIn(POLICY)[i]?.[1] ?? {};
    return change(original).map((changed): [string, JsonObject] => {
      const copy = JSON.parse(JSON.stringify(POLICY)) as JsonObject; // spec and specs apart
      const target = objectsIn(copy)[i]?.[1] ?? expect.fail(path);
      Object.assign(target, changed);
      return [`${path}: ${JSON.stringify(changed)}`, copy];
    });
  });
}

// A map of labels has no unknown field: what is no text in it is refused by its type.
const UNKNOWN = variants((object) =>
  object === RULE.endpointSelector.matchLabels || 'k8s-app' in object
    ? []
    : [{ notAField: { deep: [{ deeper: true }] } }],
);
const NULLS = variants((object) =>
  Object.keys(object)
    .filter((key) => !META.includes(key))
    .map((key) => ({ [key]: null })),
);

const lost = (all: readonly [string, JsonObject][], of: Schema): string[] =>
  all.filter(([, policy]) => JSON.stringify(served(policy, of)) !== JSON.stringify(policy)).map(([where]) => where);

/** What the agent says of a policy that the API server hands out. */
function problemsOf(policy: JsonObject): readonly unknown[] {
  const kept = keepPolicy(POLICY.apiVersion, POLICY.kind)(served(policy, schema)) ?? expect.fail('a policy');
  return new PolicyHistory().judge([kept]).problems;
}

/** The same schema without one of its marks. */
function without(mark: 'nullable' | 'x-kubernetes-preserve-unknown-fields'): Schema {
  return JSON.parse(JSON.stringify(schema, (key, value: unknown) => (key === mark ? undefined : value))) as Schema;
}

/** The nodes of the schema that a value meets. A node that an alias repeats is one. */
function nodesOf(value: Json, of: Schema | undefined): Set<Schema> {
  if (of === undefined) return new Set();
  const children = Array.isArray(value)
    ? value.map((item) => nodesOf(item, of.items))
    : Object.entries(isObject(value) ? value : {}).map(([key, child]) =>
        nodesOf(child, of.properties?.[key] ?? of.additionalProperties),
      );
  return new Set([of, ...children.flatMap((nodes) => [...nodes])]);
}

describe('what the API server keeps', () => {
  test('the example has every field of the schema', () => {
    const seen = nodesOf(POLICY, schema);
    const unseen = schemasIn(schema).filter(([path, node]) => !path.startsWith('.status') && !seen.has(node));
    expect(unseen.map(([path]) => path)).toEqual([]);
    expect(problemsOf(POLICY)).toEqual([]);
    expect(served(POLICY, schema)).toEqual(POLICY);
  });

  test('an unknown field, in any object', () => {
    expect(lost(UNKNOWN, schema)).toEqual([]);
    const bare = without('x-kubernetes-preserve-unknown-fields');
    expect(lost(UNKNOWN, bare)).toHaveLength(UNKNOWN.length);
  });

  test('a null, in any field', () => {
    expect(lost(NULLS, schema)).toEqual([]);
    expect(lost(NULLS, without('nullable'))).toHaveLength(NULLS.length);
  });

  test('an unknown status', () => {
    const policy = { ...POLICY, status: { conditions: [{ type: 'Valid' }] } };
    expect(served(policy, schema)).toEqual(policy);
  });
});

describe('what is kept is refused by namewall', () => {
  const taken = (all: readonly [string, JsonObject][]): string[] =>
    all.filter(([, policy]) => problemsOf(policy).length === 0).map(([where]) => where);

  test('an unknown field, in any object', () => {
    expect(taken(UNKNOWN)).toEqual([]);
  });

  test('a null, in any field', () => {
    expect(taken(NULLS)).toEqual([]);
  });
});
