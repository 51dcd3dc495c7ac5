// What destinations by address mean, from the text of a policy to the verdict on a packet.
import { describe, expect, test } from 'vitest';
import { staticVerdict } from '../../../src/policy/static-match.ts';
import { allow, compiled, deny, packet, verdictOf } from './static-policies.ts';

describe('what is allowed', () => {
  test.each<[why: string, lists: string, packet: string, isAllowed: boolean]>([
    ['an address of a CIDR', allow('{toCIDR: [192.0.2.0/24]}'), 'tcp 192.0.2.1 443', true],
    ['and its last', allow('{toCIDR: [192.0.2.0/24]}'), 'tcp 192.0.2.255 443', true],
    ['no neighbour of it', allow('{toCIDR: [192.0.2.0/24]}'), 'tcp 192.0.3.0 443', false],
    ['every protocol of it', allow('{toCIDR: [192.0.2.0/24]}'), '47 192.0.2.1', true],
    ['the second of a list', allow('{toCIDR: [192.0.2.0/24, "2001:db8::/64"]}'), 'udp 2001:db8::7 53', true],
    [
      'the second of two rules',
      allow('{toCIDR: [192.0.2.0/24]}, {toCIDR: [198.51.100.0/24]}'),
      'tcp 198.51.100.1 1',
      true,
    ],
    ['bits behind a prefix are ignored', allow('{toCIDR: [192.0.2.7/24]}'), 'tcp 192.0.2.200 1', true],
    ['a toCIDRSet', allow('{toCIDRSet: [{cidr: 192.0.2.0/24}]}'), 'tcp 192.0.2.1 1', true],
    [
      'no exception of it',
      allow('{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}]}'),
      'tcp 192.0.2.1 1',
      false,
    ],
    [
      'what surrounds the exception',
      allow('{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}]}'),
      'tcp 192.0.2.16 1',
      true,
    ],
    [
      'an exception that another item names',
      allow('{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}, {cidr: 192.0.2.1/32}]}'),
      'tcp 192.0.2.1 1',
      true,
    ],
    ['the world', allow('{toEntities: [world]}'), 'tcp 2001:db8::1 1', true],
    ['one family of it', allow('{toEntities: [world-ipv4]}'), 'tcp 192.0.2.1 1', true],
    ['not the other', allow('{toEntities: [world-ipv4]}'), 'tcp 2001:db8::1 1', false],
    ['nor the first', allow('{toEntities: [world-ipv6]}'), 'tcp 192.0.2.1 1', false],
    ['all', allow('{toEntities: [all]}'), 'tcp 192.0.2.1 1', true],
    ['all, the node itself among it', allow('{toEntities: [all]}'), 'tcp 192.0.2.1 1 host', true],
    ['the world without the node itself', allow('{toEntities: [world]}'), 'tcp 192.0.2.1 1 host', false],
    ['the node itself is no CIDR', allow('{toCIDR: [192.0.2.1/32]}'), 'tcp 192.0.2.1 1 host', false],
    ['host', allow('{toEntities: [host]}'), 'tcp 192.0.2.1 1 host', true],
    ['host is nobody else', allow('{toEntities: [host]}'), 'tcp 192.0.2.1 1', false],
    [
      'host on its port',
      allow('{toEntities: [host], toPorts: [{ports: [{port: 80}]}]}'),
      'tcp 192.0.2.1 81 host',
      false,
    ],
    ['none is nobody', allow('{toEntities: [none]}'), 'tcp 192.0.2.1 1', false],
    ['two entities add up', allow('{toEntities: [none, world]}'), 'tcp 192.0.2.1 1', true],
    ['an empty rule allows nothing', allow('{}'), 'tcp 192.0.2.1 1', false],
  ])('%s', (_why, lists, text, isAllowed) => {
    expect(verdictOf(compiled(lists), text)).toBe(isAllowed ? 'allow' : 'none');
  });

  test.each<[why: string, item: string, packet: string, isAllowed: boolean]>([
    ['a port of any destination', 'toPorts: [{ports: [{port: 443, protocol: TCP}]}]', 'tcp 192.0.2.1 443', true],
    ['no other port', 'toPorts: [{ports: [{port: 443, protocol: TCP}]}]', 'tcp 192.0.2.1 444', false],
    ['no other protocol', 'toPorts: [{ports: [{port: 443, protocol: TCP}]}]', 'udp 192.0.2.1 443', false],
    ['ANY is SCTP, too', 'toPorts: [{ports: [{port: 443}]}]', 'sctp 192.0.2.1 443', true],
    ['ANY is no ICMP', 'toPorts: [{ports: [{port: 8}]}]', 'icmp 192.0.2.1 8', false],
    ['endPort is inclusive', 'toPorts: [{ports: [{port: 80, endPort: 90}]}]', 'tcp 192.0.2.1 90', true],
    ['and the end', 'toPorts: [{ports: [{port: 80, endPort: 90}]}]', 'tcp 192.0.2.1 91', false],
    ['port 0 is every port', 'toPorts: [{ports: [{port: 0, protocol: UDP}]}]', 'udp 192.0.2.1 65535', true],
    ['of its protocol', 'toPorts: [{ports: [{port: 0, protocol: UDP}]}]', 'tcp 192.0.2.1 1', false],
    ['port 0 is no other protocol', 'toPorts: [{ports: [{port: 0}]}]', '47 192.0.2.1', false],
    ['items add up', 'toPorts: [{ports: [{port: 1}]}, {ports: [{port: 2}, {port: 3}]}]', 'tcp 192.0.2.1 3', true],
    ['ports of a CIDR', 'toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: 1}]}]', 'tcp 192.0.2.1 1', true],
    ['of nobody else', 'toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: 1}]}]', 'tcp 198.51.100.1 1', false],
    ['a type of ICMP', 'icmps: [{fields: [{type: 8}]}]', 'icmp 192.0.2.1 8', true],
    ['type 0', 'icmps: [{fields: [{type: EchoReply}]}]', 'icmp 192.0.2.1 0', true],
    ['no other type', 'icmps: [{fields: [{type: 8}]}]', 'icmp 192.0.2.1 13', false],
    ['IPv4 unless it says so', 'icmps: [{fields: [{type: 128}]}]', 'icmpv6 2001:db8::1 128', false],
    ['a name', 'icmps: [{fields: [{type: EchoRequest}]}]', 'icmp 192.0.2.1 8', true],
    ['the same name of IPv6', 'icmps: [{fields: [{family: IPv6, type: EchoRequest}]}]', 'icmpv6 2001:db8::1 128', true],
    ['a type of IPv6 is none of IPv4', 'icmps: [{fields: [{family: IPv6, type: 8}]}]', 'icmp 192.0.2.1 8', false],
    ['is not that of IPv4', 'icmps: [{fields: [{family: IPv6, type: EchoRequest}]}]', 'icmp 192.0.2.1 8', false],
    [
      'fields and items add up',
      'icmps: [{fields: [{type: 3}]}, {fields: [{type: 4}, {type: "8"}]}]',
      'icmp 192.0.2.1 8',
      true,
    ],
    ['ICMP opens no port', 'icmps: [{fields: [{type: 8}]}]', 'tcp 192.0.2.1 8', false],
    ['ICMP of a CIDR', 'toCIDR: [192.0.2.0/24], icmps: [{fields: [{type: 8}]}]', 'icmp 198.51.100.1 8', false],
  ])('%s', (_why, item, text, isAllowed) => {
    expect(verdictOf(compiled(allow(`{${item}}`)), text)).toBe(isAllowed ? 'allow' : 'none');
  });
});

