// Small pools, so that what is drawn meets: labels, selectors, CIDRs, ports, names, and what documents of all dialects have in common.
import * as fc from 'fast-check';
import { isRangeInside } from './addresses.ts';
import type { LabelSelector } from './documents.ts';
import type { Labels } from './world.ts';

export const NAMESPACES = ['shop', 'data', 'default', 'kube-system'] as const;
export const POD_LABELS = { app: ['web', 'db'], tier: ['a', 'b'], 'k8s-app': ['kube-dns'] };
export const NAMESPACE_LABELS = { team: ['a', 'b'], env: ['prod'] };
export const NODE_LABELS = { zone: ['a', 'b'], role: ['edge'] };
export const SERVICE_LABELS = { kind: ['store', 'gate'] };

/** Ports of pods by name: the same name is another port on another pod. */
export const NAMED_PORTS = [
  { name: 'https', port: 443, protocol: 'TCP' },
  { name: 'https', port: 8443, protocol: 'TCP' },
  { name: 'web', port: 80, protocol: 'TCP' },
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'stats', port: 8125, protocol: 'UDP' },
  { name: 'signal', port: 9000, protocol: 'SCTP' },
] as const;
export const PORT_NAMES = [...new Set(NAMED_PORTS.map(({ name }) => name))];
export const PORTS = [53, 80, 443, 8080, 9000];

/** As every dialect takes them: no bits behind the prefix. */
export const CIDRS = [
  '0.0.0.0/0',
  '0.0.0.0/1',
  '10.0.0.0/8',
  '10.1.0.0/24',
  '10.1.0.2/31',
  '10.1.0.53/32',
  '10.9.0.0/24',
  '10.9.0.1/32',
  '10.20.0.0/15',
  '10.20.3.0/24',
  '10.96.0.0/16',
  '10.96.0.10/32',
  '127.0.0.0/8',
  '169.254.0.0/15',
  '169.254.169.254/32',
  '192.0.2.0/24',
  '192.0.2.0/28',
  '192.0.2.8/29',
  '192.0.2.53/32',
  '198.51.100.0/24',
  '198.51.100.64/27',
  '::/0',
  '64:ff9b::/96',
  '64:ff9b::a9fe:0/112',
  '2001:db8::/32',
  '2001:db8:1::/64',
  '2001:db8:9::/64',
  '2001:db8:96::/48',
  '2001:db8:f::8/125',
  'fe80::/64',
];

export const NAMES = [
  'example.org',
  'www.example.org',
  'a.b.example.org',
  'db-1.example.org',
  'EXAMPLE.net',
  'api.example.net',
  'localhost',
  'a!b.example.org',
  '.',
];
export const MATCH_NAMES = ['example.org', 'WWW.example.org', 'api.example.net.', 'localhost'];
export const MATCH_PATTERNS = [
  '*',
  '**.',
  '*.example.org',
  '**.example.org',
  '*example.org',
  'db-*.example.org.',
  '*.**.example.org',
  '*.example.*',
];
export const DOMAIN_NAMES = ['example.org', '*.example.org', 'API.example.net.', '*.b.example.org'];

export function labels(pool: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Labels> {
  const some = Object.entries(pool).map(([key, values]) =>
    fc.option(
      fc.constantFrom(...values).map((value) => [key, value] as const),
      { nil: undefined },
    ),
  );
  return fc.tuple(...some).map((entries) => Object.fromEntries(entries.filter((entry) => entry !== undefined)));
}

/** Selects a good part of what has labels of the pool; `{}` often. */
export function selector(pool: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<LabelSelector> {
  const keys = Object.keys(pool);
  const expression = fc.constantFrom(...keys).chain((key) => {
    const values = fc.uniqueArray(fc.constantFrom(...(pool[key] ?? []), 'other'), { minLength: 1, maxLength: 2 });
    const isListed = fc.record({ key: fc.constant(key), operator: fc.constantFrom('In' as const, 'NotIn'), values });
    const isThere = fc.record({ key: fc.constant(key), operator: fc.constantFrom('Exists' as const, 'DoesNotExist') });
    return fc.oneof(isListed, isThere);
  });
  const one = fc.constantFrom(...keys).chain((key) => labels({ [key]: pool[key] ?? [] }));
  return fc.oneof(
    fc.constant({}),
    fc.record({ matchLabels: one }),
    fc.record({ matchLabels: one, matchExpressions: fc.array(expression, { maxLength: 2 }) }, { requiredKeys: [] }),
  );
}

/** A range with ranges that lie strictly inside it. */
export function exceptedRange(cidrs: readonly string[]): fc.Arbitrary<{ cidr: string; except?: string[] }> {
  return fc.constantFrom(...cidrs).chain((cidr) => {
    const inside = cidrs.filter((each) => isRangeInside(each, cidr) && !isRangeInside(cidr, each));
    if (inside.length === 0) return fc.constant({ cidr });
    const except = fc.uniqueArray(fc.constantFrom(...inside), { minLength: 1, maxLength: 2 });
    return fc.record({ cidr: fc.constant(cidr), except }, { requiredKeys: ['cidr'] });
  });
}

export interface PortSpan {
  readonly port: number;
  readonly endPort?: number;
}

export const portSpan: fc.Arbitrary<PortSpan> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...PORTS).map((port) => ({ port })) },
  fc.constantFrom({ port: 1, endPort: 1023 }, { port: 80, endPort: 443 }, { port: 444, endPort: 65535 }),
);

/** Often none. `more`: annotations that one dialect has for itself. */
export function annotations(more: Readonly<Record<string, string>> = {}): fc.Arbitrary<{ annotations?: Labels }> {
  const mode = fc.constantFrom('audit', 'audit', 'enforce').map((value) => ({ 'namewall.io/mode': value }));
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant({}) },
    { weight: 5, arbitrary: mode.map((annotation) => ({ annotations: annotation })) },
    { weight: 2, arbitrary: mode.map((annotation) => ({ annotations: { ...annotation, ...more } })) },
    { weight: 1, arbitrary: fc.constant({ annotations: { 'example.org/owner': 'ops', ...more } }) },
  );
}
