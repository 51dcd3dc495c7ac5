import { describe, expect, test } from 'vitest';
import { read } from './cilium-documents.ts';

const policy = (name: string, rest: string) =>
  `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ${name}}\n${rest}\n`;

describe('documents', () => {
  const allowNothing = '{endpointSelector: {}, egress: [{}]}';

  test('a file holds several, and empty ones between them are nothing', () => {
    const text = `---\n${policy('a', `spec: ${allowNothing}`)}---\n# gap\n---\n${policy('b', `spec: ${allowNothing}`)}---\n`;
    expect(read(text).map(({ name, at }) => [name, at])).toEqual([
      ['a', 'p.yaml:2:1'],
      ['b', 'p.yaml:9:1'],
    ]);
  });

  test('spec and specs add up', () => {
    const [found] = read(policy('a', `spec: ${allowNothing}\nspecs: [${allowNothing}, ${allowNothing}]`));
    expect(found?.rules).toHaveLength(3);
  });

  test('what kubectl and the API server add is let through', () => {
    const text = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  creationTimestamp: null
  generation: 1
  labels: {team: shop}
  name: a
  resourceVersion: "7"
  uid: 0b1c
spec: {endpointSelector: {}, enableDefaultDeny: {egress: true, ingress: false}, labels: [{key: a}], log: {value: x}, egress: [{}]}
status: {conditions: []}
`;
    expect(read(text)).toHaveLength(1);
  });

  test('JSON is YAML', () => {
    const document = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'a' },
      spec: { endpointSelector: {}, egress: [{ toFQDNs: [{ matchName: 'a.org' }] }] },
    };
    expect(read(JSON.stringify(document, null, '\t'))).toHaveLength(1);
  });

  test('anchors and aliases are read, and the place is the anchor', () => {
    const text = policy(
      'a',
      'spec:\n  endpointSelector: {}\n  egress: [{toFQDNs: &names [{matchName: a.org}]}, {toFQDNs: *names}]',
    );
    const [found] = read(text);
    const names = { names: [{ at: 'p.yaml:6:42' }] };
    expect(found?.rules[0]?.egress).toMatchObject([names, names]);
  });
});
