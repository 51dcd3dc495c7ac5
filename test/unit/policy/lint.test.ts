import { describe, expect, test } from 'vitest';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import { lint } from '../../../src/policy/lint.ts';
import type { Pod } from '../../../src/pods/pod.ts';

const PORTS = 'toPorts: [{ports: [{port: "443", protocol: TCP}]}]';

function warnings(egress: string, pods?: readonly Pod[]): string[] {
  const text = `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {endpointSelector: {matchLabels: {app: cart}}, egress: [${egress}]}\n`;
  const read = readPolicies(text, 'p.yaml');
  if (!read.ok) return expect.fail(JSON.stringify(read.problems));
  return lint(read.value, pods).map(({ at, code, message }) => `${at}: ${code}: ${message}`);
}

const codes = (egress: string): string[] => warnings(egress).map((line) => line.split(': ')[1] ?? '');

describe('patterns', () => {
  test.each([
    ['*ok.com', ['no-dot-boundary']],
    ['o*k.com', ['no-dot-boundary']],
    ['www.*ok.com', ['no-dot-boundary']],
    ['ok.c*', ['no-dot-boundary']],
    ['*.com', ['broad-pattern']],
    ['**.com', ['broad-pattern']],
    ['*', ['broad-pattern']],
    ['*.*', ['broad-pattern']],
    ['*.ok.com', []],
    ['**.ok.com', []],
    ['*-cdn.ok.com', []],
    ['cdn*.*.ok.com', []],
  ])('%s', (pattern, expected) => {
    expect(codes(`{toFQDNs: [{matchPattern: "${pattern}"}], ${PORTS}}`)).toEqual(expected);
  });

  test('the message says where, and what to write', () => {
    expect(warnings(`{toFQDNs: [{matchPattern: "*OK.com."}], ${PORTS}}`)).toEqual([
      'p.yaml:4:89: no-dot-boundary: "*ok.com" also matches domains of others, since a star does not end at a dot; write "ok.com" and "*.ok.com"',
    ]);
  });

  test('of names that may only be asked nothing is said', () => {
    const dns = 'toPorts: [{ports: [{port: "53", protocol: ANY}], rules: {dns: [{matchPattern: "*"}]}}]';
    expect(codes(`{${dns}}`)).toEqual([]);
  });
});

test.each([
  ['{matchName: dns.google}', ['doh-resolver']],
  ['{matchName: DNS.Google.}', ['doh-resolver']],
  ['{matchPattern: "*.cloudflare-dns.com"}', ['doh-resolver']],
  ['{matchName: google.com}', []],
])('resolvers over HTTPS: %s', (name, expected) => {
  expect(codes(`{toFQDNs: [${name}], ${PORTS}}`)).toEqual(expected);
});

test('a name that stands twice in a rule; a pattern is not its name', () => {
  expect(codes(`{toFQDNs: [{matchName: a.example}, {matchName: A.example.}], ${PORTS}}`)).toEqual(['duplicate-name']);
  expect(codes(`{toFQDNs: [{matchName: a.example}, {matchPattern: a.example}], ${PORTS}}`)).toEqual([]);
});

test('names without ports', () => {
  expect(codes('{toFQDNs: [{matchName: a.example}]}')).toEqual(['all-ports']);
});

test('a selector that selects nobody, where it is known who there is', () => {
  const pod = (app: string): Pod => ({
    uid: '1',
    name: 'c',
    namespace: 'shop',
    labels: { app },
    addresses: ['10.0.1.7'],
  });
  const rule = `{toFQDNs: [{matchName: a.example}], ${PORTS}}`;
  expect(warnings(rule, [pod('cart')])).toEqual([]);
  expect(warnings(rule, undefined)).toEqual([]);
  expect(warnings(rule, [pod('desk')])).toEqual([
    expect.stringContaining('selects-nobody: selects none of the clients: look at its labels and its namespace'),
  ]);
});
