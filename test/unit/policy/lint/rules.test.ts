import { describe, expect, test } from 'vitest';
import { cilium, codes, ordered, PORTS, warnings } from './linted.ts';

describe('rules whose order means nothing', () => {
  test.each<[why: string, lists: string, code: string | undefined]>([
    [
      'an allow of what is denied',
      'egress: [{toCIDR: [192.0.2.0/25]}], egressDeny: [{toCIDR: [192.0.2.0/24]}]',
      'shadowed-rule',
    ],
    ['of a part of it only', 'egress: [{toCIDR: [192.0.2.0/24]}], egressDeny: [{toCIDR: [192.0.2.0/25]}]', undefined],
    [
      'of another port',
      `egress: [{toCIDR: [192.0.2.0/25]}], egressDeny: [{toCIDR: [192.0.2.0/24], ${PORTS}}]`,
      undefined,
    ],
    [
      'of one port of all',
      `egress: [{toCIDR: [192.0.2.0/25], ${PORTS}}], egressDeny: [{toEntities: [all]}]`,
      'shadowed-rule',
    ],
    [
      'of what an exception leaves',
      'egress: [{toCIDR: [192.0.2.0/28]}], egressDeny: [{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.0/28]}]}]',
      undefined,
    ],
    ['the same twice', 'egress: [{toCIDR: [192.0.2.0/24]}, {toCIDR: [192.0.2.0/24]}]', 'duplicate-rule'],
    ['a range inside another', 'egress: [{toCIDR: [192.0.2.0/25]}, {toCIDR: [192.0.2.0/24]}]', 'shadowed-rule'],
    ['on more ports', `egress: [{toCIDR: [192.0.2.0/25]}, {toCIDR: [192.0.2.0/24], ${PORTS}}]`, undefined],
    [
      'other pods',
      'egress: [{toEndpoints: [{matchLabels: {a: b}}]}, {toEndpoints: [{matchLabels: {a: c}}]}]',
      undefined,
    ],
    ['what never leaves the pod', 'egress: [{toCIDR: [127.0.0.1/32]}]', 'unreachable-rule'],
  ])('%s', (_why, lists, code) => {
    expect(codes(cilium(lists))).toEqual(code === undefined ? [] : [code]);
  });

  test('a range of which an exception leaves what another rule says', () => {
    const whole = '{toCIDRSet: [{cidr: 192.0.2.0/24, except: [192.0.2.128/25]}]}';
    expect(codes(cilium(`egress: [${whole}, {toCIDR: [192.0.2.0/25]}]`))).toEqual(['shadowed-rule', 'shadowed-rule']);
  });

  test('thousands of rules are compared in seconds', { timeout: 10_000 }, () => {
    const denied = Array.from({ length: 5_000 }, (_, i) => `{toCIDR: [203.${i >> 8}.${i & 255}.128/25]}`);
    const again = '{toCIDR: [203.0.7.200/32]}';
    const lists = `egress: [{toEntities: [world]}], egressDeny: [${denied.join(', ')}, ${again}]`;
    expect(codes(cilium(lists))).toEqual(['shadowed-rule']);
  });

  test('the message says which rule makes it idle, and what to do', () => {
    const lists = 'egress: [{toCIDR: [192.0.2.0/25]}], egressDeny: [{toCIDR: [192.0.2.0/24]}]';
    expect(warnings(cilium(lists))).toMatchObject([
      {
        at: 'p.yaml:4:63',
        message:
          'nothing of this rule is ever allowed: egressDeny at p.yaml:4:103 denies all of it; remove one of them',
      },
    ]);
  });
});

describe('rules in order', () => {
  const everything = (action: string): string => `{action: ${action}, to: [{networks: ["0.0.0.0/0", "::/0"]}]}`;
  const one = '{action: Accept, to: [{networks: [192.0.2.0/24]}]}';
  const names =
    '{action: Accept, to: [{domainNames: [a.example.org]}], protocols: [{tcp: {destinationPort: {number: 443}}}]}';

  test.each<[why: string, egress: string, code: string | undefined]>([
    ['behind one that denies everything', `${everything('Deny')}, ${one}`, 'unreachable-rule'],
    ['that passes everything', `${everything('Pass')}, ${one}`, 'unreachable-rule'],
    ['that accepts everything', `${everything('Accept')}, ${one}`, 'unreachable-rule'],
    ['before it', `${one}, ${everything('Deny')}`, undefined],
    ['pods behind all addresses', `${everything('Deny')}, {action: Pass, to: [{namespaces: {}}]}`, 'unreachable-rule'],
    [
      'behind both halves',
      `{action: Deny, to: [{networks: ["0.0.0.0/0"]}]}, {action: Pass, to: [{networks: ["::/0"]}]}, ${one}`,
      'unreachable-rule',
    ],
    [
      'behind another port',
      `{action: Deny, to: [{networks: ["0.0.0.0/0"]}], protocols: [{tcp: {destinationPort: {number: 1}}}]}, ${one}`,
      undefined,
    ],
  ])('%s', (_why, egress, code) => {
    expect(codes(ordered(egress))).toEqual(code === undefined ? [] : [code]);
  });

  test('names behind all addresses, which can also not be looked up', () => {
    expect(codes(ordered(`${everything('Deny')}, ${names}`))).toEqual(['unreachable-rule', 'locks-dns-out']);
  });

  test('what only audits stops nobody', () => {
    const egress = `${everything('Deny')}, ${one}`;
    expect(codes(ordered(egress, '{namewall.io/mode: audit}'))).toEqual([]);
  });
});
