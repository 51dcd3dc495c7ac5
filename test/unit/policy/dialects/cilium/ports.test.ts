import { describe, expect, test } from 'vitest';
import { egressOf, refused } from '../cilium-documents.ts';

const item = (ports: string) => `{toCIDR: [192.0.2.0/24], toPorts: [{ports: [${ports}]}]}`;
const range = (protocol: string, first: number, last = first) => ({ protocol, first, last });
const every = (first: number, last = first) => ['tcp', 'udp', 'sctp'].map((protocol) => range(protocol, first, last));

describe('ports', () => {
  test.each<[why: string, ports: string, ranges: object[]]>([
    ['a number', '{port: 443, protocol: TCP}', [range('tcp', 443)]],
    ['a number as text', '{port: "443", protocol: UDP}', [range('udp', 443)]],
    ['without protocol of all three', '{port: 443}', every(443)],
    ['so is ANY', '{port: 443, protocol: ANY}', every(443)],
    ['a range', '{port: 8000, endPort: 8080, protocol: SCTP}', [range('sctp', 8000, 8080)]],
    ['an end as text', '{port: 8000, endPort: "8080", protocol: TCP}', [range('tcp', 8000, 8080)]],
    ['0 is every port of the protocol', '{port: "0", protocol: TCP}', [range('tcp', 1, 65535)]],
    ['the last port', '{port: 65535, protocol: TCP}', [range('tcp', 65535)]],
    ['several', '{port: 1, protocol: TCP}, {port: 2, protocol: UDP}', [range('tcp', 1), range('udp', 2)]],
  ])('%s', (_why, ports, ranges) => {
    expect(egressOf(item(ports))[0]).toHaveProperty('traffic', { ports: ranges, icmp: [] });
    expect(egressOf(item(ports))[0]).not.toHaveProperty('namedPorts');
  });

  test.each<[why: string, ports: string, named: object[]]>([
    ['a name', '{port: https, protocol: TCP}', [{ name: 'https', protocols: ['tcp'] }]],
    ['names are compared in lower case', '{port: HTTPS, protocol: TCP}', [{ name: 'https', protocols: ['tcp'] }]],
    ['one with digits first', '{port: 8080-tcp, protocol: TCP}', [{ name: '8080-tcp', protocols: ['tcp'] }]],
    ['without protocol', '{port: grpc}', [{ name: 'grpc', protocols: ['tcp', 'udp', 'sctp'] }]],
  ])('%s', (_why, ports, named) => {
    expect(egressOf(item(ports))).toMatchObject([{ traffic: { ports: [], icmp: [] }, namedPorts: named }]);
  });

  test('names and numbers stand beside each other', () => {
    expect(egressOf(item('{port: https, protocol: TCP}, {port: 80, protocol: TCP}'))).toMatchObject([
      { traffic: { ports: [range('tcp', 80)] }, namedPorts: [{ name: 'https' }] },
    ]);
  });

  const forty = Array.from({ length: 40 }, (_, i) => `{port: ${i + 1}}`).join(', ');
  test('forty are taken', () => expect(refused(item(forty))).toEqual([]));

  test.each<[why: string, ports: string, message: string]>([
    ['41', `${forty}, {port: 41}`, 'too many ports, the max is 40; 41 are listed: use endPort or split the entry'],
    ['none', '', 'Cannot use an empty list for ports: Cilium would open every port; write port: "0" if that is meant'],
    ['no port', '{protocol: TCP}', 'port must be specified; write port: "443", or "0" for every port'],
    ['a port beyond the last', '{port: 65536}', 'unable to parse port "65536"; write a decimal number from 0 to 65535'],
    ['a leading zero', '{port: "010"}', 'unable to parse port "010"; write a decimal number from 0 to 65535'],
    ['hexadecimal', '{port: "0x50"}', 'unable to parse port "0x50"; write a decimal number from 0 to 65535'],
    ['a sign', '{port: -1}', 'unable to parse port "-1"; write a decimal number from 0 to 65535'],
    ['a fraction', '{port: 1.5}', 'unable to parse port "1.5"; write a decimal number from 0 to 65535'],
    ['a range in one text', '{port: "80-90"}', 'unable to parse port "80-90"'],
    ['an empty text', '{port: ""}', 'unable to parse port ""'],
    ['a name of 16 characters', '{port: abcdefghijklmnop}', 'unable to parse port "abcdefghijklmnop"'],
    ['two hyphens', '{port: a--b}', 'unable to parse port "a--b"'],
    [
      'an underscore',
      '{port: http_1}',
      'or the name of a container port: at most 15 of a-z, 0-9 and single "-", with a letter',
    ],
    ['a flag', '{port: true}', 'Cannot use boolean true for port: it must be a text'],
    [
      'an end before the beginning',
      '{port: 90, endPort: 80}',
      'Cannot use endPort 80: it is less than port 90; exchange the two',
    ],
    ['an end of every port', '{port: 0, endPort: 80}', 'Remove "endPort": port "0" is every port already'],
    [
      'an end of a name',
      '{port: https, endPort: 80}',
      'Remove "endPort": port "https" is a name, and a range has numbers',
    ],
    [
      'an end that is a name',
      '{port: 80, endPort: https}',
      'Cannot use endPort "https": write a decimal number from 0 to 65535',
    ],
    ['lower case', '{port: 80, protocol: tcp}', 'Cannot use protocol "tcp": did you mean "TCP"?'],
    [
      'an unknown protocol',
      '{port: 80, protocol: QUIC}',
      'Cannot use protocol "QUIC": write one of TCP, UDP, SCTP, ANY',
    ],
    ['ICMP', '{port: 8, protocol: ICMP}', 'Cannot use protocol "ICMP": ICMP has types, not ports; write icmps'],
    ['ICMPv6', '{port: 8, protocol: ICMPv6}', 'Cannot use protocol "ICMPv6": ICMP has types, not ports; write icmps'],
  ])('%s is refused', (_why, ports, message) => {
    expect(refused(item(ports))).toEqual([expect.stringContaining(message)]);
  });

  test.each(['VRRP', 'IGMP', 'GRE', 'IPIP', 'IPV6', 'ESP', 'AH'])('%s is refused: it has no ports', (protocol) => {
    expect(refused(item(`{port: "0", protocol: ${protocol}}`))).toEqual([
      expect.stringContaining(
        `Cannot use protocol "${protocol}": Cilium takes it with --enable-extended-ip-protocols only`,
      ),
    ]);
  });
});
