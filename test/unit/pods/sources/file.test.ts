import { expect, test } from 'vitest';
import { loadClients, readClients } from '../../../../src/pods/sources/file.ts';

test('a client with everything', () => {
  const text = `clients:
  - namespace: shop
    name: web
    labels: {app: web, "example.org/tier": ""}
    addresses: [192.0.2.7, "2001:DB8:0:0::7"]
    interface: veth0@if2
    uid: 0b1c
    ports: [{name: https, port: 8443}, {name: dns, port: 53, protocol: UDP}]
`;
  expect(readClients(text, 'c.yaml')).toEqual({
    ok: true,
    value: {
      pods: [
        {
          uid: '0b1c',
          namespace: 'shop',
          name: 'web',
          labels: { app: 'web', 'example.org/tier': '' },
          namespaceLabels: { 'kubernetes.io/metadata.name': 'shop' },
          addresses: ['192.0.2.7', '2001:db8::7'],
          interface: 'veth0@if2',
          ports: [
            { name: 'https', port: 8443, protocol: 'tcp' },
            { name: 'dns', port: 53, protocol: 'udp' },
          ],
        },
      ],
      nodes: [],
      services: [],
    },
  });
});

test('a client with the least: namespace default, uid from its name', () => {
  expect(readClients('clients: [{name: web, addresses: [192.0.2.7]}]', 'c.yaml')).toEqual({
    ok: true,
    value: {
      pods: [
        {
          uid: 'default/web',
          namespace: 'default',
          name: 'web',
          labels: {},
          namespaceLabels: { 'kubernetes.io/metadata.name': 'default' },
          addresses: ['192.0.2.7'],
        },
      ],
      nodes: [],
      services: [],
    },
  });
});

test('an empty list is no clients', () => {
  expect(readClients('clients: []', 'c.yaml')).toEqual({ ok: true, value: { pods: [], nodes: [], services: [] } });
});

const client = (fields: string) => `clients:\n  - {name: web, addresses: [192.0.2.7], ${fields}}\n`;
const addresses = (list: string) => `clients:\n  - {name: web, addresses: ${list}}\n`;

