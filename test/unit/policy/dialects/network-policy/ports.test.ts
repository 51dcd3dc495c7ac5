import { expect, test } from 'vitest';
import { readPolicies } from '../../../../../src/policy/dialects/read-policies.ts';
import { networkPolicyEgress, problemsOf } from '../problems.ts';

const ports = (item: string): string => networkPolicyEgress(`{ports: [${item}]}`);
const range = (protocol: string, first: number, last = first) => ({ protocol, first, last });

test.each([
  ['a number', '{port: 443}', [range('tcp', 443)], undefined],
  ['a range', '{port: 1, endPort: 65535, protocol: SCTP}', [range('sctp', 1, 65_535)], undefined],
  ['a range of one', '{port: 80, endPort: 80}', [range('tcp', 80)], undefined],
  ['a protocol', '{protocol: UDP}', [range('udp', 1, 65_535)], undefined],
  ['an empty item', '{}', [range('tcp', 1, 65_535)], undefined],
  ['ranges that overlap', '{port: 80, endPort: 90}, {port: 85}, {port: 91}', [range('tcp', 80, 91)], undefined],
  ['a name', '{port: dns-tcp}', [], [{ name: 'dns-tcp', protocols: ['tcp'] }]],
  [
    'a name of 15 characters',
    '{port: a23456789-12345, protocol: UDP}',
    [],
    [{ name: 'a23456789-12345', protocols: ['udp'] }],
  ],
  ['a name beside a number', '{port: h2}, {port: 80}', [range('tcp', 80)], [{ name: 'h2', protocols: ['tcp'] }]],
])('reads %s', (_why, item, expected, namedPorts) => {
  const read = readPolicies(ports(item), 'p.yaml');
  expect(read).toMatchObject({ ok: true });
  const [rule] = read.ok ? (read.value[0]?.rules[0]?.egress ?? []) : [];
  expect(rule).toEqual({
    kind: 'reach',
    verdict: 'allow',
    to: [{ kind: 'any' }],
    traffic: { ports: expected, icmp: [] },
    ...(namedPorts === undefined ? {} : { namedPorts }),
    at: 'p.yaml:5:13',
  });
});

const NUMBER = 'write a decimal number from 1 to 65535';
const NAME = 'a name is at most 15 of a-z, 0-9 and single "-" between them, at least one a letter';

test.each([
  ['no number', '{port: 0}', [`5:29: bad-port: Cannot use 0 as port: ${NUMBER}`]],
  ['a number that is too large', '{port: 65536}', [`5:29: bad-port: Cannot use 65536 as port: ${NUMBER}`]],
  ['a negative number', '{port: -1}', [`5:29: bad-port: Cannot use -1 as port: ${NUMBER}`]],
  ['a fraction', '{port: 80.5}', [`5:29: bad-port: Cannot use 80.5 as port: ${NUMBER}`]],
  ['a leading zero', '{port: 080}', [`5:29: bad-port: Cannot use 080 as port: ${NUMBER}`]],
  ['hexadecimal', '{port: 0x50}', [`5:29: bad-port: Cannot use 0x50 as port: ${NUMBER}`]],
  ['no value', '{port: null}', [`5:29: bad-port: Cannot use no value as port: ${NUMBER}`]],
  ['a list', '{port: [80]}', [`5:29: bad-port: Cannot use a list as port: ${NUMBER}, and an item of ports for each`]],
  [
    'a number as text',
    '{port: "80"}',
    ['5:29: bad-port: Cannot use port "80": a text is the name of a port; write the number without quotes'],
  ],
  ['an empty name', '{port: ""}', [`5:29: bad-port: Cannot use port "": ${NAME}`]],
  [
    'a name of 16 characters',
    '{port: a234567890123456}',
    [`5:29: bad-port: Cannot use port "a234567890123456": ${NAME}`],
  ],
  ['a name with an upper case letter', '{port: Http}', [`5:29: bad-port: Cannot use port "Http": ${NAME}`]],
  ['a name without a letter', '{port: 80-81}', [`5:29: bad-port: Cannot use port "80-81": ${NAME}`]],
  ['a name with two hyphens', '{port: a--b}', [`5:29: bad-port: Cannot use port "a--b": ${NAME}`]],
  ['a name that begins with a hyphen', '{port: -a}', [`5:29: bad-port: Cannot use port "-a": ${NAME}`]],
  ['a name that ends with a hyphen', '{port: a-}', [`5:29: bad-port: Cannot use port "a-": ${NAME}`]],
  [
    'endPort alone',
    '{endPort: 80}',
    ['5:23: bad-port: may not be specified when port is not specified: write port, too'],
  ],
  [
    'endPort of a name',
    '{port: http, endPort: 80}',
    ['5:35: bad-port: may not be specified when port is non-numeric: a name is one port; remove endPort'],
  ],
  [
    'endPort below port',
    '{port: 80, endPort: 79}',
    [
      '5:42: bad-port: Cannot use endPort 79: must be greater than or equal to port, which is 80; write the lower one as port',
    ],
  ],
  [
    'endPort that is too large',
    '{port: 80, endPort: 65536}',
    [`5:42: bad-port: Cannot use 65536 as endPort: ${NUMBER}`],
  ],
  ['endPort as text', '{port: 80, endPort: "81"}', [`5:42: bad-port: Cannot use "81" as endPort: ${NUMBER}`]],
  [
    'another protocol',
    '{protocol: ICMP}',
    ['5:33: bad-protocol: Cannot use protocol "ICMP": write one of TCP, UDP, SCTP'],
  ],
  [
    'a protocol in lower case',
    '{protocol: tcp}',
    ['5:33: bad-protocol: Cannot use protocol "tcp": did you mean "TCP"?'],
  ],
  [
    "Cilium's ANY",
    '{port: 80, protocol: ANY}',
    ['5:43: bad-protocol: Cannot use protocol "ANY": write one of TCP, UDP, SCTP'],
  ],
  [
    'an unknown field',
    '{prot: TCP}',
    ['5:23: unknown-field: Cannot use field "prot" in an item of ports: it is unknown; did you mean "port"?'],
  ],
  [
    'a number instead of an item',
    '80',
    [
      '5:22: wrong-type: Cannot use number 80 for an item of ports: it must be a mapping; write its fields, as in port: …',
    ],
  ],
])('refuses %s', (_why, item, expected) => {
  expect(problemsOf(ports(item))).toEqual(expected);
});
