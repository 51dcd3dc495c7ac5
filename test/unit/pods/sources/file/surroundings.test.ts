import { expect, test } from 'vitest';
import { readClients } from '../../../../../src/pods/sources/file.ts';

/** `text` begins on line 2. */
function read(text: string) {
  const found = readClients(`clients: []\n${text}`, 'c.yaml');
  return found.ok ? found.value : found.problems.map(({ at, code, message }) => `${at}: ${code}: ${message}`);
}

test('labels of a namespace are those of its clients; its name is one of them in every namespace', () => {
  const found = readClients(
    `clients:
  - {namespace: shop, name: web, addresses: [10.0.0.1]}
  - {namespace: shop, name: db, addresses: [10.0.0.2]}
  - {name: other, addresses: [10.0.0.3]}
namespaces:
  - {name: shop, labels: {team: a, kubernetes.io/metadata.name: shop}}
  - {name: empty}
`,
    'c.yaml',
  );
  const shop = { team: 'a', 'kubernetes.io/metadata.name': 'shop' };
  expect(found.ok && found.value.pods.map(({ namespaceLabels }) => namespaceLabels)).toEqual([
    shop,
    shop,
    { 'kubernetes.io/metadata.name': 'default' },
  ]);
});

test('nodes, one of which is this one', () => {
  const text = `nodes:
  - {name: n1, labels: {role: db}, addresses: [192.0.2.1, "2001:DB8::1"], local: true}
  - {name: n2.example.org, addresses: [192.0.2.2], local: false}
  - {name: n3, addresses: [192.0.2.3]}
`;
  expect(read(text)).toEqual({
    pods: [],
    nodes: [
      { name: 'n1', labels: { role: 'db' }, addresses: ['192.0.2.1', '2001:db8::1'], isLocal: true },
      { name: 'n2.example.org', labels: {}, addresses: ['192.0.2.2'], isLocal: false },
      { name: 'n3', labels: {}, addresses: ['192.0.2.3'], isLocal: false },
    ],
    services: [],
  });
});

test('Services by selector and by addresses, of which two may have the same', () => {
  const text = `services:
  - {namespace: shop, name: db, labels: {a: b}, selector: {app: db}}
  - {name: legacy, addresses: [192.0.2.9, "2001:DB8::9"]}
  - {name: again, addresses: [192.0.2.9]}
`;
  expect(read(text)).toEqual({
    pods: [],
    nodes: [],
    services: [
      { namespace: 'shop', name: 'db', labels: { a: 'b' }, selector: { app: 'db' }, addresses: [] },
      { namespace: 'default', name: 'legacy', labels: {}, addresses: ['192.0.2.9', '2001:db8::9'] },
      { namespace: 'default', name: 'again', labels: {}, addresses: ['192.0.2.9'] },
    ],
  });
});

const NAMESPACE_RULE = 'lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit';
const NAME_RULE = 'lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit';

test.each([
  [
    'an unknown list',
    'service: []',
    [
      'c.yaml:2:1: unknown-field: Cannot use field "service" in a clients file: it is unknown; did you mean "services"?',
    ],
  ],
  [
    'a mapping of nodes',
    'nodes: {n1: {}}',
    ['c.yaml:2:8: wrong-type: Cannot use a mapping for nodes: it must be a list; begin each item with "- "'],
  ],
  [
    'no value',
    'namespaces:',
    ['c.yaml:2:12: wrong-type: Cannot use no value for namespaces: it must be a list; list its items'],
  ],
])('refuses %s', (_why, text, expected) => expect(read(text)).toEqual(expected));

test.each([
  [
    'without a name',
    '{labels: {}}',
    ['3:5: missing-field: Add "name" to a namespace: it is missing; write name: shop'],
  ],
  ['with a bad name', '{name: a.b}', [`3:12: bad-value: Cannot use "a.b" as name: ${NAMESPACE_RULE}`]],
  [
    'with an unknown field',
    '{name: a, label: {}}',
    ['3:15: unknown-field: Cannot use field "label" in a namespace: it is unknown; did you mean "labels"?'],
  ],
  [
    'under a label that is the name of another',
    '{name: a, labels: {kubernetes.io/metadata.name: b}}',
    ['3:23: bad-label: Remove label "kubernetes.io/metadata.name": it is always the namespace\'s own name, "a"'],
  ],
  [
    'twice',
    '{name: a}\n  - {name: a}',
    ['4:12: duplicate-namespace: Remove or change namespace "a": it is given already at c.yaml:3:12'],
  ],
])('refuses a namespace %s', (_why, item, expected) => {
  expect(read(`namespaces:\n  - ${item}\n`)).toEqual(expected.map((each) => `c.yaml:${each}`));
});

