import { describe, expect, test } from 'vitest';
import { cilium, codes, ordered, PORTS, warnings } from './linted.ts';

const named = (...items: readonly string[]): string => cilium(`egress: [{toFQDNs: [${items.join(', ')}], ${PORTS}}]`);
const pattern = (text: string): string => named(`{matchPattern: "${text}"}`);

describe('patterns', () => {
  test.each<[why: string, text: string, code: string | undefined]>([
    ['a star that ends in a domain', '*ok.com', 'no-dot-boundary'],
    ['in the middle of one', 'o*k.com', 'no-dot-boundary'],
    ['further left it helps nothing', 'www.*ok.com', 'no-dot-boundary'],
    ['below a suffix of two labels', '*ok.co.uk', 'no-dot-boundary'],
    ['in the last label', 'ok.c*', 'no-dot-boundary'],
    ['all domains of a suffix', '*.com', 'public-suffix'],
    ['and below', '**.com', 'public-suffix'],
    ['of a suffix of two labels', '*.co.uk', 'public-suffix'],
    ['where others have their sites', '*.github.io', 'public-suffix'],
    ['or their buckets', '*.s3.amazonaws.com', 'public-suffix'],
    ['everything', '*', 'broad-pattern'],
    ['everything of two labels', '*.*', 'broad-pattern'],
    ['names of one domain', '*.ok.com', undefined],
    ['of any depth', '**.ok.com', undefined],
    ['of a domain below two labels', '*.ok.co.uk', undefined],
    ['a part of a label below a domain', '*-cdn.ok.com', undefined],
    ['two of them', 'cdn*.*.ok.com', undefined],
    ['a site of one owner', '*.owner.github.io', undefined],
    ['a suffix of our own', '*.internal', undefined],
  ])('%s: %s', (_why, text, code) => {
    expect(codes(pattern(text))).toEqual(code === undefined ? [] : [code]);
  });

  test.each<[text: string, message: string]>([
    [
      '*OK.com.',
      'matchPattern "*OK.com." also matches domains of others, since a star does not end at a dot; write "ok.com" and "*.ok.com"',
    ],
    [
      'www.*ok.com',
      'matchPattern "www.*ok.com" also matches domains of others, since a star does not end at a dot; write the domain without a star',
    ],
    [
      '*.co.uk',
      'matchPattern "*.co.uk" matches names of anybody: "co.uk" is a public suffix, under which anybody has names; write the domains that are needed, for example "*.example.co.uk"',
    ],
    ['*', 'matchPattern "*" matches every name; write the domains that are needed, for example "*.example.com"'],
  ])('%s: the message says what is wrong and what to write', (text, message) => {
    expect(warnings(pattern(text))).toEqual([{ at: 'p.yaml:4:89', code: expect.any(String) as string, message }]);
  });

  test('of names that may only be asked nothing is said', () => {
    const dns = 'toPorts: [{ports: [{port: "53", protocol: ANY}], rules: {dns: [{matchPattern: "*"}]}}]';
    expect(codes(cilium(`egress: [{${dns}}]`))).toEqual([]);
  });

  test('a domain name of a ClusterNetworkPolicy', () => {
    const item =
      '{action: Accept, to: [{domainNames: ["*.co.uk"]}], protocols: [{tcp: {destinationPort: {number: 443}}}]}';
    expect(warnings(ordered(item)).map(({ code, message }) => [code, message.slice(0, 22)])).toEqual([
      ['public-suffix', 'domainNames "*.co.uk" '],
    ]);
  });
});

test.each<[name: string, code: string | undefined]>([
  ['{matchName: dns.google}', 'doh-resolver'],
  ['{matchName: DNS.Google.}', 'doh-resolver'],
  ['{matchPattern: "*.cloudflare-dns.com"}', 'doh-resolver'],
  ['{matchName: security.cloudflare-dns.com}', 'doh-resolver'],
  ['{matchName: dns10.quad9.net}', 'doh-resolver'],
  ['{matchName: google.com}', undefined],
])('resolvers over HTTPS: %s', (name, code) => {
  expect(codes(named(name))).toEqual(code === undefined ? [] : [code]);
});

test('a name that stands twice in a rule; a pattern is not its name', () => {
  expect(codes(named('{matchName: a.example.org}', '{matchName: A.example.org.}'))).toEqual(['duplicate-name']);
  expect(codes(named('{matchName: a.example.org}', '{matchPattern: a.example.org}'))).toEqual([]);
});

test('a name that a pattern of the rule matches', () => {
  expect(warnings(named('{matchPattern: "*.example.org"}', '{matchName: a.example.org}'))).toMatchObject([
    {
      code: 'shadowed-name',
      message:
        'matchName "a.example.org" is matched by matchPattern "*.example.org" at p.yaml:4:89 already; remove one of them',
    },
  ]);
  expect(codes(named('{matchPattern: "*.example.org"}', '{matchName: example.org}'))).toEqual([]);
});

test('names without ports: what to write is what the dialect has', () => {
  const [first] = warnings(cilium('egress: [{toFQDNs: [{matchName: a.example.org}]}]'));
  expect(first).toMatchObject({ code: 'all-ports', message: expect.stringContaining('write toPorts') as string });
  const [second] = warnings(ordered('{action: Accept, to: [{domainNames: [a.example.org]}]}'));
  expect(second).toMatchObject({ code: 'all-ports', message: expect.stringContaining('write protocols') as string });
});
