import { describe, expect, test } from 'vitest';
import { denyOf, egressOf, named, pattern, refusals, refused } from '../cilium-documents.ts';

const CONNECT = 'toFQDNs: [{matchName: a.org}]';
const portsOf = (first: number, last = first) => ['tcp', 'udp', 'sctp'].map((protocol) => ({ protocol, first, last }));
const denials = (item: string) => refusals(`{endpointSelector: {}, egressDeny: [${item}]}`);

describe('egress', () => {
  test.each<[why: string, item: string, rules: unknown[]]>([
    ['an empty item allows nothing', '{}', []],
    ['names alone open every port', `{${CONNECT}}`, [{ kind: 'connect', names: [named('a.org')], ports: 'all' }]],
    [
      'names open the ports that are listed',
      '{toFQDNs: [{matchPattern: "*.a.org"}], toPorts: [{ports: [{port: 80}]}]}',
      [{ kind: 'connect', names: [pattern('*.a.org')], ports: portsOf(80) }],
    ],
    [
      'items of toPorts add up',
      `{${CONNECT}, toPorts: [{ports: [{port: 1, endPort: 3, protocol: TCP}]}, {ports: [{port: "9", protocol: SCTP}]}]}`,
      [
        {
          kind: 'connect',
          names: [named('a.org')],
          ports: [
            { protocol: 'tcp', first: 1, last: 3 },
            { protocol: 'sctp', first: 9, last: 9 },
          ],
        },
      ],
    ],
    [
      'a destination alone is every protocol',
      '{toCIDR: [192.0.2.0/24]}',
      [{ kind: 'reach', verdict: 'allow', to: [{ cidr: '192.0.2.0/24' }], traffic: 'all' }],
    ],
    [
      'ports alone are of every destination',
      '{toPorts: [{ports: [{port: 443}]}]}',
      [{ kind: 'reach', verdict: 'allow', to: [{ kind: 'any' }], traffic: { ports: portsOf(443), icmp: [] } }],
    ],
    [
      'so is ICMP alone',
      '{icmps: [{fields: [{type: 8}]}]}',
      [{ to: [{ kind: 'any' }], traffic: { ports: [], icmp: [{ family: 4, type: 8 }] } }],
    ],
    ['who need not authenticate is let be', '{toCIDR: [192.0.2.0/24], authentication: {mode: disabled}}', [{}]],
  ])('%s', (_why, item, rules) => {
    expect(egressOf(item)).toMatchObject(rules);
    expect(egressOf(item)).toHaveLength(rules.length);
  });

  test.each<[why: string, item: string, message: string]>([
    [
      'authentication',
      '{toCIDR: [192.0.2.0/24], authentication: {mode: required}}',
      'Cannot enforce authentication.mode "required"',
    ],
    [
      'one that always fails',
      '{authentication: {mode: test-always-fail}}',
      'Cannot enforce authentication.mode "test-always-fail"',
    ],
    ['one without mode', '{authentication: {}}', 'Add "mode" to authentication: it is missing'],
    ['groups of a cloud', '{toGroups: [{aws: {}}]}', 'Cannot enforce "toGroups" in an egress rule'],
    ['toRequires', '{toRequires: [{}]}', 'Cannot enforce "toRequires" in an egress rule'],
    ['icmps beside names', `{${CONNECT}, icmps: [{fields: [{type: 8}]}]}`, 'Remove "icmps" beside toFQDNs'],
    [
      'rules beside names',
      `{${CONNECT}, toPorts: [{ports: [{port: 53}], rules: {dns: []}}]}`,
      'Remove "rules" beside toFQDNs',
    ],
    [
      'a name of a port beside names',
      `{${CONNECT}, toPorts: [{ports: [{port: https}]}]}`,
      'Cannot use port "https": what a name resolves to has no container ports',
    ],
    ['a rule that is no mapping', 'web', 'Cannot use the text "web" for an egress rule: it must be a mapping'],
  ])('%s is refused', (_why, item, message) => {
    expect(refused(item)).toEqual([expect.stringContaining(message)]);
  });
});

