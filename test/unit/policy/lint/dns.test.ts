import { expect, test } from 'vitest';
import { cilium, codes, networkPolicy, ordered, PORTS, warnings } from './linted.ts';

const NAME = `{toFQDNs: [{matchName: a.example.org}], ${PORTS}}`;
const DOMAIN =
  '{action: Accept, to: [{domainNames: [a.example.org]}], protocols: [{tcp: {destinationPort: {number: 443}}}]}';
const DENY = '{action: Deny, to: [{networks: ["0.0.0.0/0", "::/0"]}]}';
const DNS = '{action: Accept, to: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}}]}';

test.each<[why: string, text: string, code: string | undefined]>([
  [
    'names whose lookups are denied',
    cilium(`egress: [${NAME}], egressDeny: [{toPorts: [{ports: [{port: "53"}]}]}]`),
    'locks-dns-out',
  ],
  ['by a denial of everybody', cilium(`egress: [${NAME}], egressDeny: [{toEntities: [all]}]`), 'locks-dns-out'],
  ['another port denied', cilium(`egress: [${NAME}], egressDeny: [{toPorts: [{ports: [{port: "54"}]}]}]`), undefined],
  [
    'one server denied of which nobody knows the address',
    cilium(`egress: [${NAME}], egressDeny: [{toCIDR: [192.0.2.53/32]}]`),
    undefined,
  ],
  ['domain names before a denial of all', ordered(`${DOMAIN}, ${DENY}`), 'locks-dns-out'],
  ['with DNS accepted first', ordered(`${DNS}, ${DOMAIN}, ${DENY}`), undefined],
  ['a denial of all without names', ordered(DENY), undefined],
  [
    'a NetworkPolicy that lists addresses',
    networkPolicy('{to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 443}]}'),
    'no-dns',
  ],
  [
    'that allows port 53, too',
    networkPolicy('{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}, {ports: [{port: 53, protocol: UDP}]}'),
    'open-dns',
  ],
  ['that allows a range in which a server may be', networkPolicy('{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}'), undefined],
  [
    'port 53 of the cluster DNS',
    networkPolicy(
      '{to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [{port: 53, protocol: UDP}]}',
    ),
    undefined,
  ],
  ['port 53 of everybody', cilium('egress: [{toPorts: [{ports: [{port: "53"}]}]}]'), 'open-dns'],
  ['among other ports', cilium('egress: [{toPorts: [{ports: [{port: "53"}, {port: "443"}]}]}]'), undefined],
  ['that denies everything', networkPolicy(''), undefined],
])('%s', (_why, text, code) => {
  expect(codes(text)).toEqual(code === undefined ? [] : [code]);
});

const named = (policy: string, name: string): string => policy.replace('name: p', `name: ${name}`);
const priority = (policy: string, number: number, subject = '{namespaces: {}}'): string =>
  policy.replace('priority: 1', `priority: ${number}`).replace('{namespaces: {}}', subject);
const PAYMENTS = '{namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}';
const LISTS = networkPolicy('{to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 443}]}');
const ASKS = '{to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]}';
const SOME = 'podSelector: {matchLabels: {app: cart}}';

test.each<[why: string, policies: string[], code: string | undefined]>([
  ['accepted by a lower number', [priority(ordered(DNS), 0), ordered(`${DOMAIN}, ${DENY}`)], undefined],
  ['by a higher one', [priority(ordered(DNS), 2), ordered(`${DOMAIN}, ${DENY}`)], 'locks-dns-out'],
  ['for some of its pods', [priority(ordered(DNS), 0, PAYMENTS), ordered(`${DOMAIN}, ${DENY}`)], 'locks-dns-out'],
  ['for more of them', [priority(ordered(DNS), 0), priority(ordered(`${DOMAIN}, ${DENY}`), 1, PAYMENTS)], undefined],
  ['allowed by another NetworkPolicy', [networkPolicy(ASKS), LISTS], undefined],
  ['for all of its pods', [networkPolicy(ASKS), LISTS.replace('podSelector: {}', SOME)], undefined],
  ['for some of its pods by a NetworkPolicy', [networkPolicy(ASKS).replace('podSelector: {}', SOME), LISTS], 'no-dns'],
  ['in another namespace', [networkPolicy(ASKS).replace('namespace: shop', 'namespace: other'), LISTS], 'no-dns'],
  ['by an administrator', [priority(ordered(DNS), 0, PAYMENTS), LISTS], undefined],
  ['after it', [ordered(DNS).replace('Admin', 'Baseline'), LISTS], 'no-dns'],
])('DNS %s', (_why, policies, code) => {
  const text = policies.map((policy, i) => named(policy, `p${i}`)).join('---\n');
  expect(codes(text)).toEqual(code === undefined ? [] : [code]);
});

test('the message says which rule it is', () => {
  expect(warnings(ordered(`${DOMAIN}, ${DENY}`))).toMatchObject([
    {
      at: 'p.yaml:4:107',
      message:
        '"a.example.org" can never be looked up: port 53 is denied at p.yaml:4:180, and not accepted before; accept it in a rule before that one',
    },
  ]);
});
