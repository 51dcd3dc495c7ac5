import { describe, expect, test } from 'vitest';
import { egressOf, named, pattern, refused } from '../cilium-documents.ts';

const dns = (ports: string, rules: string) => `{toPorts: [{ports: [${ports}], rules: ${rules}}]}`;
const NAME = '{dns: [{matchName: a.org}]}';

describe('rules.dns', () => {
  test.each<[why: string, item: string, rules: unknown[]]>([
    [
      'may be asked over its protocol',
      dns('{port: "53", protocol: UDP}', NAME),
      [{ kind: 'ask', names: [named('a.org')], overUdp: true, overTcp: false }],
    ],
    [
      'over both where none is said',
      dns('{port: "53"}', '{dns: [{matchPattern: "*.a.org"}]}'),
      [{ kind: 'ask', names: [pattern('*.a.org')], overUdp: true, overTcp: true }],
    ],
    [
      'an empty list is every name',
      dns('{port: 53, protocol: TCP}', '{dns: []}'),
      [{ kind: 'ask', names: [pattern('*')], overUdp: false, overTcp: true }],
    ],
    [
      'endPort that says the same is no range',
      dns('{port: 53, endPort: 53}', NAME),
      [{ kind: 'ask', names: [named('a.org')], overUdp: true, overTcp: true }],
    ],
    [
      'each item of toPorts has its own names, and one without any opens the port',
      '{toPorts: [{ports: [{port: 53, protocol: UDP}], rules: {dns: [{matchName: a.org}]}}, {ports: [{port: 53, protocol: TCP}]}]}',
      [
        { kind: 'ask', names: [named('a.org')], overUdp: true, overTcp: false },
        {
          kind: 'reach',
          verdict: 'allow',
          to: [{ kind: 'any' }],
          traffic: { ports: [{ protocol: 'tcp', first: 53, last: 53 }], icmp: [] },
          at: expect.stringMatching(/^p\.yaml:4:/) as unknown,
        },
      ],
    ],
  ])('%s', (_why, item, rules) => expect(egressOf(item)).toEqual(rules));

  test.each<[why: string, item: string, message: string]>([
    [
      'no port',
      `{toPorts: [{rules: ${NAME}}]}`,
      'port 53 must be specified for DNS rules; write ports: [{port: "53", protocol: ANY}]',
    ],
    [
      'another port',
      dns('{port: 5353}', NAME),
      'Cannot filter DNS on port "5353": only port "53" is proxied; write port: "53"',
    ],
    [
      'the name of a port',
      dns('{port: dns}', NAME),
      'Cannot filter DNS on port "dns": only port "53" is proxied; write port: "53"',
    ],
    ['every port', dns('{port: "0"}', NAME), 'L7 rules can not be used when a port is 0; write port: "53"'],
    [
      'a range',
      dns('{port: 53, endPort: 54}', NAME),
      'DNS rules do not support port ranges; write port: "53" instead of ports 53 to 54',
    ],
    ['SCTP', dns('{port: 53, protocol: SCTP}', NAME), 'Cannot proxy DNS over SCTP; write protocol: UDP, TCP or ANY'],
    [
      'HTTP',
      dns('{port: 80, protocol: TCP}', '{http: [{method: GET}]}'),
      'Cannot enforce "http" in rules: not supported yet; remove the item; namewall never reads inside connections',
    ],
    [
      'Kafka',
      dns('{port: 9092, protocol: TCP}', '{kafka: []}'),
      'Cannot enforce "kafka" in rules: not supported yet; remove the item; namewall never reads inside connections',
    ],
    [
      'neither name nor pattern',
      dns('{port: 53}', '{dns: [{}]}'),
      'Add matchName or matchPattern to an item of rules.dns: it has neither, so it would match nothing',
    ],
    [
      'name and pattern in one item, which Cilium takes for either',
      dns('{port: 53}', '{dns: [{matchName: a.org, matchPattern: "*.a.org"}]}'),
      'only one of MatchName or MatchPattern is allowed in a PortRuleDNS; write two items to allow both',
    ],
    [
      'rules without anything',
      dns('{port: 53}', '{}'),
      'Add "dns" to rules: it is empty; remove rules to allow every name',
    ],
    [
      'dns without a value',
      dns('{port: 53}', '{dns: }'),
      'Cannot use no value for rules.dns: it must be a list; list its items',
    ],
  ])('%s is refused', (_why, item, message) => expect(refused(item)).toEqual([message]));

  test('two kinds of L7 rules are refused in Cilium’s words', () => {
    expect(refused(dns('{port: 53, protocol: TCP}', '{dns: [], http: []}'))).toContain(
      'multiple L7 protocol rule types specified in single rule; keep "dns" alone',
    );
  });

  test.each<[why: string, peer: string]>([
    ['a CIDR', 'toCIDR: [192.0.2.53/32]'],
    ['a CIDR set', 'toCIDRSet: [{cidr: 192.0.2.0/24}]'],
    ['an entity', 'toEntities: [all]'],
    ['nodes', 'toNodes: [{}]'],
    ['pods', 'toEndpoints: [{matchLabels: {app: dns}}]'],
    ['another Service', 'toServices: [{k8sService: {serviceName: dns, namespace: infra}}]'],
  ])('beside %s they are refused: these are not proxied', (_why, peer) => {
    expect(refused(`{${peer}, toPorts: [{ports: [{port: 53}], rules: ${NAME}}]}`)).toEqual([
      expect.stringContaining('Cannot filter what these'),
    ]);
  });

  test.each(['serverNames: [a.org]', 'terminatingTLS: {}', 'originatingTLS: {}', 'listener: {}'])(
    '%s beside ports is refused',
    (field) => {
      const name = field.slice(0, field.indexOf(':'));
      expect(refused(`{toPorts: [{ports: [{port: 443}], ${field}}]}`)).toEqual([
        expect.stringContaining(`Cannot enforce "${name}" in an item of toPorts`),
      ]);
    },
  );
});