describe('one kind of destination in a rule', () => {
  const PEERS = {
    toFQDNs: '[{matchName: a.org}]',
    toEndpoints: '[{}]',
    toCIDR: '[192.0.2.0/24]',
    toCIDRSet: '[{cidr: 192.0.2.0/24}]',
    toEntities: '[world]',
    toServices: '[{k8sService: {serviceName: web}}]',
    toNodes: '[{}]',
    toGroups: '[{}]',
  };
  const pairs = Object.keys(PEERS).flatMap((first, i) =>
    Object.keys(PEERS)
      .slice(i + 1)
      .map((second) => [first, second] as const),
  );

  test.each(pairs)('%s and %s', (first, second) => {
    const item = `{${first}: ${PEERS[first as keyof typeof PEERS]}, ${second}: ${PEERS[second as keyof typeof PEERS]}}`;
    const capital = (field: string) => `T${field.slice(1)}`;
    expect(refused(item)).toEqual([
      `combining ${capital(first)} and ${capital(second)} is not supported yet; write two rules`,
    ]);
  });
});

describe('egressDeny', () => {
  test.each<[why: string, item: string, rule: object]>([
    ['a destination', '{toEntities: [world]}', { to: [{ cidr: '0.0.0.0/0' }, { cidr: '::/0' }], traffic: 'all' }],
    ['its ports', '{toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: 25}]}]}', { traffic: { ports: portsOf(25) } }],
    ['ports of everybody', '{toPorts: [{ports: [{port: 25}]}]}', { to: [{ kind: 'any' }] }],
    ['types of ICMP', '{icmps: [{fields: [{type: 8}]}]}', { traffic: { icmp: [{ family: 4, type: 8 }] } }],
    ['pods', '{toEndpoints: [{}]}', { to: [{ kind: 'pods' }] }],
    ['Services', '{toServices: [{k8sService: {serviceName: web}}]}', { to: [{ kind: 'services', name: 'web' }] }],
    ['nodes', '{toNodes: [{}]}', { to: [{ kind: 'nodes' }] }],
  ])('denies %s', (_why, item, rule) =>
    expect(denyOf(item)).toMatchObject([{ kind: 'reach', verdict: 'deny', ...rule }]),
  );

  test.each<[why: string, item: string, message: string]>([
    ['names', `{${CONNECT}}`, 'addresses of the name that nobody looked up yet would pass'],
    [
      'names that may be asked',
      '{toPorts: [{ports: [{port: 53}], rules: {dns: []}}]}',
      'Remove "rules": an egressDeny rule denies whole ports',
    ],
    ['nobody', '{}', 'Cannot use an empty egressDeny rule: it denies nothing'],
    [
      'authentication',
      '{toCIDR: [192.0.2.0/24], authentication: {mode: disabled}}',
      'Cannot enforce "authentication" in an egressDeny rule',
    ],
    [
      'an empty list of destinations',
      '{toEndpoints: []}',
      'Cannot use an empty list for toEndpoints: it selects nothing',
    ],
  ])('%s is refused', (_why, item, message) => {
    expect(denials(item)).toEqual([expect.stringContaining(message)]);
  });
});

test.each(['toFQDNs', 'toEndpoints', 'toCIDR', 'toCIDRSet', 'toEntities', 'toServices', 'toNodes'])(
  'an empty %s is refused, and one without a value, with ports and without',
  (field) => {
    for (const ports of ['', ', toPorts: [{ports: [{port: 443}]}]']) {
      expect(refused(`{${field}: []${ports}}`)).toEqual([`Cannot use an empty list for ${field}: ${why(field)}`]);
      expect(refused(`{${field}: ${ports}}`)).toEqual([
        `Cannot use no value for ${field}: it must be a list; list its items`,
      ]);
    }
  },
);

function why(field: string): string {
  if (field === 'toFQDNs') return 'it selects nothing; remove the rule, or write "- {}" to deny everything';
  return 'it selects nothing; list at least one, or remove the rule';
}