test.each([
  [
    'an empty file',
    '',
    ['c.yaml:1:1: empty-file: Cannot read the clients: the file is empty; write "clients: []" for none'],
  ],
  [
    'a second document',
    'clients: []\n---\nclients: []\n',
    ['c.yaml:3:1: bad-value: Remove the second document: a clients file is one; list all clients in it'],
  ],
  [
    'no clients',
    'client: []\n',
    ['c.yaml:1:1: unknown-field: Cannot use field "client" in a clients file: it is unknown; did you mean "clients"?'],
  ],
  [
    'clients that are a mapping',
    'clients: {}\n',
    ['c.yaml:1:10: wrong-type: Cannot use a mapping for clients: it must be a list; begin each item with "- "'],
  ],
  [
    'an unknown field',
    client('label: {}'),
    ['c.yaml:2:41: unknown-field: Cannot use field "label" in a client: it is unknown; did you mean "labels"?'],
  ],
  [
    'no name and no addresses',
    'clients: [{}]\n',
    [
      'c.yaml:1:11: missing-field: Add "name" to a client: it is missing; write name: web',
      'c.yaml:1:11: missing-field: Add "addresses" to a client: it is missing; write addresses: [192.0.2.7]',
    ],
  ],
  [
    'empty addresses',
    addresses('[]'),
    [
      'c.yaml:2:28: empty-list: Cannot use an empty list for addresses: a client is known by its addresses; write one, or remove the client',
    ],
  ],
  [
    'a name as address',
    addresses('[localhost]'),
    ['c.yaml:2:29: bad-address: Cannot use "localhost" as an address: write an IPv4 or IPv6 address, without zone'],
  ],
  [
    'a zone',
    addresses('["fe80::1%eth0"]'),
    ['c.yaml:2:29: bad-address: Cannot use "fe80::1%eth0" as an address: write an IPv4 or IPv6 address, without zone'],
  ],
  [
    'a range',
    addresses('[192.0.2.0/24]'),
    [
      'c.yaml:2:29: bad-address: Cannot use "192.0.2.0/24" as an address: a client has single addresses; write them without "/"',
    ],
  ],
  [
    'octets with leading zeros',
    addresses('[192.0.2.010]'),
    ['c.yaml:2:29: bad-address: Cannot use "192.0.2.010" as an address: write an IPv4 or IPv6 address, without zone'],
  ],
  [
    'IPv4 inside IPv6',
    addresses('["::ffff:192.0.2.7"]'),
    [
      'c.yaml:2:29: bad-address: Cannot use "::ffff:192.0.2.7" as an address: it is IPv4 inside IPv6; write "192.0.2.7"',
    ],
  ],
  [
    'the unspecified address',
    addresses('["::"]'),
    [
      'c.yaml:2:29: bad-address: Cannot use "::" as an address: no client sends from it; write the address of its interface',
    ],
  ],
  [
    'a multicast address',
    addresses('[224.0.0.1]'),
    [
      'c.yaml:2:29: bad-address: Cannot use "224.0.0.1" as an address: no client sends from it; write the address of its interface',
    ],
  ],
  [
    'an address twice, spelt differently',
    'clients:\n  - {name: a, addresses: ["2001:db8::1"]}\n  - {name: b, addresses: ["2001:db8:0::1"]}\n',
    ['c.yaml:3:27: duplicate-address: Remove or change address "2001:db8::1": it is given already at c.yaml:2:27'],
  ],
  [
    'a client twice',
    'clients:\n  - {name: a, addresses: [192.0.2.1]}\n  - {name: a, addresses: [192.0.2.2]}\n',
    ['c.yaml:3:12: duplicate-client: Remove or change client "default/a": it is given already at c.yaml:2:12'],
  ],
  [
    'a uid twice',
    'clients:\n  - {name: a, uid: u, addresses: [192.0.2.1]}\n  - {name: b, uid: u, addresses: [192.0.2.2]}\n',
    ['c.yaml:3:20: duplicate-uid: Remove or change uid "u": it is given already at c.yaml:2:20'],
  ],
  [
    'a long interface',
    client('interface: abcdefghijklmnop'),
    [
      'c.yaml:2:52: bad-value: Cannot use "abcdefghijklmnop" as interface: 1 to 15 of a-z, A-Z, 0-9, "-", "_", ".", "@", "+"',
    ],
  ],
  [
    'an interface that would end a text',
    client(`interface: 'a"b'`),
    ['c.yaml:2:52: bad-value: Cannot use "a\\"b" as interface: 1 to 15 of a-z, A-Z, 0-9, "-", "_", ".", "@", "+"'],
  ],
  [
    'a bad namespace',
    client('namespace: Shop'),
    [
      'c.yaml:2:52: bad-value: Cannot use "Shop" as namespace: lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit',
    ],
  ],
  [
    'a bad label',
    client('labels: {__proto__: x}'),
    [
      'c.yaml:2:50: bad-label: Cannot use "__proto__" as a label: at most 63 of a-z, A-Z, 0-9, "-", "_", ".", beginning and ending with a letter or digit',
    ],
  ],
  [
    'a port without name and number',
    client('ports: [{}]'),
    [
      'c.yaml:2:49: missing-field: Add "name" to a client\'s port: it is missing; write name: https',
      'c.yaml:2:49: missing-field: Add "port" to a client\'s port: it is missing; write port: 8443',
    ],
  ],
  [
    'a port with a bad name',
    client('ports: [{name: Https, port: 8443}]'),
    [
      'c.yaml:2:56: bad-value: Cannot use "Https" as name: a name is at most 15 of a-z, 0-9 and single "-" between them, at least one a letter',
    ],
  ],
  [
    'a port with a text as number',
    client('ports: [{name: https, port: "8443"}]'),
    ['c.yaml:2:69: bad-port: Cannot use "8443" as port: write a decimal number from 1 to 65535'],
  ],
  [
    'a port of another protocol',
    client('ports: [{name: https, port: 8443, protocol: ANY}]'),
    ['c.yaml:2:85: bad-protocol: Cannot use protocol "ANY": write one of TCP, UDP, SCTP'],
  ],
  [
    'a port with an unknown field',
    client('ports: [{name: https, containerPort: 8443, port: 1}]'),
    [
      'c.yaml:2:63: unknown-field: Cannot use field "containerPort" in a client\'s port: it is unknown; write one of "name", "port", "protocol"',
    ],
  ],
  [
    'a name of ports twice',
    client('ports: [{name: dns, port: 53, protocol: UDP}, {name: dns, port: 54, protocol: UDP}]'),
    ['c.yaml:2:87: duplicate-port: Remove or change port "dns": the client has it already for UDP'],
  ],
  [
    'a number as label',
    client('labels: {v: 1}'),
    ['c.yaml:2:53: wrong-type: Cannot use number 1 for label "v": it must be a text; write "1"'],
  ],
])('refuses %s', (_why, text, expected) => {
  const read = readClients(text, 'c.yaml');
  expect(read.ok ? ['accepted'] : read.problems.map(({ at, code, message }) => `${at}: ${code}: ${message}`)).toEqual(
    expected,
  );
});

test('a file that is missing is a located problem', async () => {
  expect(await loadClients('/nonexistent/c.yaml')).toEqual({
    ok: false,
    problems: [
      {
        code: 'bad-path',
        at: '/nonexistent/c.yaml:1:1',
        message: 'Cannot read "/nonexistent/c.yaml": there is no such file or folder',
      },
    ],
  });
});