describe('what is protected', () => {
  test.each<[why: string, item: string, packet: string, isAllowed: boolean]>([
    ['is not of the world', '{toEntities: [world]}', 'tcp 169.254.169.254 80', false],
    ['nor of all', '{toEntities: [all]}', 'tcp 169.254.169.254 80', false],
    ['nor of any destination', '{toPorts: [{ports: [{port: 80}]}]}', 'tcp 169.254.169.254 80', false],
    ['nor of a CIDR that is wider', '{toCIDR: [169.252.0.0/14]}', 'tcp 169.254.169.254 80', false],
    ['opened by a CIDR inside it', '{toCIDR: [169.254.169.254/32]}', 'tcp 169.254.169.254 80', true],
    ['by the very same range', '{toCIDR: [169.254.0.0/16]}', 'tcp 169.254.169.254 80', true],
    ['also beside one that is wider', '{toCIDR: [0.0.0.0/0, 169.254.169.254/32]}', 'tcp 169.254.169.254 80', true],
    ['of which the rest stays closed', '{toCIDR: [0.0.0.0/0, 169.254.169.254/32]}', 'tcp 169.254.170.2 80', false],
    [
      'closed around an exception, which cuts the world in parts that lie inside',
      '{toCIDRSet: [{cidr: 0.0.0.0/0, except: [169.254.169.254/32]}]}',
      'tcp 169.254.170.2 80',
      false,
    ],
    [
      'without the exceptions of who meant it',
      '{toCIDRSet: [{cidr: 169.254.0.0/16, except: [169.254.169.254/32]}, {cidr: 0.0.0.0/0}]}',
      'tcp 169.254.169.254 80',
      false,
    ],
    ['closed behind NAT64 of a site, too', '{toCIDR: ["::/0"]}', 'tcp 64:ff9b:1::a9fe:a9fe 80', false],
    ['and for the world', '{toEntities: [world]}', 'tcp 64:ff9b:1::a9fe:a9fe 80', false],
    ['closed behind NAT64, too', '{toCIDR: ["64:ff9b::/96"]}', 'tcp 64:ff9b::a9fe:a9fe 80', false],
    ['and its neighbours there are not', '{toCIDR: ["64:ff9b::/96"]}', 'tcp 64:ff9b::c000:201 80', true],
    ['a pod of ours, for the world', '{toEntities: [world]}', 'tcp 10.0.0.2 80', false],
  ])('%s', (_why, item, text, isAllowed) => {
    expect(verdictOf(compiled(allow(item)), text)).toBe(isAllowed ? 'allow' : 'none');
  });

  test('is denied by a wide range all the same', () => {
    const policy = compiled('egress: [{toCIDR: [169.254.169.254/32]}], egressDeny: [{toCIDR: [0.0.0.0/0]}]');
    expect(verdictOf(policy, 'tcp 169.254.169.254 80')).toBe('deny');
  });
});