test.each([
  [
    'without name and addresses',
    '{}',
    [
      '3:5: missing-field: Add "name" to a node: it is missing; write name: node-1',
      '3:5: missing-field: Add "addresses" to a node: it is missing; write addresses: [192.0.2.1]',
    ],
  ],
  [
    'with an empty list of addresses',
    '{name: a, addresses: []}',
    [
      '3:26: empty-list: Cannot use an empty list for addresses: a node is known by its addresses; write one, or remove the node',
    ],
  ],
  ['with a bad name', '{name: A, addresses: [192.0.2.1]}', [`3:12: bad-value: Cannot use "A" as name: ${NAME_RULE}`]],
  [
    'with a range',
    '{name: a, addresses: [192.0.2.0/24]}',
    ['3:27: bad-address: Cannot use "192.0.2.0/24" as an address: a node has single addresses; write them without "/"'],
  ],
  [
    'with a multicast address',
    '{name: a, addresses: ["ff02::1"]}',
    [
      '3:27: bad-address: Cannot use "ff02::1" as an address: no node sends from it; write the address of its interface',
    ],
  ],
  [
    'that is perhaps this one',
    '{name: a, addresses: [192.0.2.1], local: "yes"}',
    ['3:46: wrong-type: Cannot use the text "yes" for local: it must be true or false; write one of them'],
  ],
  [
    'twice',
    '{name: a, addresses: [192.0.2.1]}\n  - {name: a, addresses: [192.0.2.2]}',
    ['4:12: duplicate-node: Remove or change node "a": it is given already at c.yaml:3:12'],
  ],
  [
    'with the address of another',
    '{name: a, addresses: [192.0.2.1]}\n  - {name: b, addresses: [192.0.2.1]}',
    ['4:27: duplicate-address: Remove or change address "192.0.2.1": it is given already at c.yaml:3:27'],
  ],
  [
    'that is a second local one',
    '{name: a, addresses: [192.0.2.1], local: true}\n  - {name: b, addresses: [192.0.2.2], local: true}',
    ['4:39: duplicate-local: Remove "local": the node at c.yaml:3:5 is the one that namewall runs on'],
  ],
])('refuses a node %s', (_why, item, expected) => {
  expect(read(`nodes:\n  - ${item}\n`)).toEqual(expected.map((each) => `c.yaml:${each}`));
});

test('an address is a client’s or a node’s', () => {
  const text = 'clients: [{name: a, addresses: [192.0.2.1]}]\nnodes: [{name: b, addresses: [192.0.2.1]}]\n';
  const found = readClients(text, 'c.yaml');
  expect(found).toMatchObject({ ok: false, problems: [{ code: 'duplicate-address', at: 'c.yaml:2:31' }] });
});

test.each([
  [
    'that leads nowhere',
    '{name: a}',
    ['3:5: missing-field: Add "selector" or "addresses" to a service: write selector: {app: db} for its pods'],
  ],
  [
    'with selector and addresses',
    '{name: a, selector: {a: b}, addresses: [192.0.2.1]}',
    ['3:33: bad-value: Remove "addresses": those of the pods that "selector" selects are known'],
  ],
  [
    'with an empty selector',
    '{name: a, selector: {}}',
    ['3:25: bad-value: Cannot use an empty selector: in Kubernetes it selects no pod; list addresses instead'],
  ],
  [
    'with an empty list of addresses',
    '{name: a, addresses: []}',
    [
      '3:26: empty-list: Cannot use an empty list for addresses: a service without pods has addresses; write one, or remove the service',
    ],
  ],
  [
    'with an address twice',
    '{name: a, addresses: [192.0.2.1, 192.0.2.1]}',
    ['3:38: duplicate-address: Remove or change address "192.0.2.1": it is given already at c.yaml:3:27'],
  ],
  [
    'with matchLabels',
    '{name: a, selector: {matchLabels: {a: b}}}',
    ['3:39: wrong-type: Cannot use a mapping for label "matchLabels": it must be a text; write one'],
  ],
  [
    'with a bad name',
    '{name: a.b, selector: {a: b}}',
    [`3:12: bad-value: Cannot use "a.b" as name: ${NAMESPACE_RULE}`],
  ],
  [
    'twice',
    '{name: a, selector: {a: b}}\n  - {namespace: default, name: a, selector: {a: b}}',
    ['4:32: duplicate-service: Remove or change service "default/a": it is given already at c.yaml:3:12'],
  ],
])('refuses a service %s', (_why, item, expected) => {
  expect(read(`services:\n  - ${item}\n`)).toEqual(expected.map((each) => `c.yaml:${each}`));
});