describe('what is denied', () => {
  test.each<[why: string, item: string, packet: string, verdict: 'allow' | 'deny']>([
    ['beats what is allowed', '{toCIDR: [192.0.2.0/24]}', 'tcp 192.0.2.1 443', 'deny'],
    ['leaves the rest', '{toCIDR: [192.0.2.0/24]}', 'tcp 192.0.3.1 443', 'allow'],
    [
      'without its exceptions',
      '{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.1/32]}]}',
      'tcp 192.0.2.1 1',
      'allow',
    ],
    ['on its ports', '{toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: 25}]}]}', 'tcp 192.0.2.1 25', 'deny'],
    ['on no other', '{toCIDR: [192.0.2.0/24], toPorts: [{ports: [{port: 25}]}]}', 'tcp 192.0.2.1 26', 'allow'],
    ['a port of every destination', '{toPorts: [{ports: [{port: 25}]}]}', 'tcp 192.0.2.1 25', 'deny'],
    ['the node itself among them', '{toPorts: [{ports: [{port: 25}]}]}', 'tcp 192.0.2.1 25 host', 'deny'],
    ['the node itself by its address', '{toCIDR: [192.0.2.1/32]}', 'tcp 192.0.2.1 25 host', 'deny'],
    ['the node itself', '{toEntities: [host]}', 'tcp 192.0.2.1 25 host', 'deny'],
    ['the node itself alone', '{toEntities: [host]}', 'tcp 192.0.2.1 25', 'allow'],
    ['the world', '{toEntities: [world]}', 'tcp 2001:db8::1 25', 'deny'],
    ['everything', '{toEntities: [all]}', '47 192.0.2.1', 'deny'],
    ['nobody', '{toEntities: [none]}', 'tcp 192.0.2.1 25', 'allow'],
    ['a range behind NAT64', '{toCIDR: [192.0.2.0/24]}', 'tcp 64:ff9b::c000:201 25', 'deny'],
    ['and behind that of a site', '{toCIDR: [192.0.2.0/24]}', 'tcp 64:ff9b:1::c000:201 25', 'deny'],
    ['and no neighbour there', '{toCIDR: [192.0.2.0/24]}', 'tcp 64:ff9b::c000:301 25', 'allow'],
    ['ICMP', '{icmps: [{fields: [{type: 8}]}]}', 'icmp 192.0.2.1 8', 'deny'],
    ['pods', '{toEndpoints: [{matchLabels: {app: db}}]}', 'tcp 10.0.0.2 80', 'deny'],
  ])('%s', (_why, item, text, verdict) => {
    expect(verdictOf(compiled(deny(item)), text)).toBe(verdict);
  });

  test('what is allowed by an IPv4 range stays as it is written', () => {
    const policy = compiled(allow('{toCIDR: [192.0.2.0/24]}'));
    expect(verdictOf(policy, 'tcp 64:ff9b::c000:201 25')).toBe('none');
  });

  test('by one policy is denied whatever another allows', () => {
    const policy = compiled(allow('{toCIDR: [192.0.2.0/24]}'), 'egressDeny: [{toCIDR: [192.0.2.1/32]}]');
    expect(verdictOf(policy, 'tcp 192.0.2.1 1')).toBe('deny');
    expect(verdictOf(policy, 'tcp 192.0.2.2 1')).toBe('allow');
  });

  test('alone makes the rest denied, too', () => {
    const policy = compiled('egressDeny: [{toCIDR: [192.0.2.0/24]}]');
    expect(policy.programOfPod).toEqual([0, -1, -1]);
    expect(verdictOf(policy, 'tcp 198.51.100.1 1')).toBe('none');
  });

  test('stands before the grants of names, and what is allowed behind them', () => {
    const policy = compiled(
      'egress: [{toFQDNs: [{matchName: a.example.org}]}, {toCIDR: [192.0.2.0/24]}], egressDeny: [{toCIDR: [192.0.2.1/32]}]',
    );
    const segment = policy.programs[0]?.segments[0] ?? expect.fail();
    expect(segment.classes).toEqual([0]);
    const decided = (text: string) => {
      const { verdict, rule } = staticVerdict(policy, 0, packet(text), () => false);
      return `${verdict} ${policy.rules[rule]?.at}`;
    };
    expect(decided('tcp 192.0.2.1 1')).toMatch(/^deny p\.yaml:4:1[0-9]+$/);
    expect(decided('tcp 192.0.2.2 1')).toMatch(/^allow p\.yaml:4:1[0-9]+$/);
  });
});
