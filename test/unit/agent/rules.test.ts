import { describe, expect, test } from 'vitest';
import { closedInKernel, extraRanges } from '../../../src/agent/inputs.ts';
import { areServed, between } from '../../../src/agent/rules.ts';
import { stateOf as compiledState, type State } from '../../../src/agent/state.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import { RangeMatcher } from '../../../src/kernel/protected.ts';
import type { ProtectedRange } from '../../../src/kernel/protected.ts';
import type { Pod } from '../../../src/pods/pod.ts';
import { EMPTY_REGISTRY } from '../../../src/pods/registry.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import { inputs } from './inputs.ts';

/** A policy for the pods named `app`: each name with its port. */
function policyOf(app: string, names: Readonly<Record<string, number>>): string {
  const rules = Object.entries(names).map(
    ([name, port]) =>
      `    - toFQDNs: [{matchName: ${name}}]\n      toPorts: [{ports: [{port: "${port}", protocol: TCP}]}]\n`,
  );
  return `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: ${app}, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: ${app}}}
  egress:\n${rules.join('')}`;
}

const pod = (app: string): Pod => ({
  uid: app,
  namespace: 'shop',
  name: app,
  labels: { app },
  addresses: [`10.0.1.${app.charCodeAt(0)}`],
});

function stateOf(apps: readonly string[], policies: readonly string[], before?: State): State {
  const all = policies.flatMap((text) => {
    const read = readPolicies(text, 'policies.yaml');
    return read.ok ? read.value : expect.fail(JSON.stringify(read.problems));
  });
  const state = compiledState(inputs({ pods: apps.map(pod), policies: all }), before?.registry ?? EMPTY_REGISTRY, {
    protect: { ranges: [], cidrs: [] },
  });
  return state.ok ? state.value : expect.fail('too many pods');
}

/** For each pod the classes that its chain asks, sorted; undefined where none judges it. */
function asked({ registry, compiled }: State): Record<string, string[] | undefined> {
  return Object.fromEntries(
    registry.pods.map(({ pod: { name } }, i) => {
      const program = compiled.programs[compiled.programOfPod[i] ?? -1];
      return [name, program?.classes.map((k) => compiled.classes[k]?.id ?? 'none').toSorted()];
    }),
  );
}

function change(
  before: readonly [apps: readonly string[], policies: readonly string[]],
  after: readonly [apps: readonly string[], policies: readonly string[]],
) {
  const old = stateOf(...before);
  const next = stateOf(...after, old);
  return { old, next, middle: between(old, next) };
}

const WEB = policyOf('web', { 'a.example.org': 443 });

test.each<[string, Parameters<typeof change>, Record<string, string[] | undefined>]>([
  [
    'nothing changed',
    [
      [['web'], [WEB]],
      [['web'], [WEB]],
    ],
    { web: ['tcp443'] },
  ],
  [
    'ports that are added: what was granted stays open, what will be is already asked',
    [
      [['web'], [WEB]],
      [['web'], [policyOf('web', { 'a.example.org': 443, 'b.example.org': 80 })]],
    ],
    { web: ['tcp443', 'tcp80'] },
  ],
  [
    'ports that are replaced by others: both are open, in a class of the old state, too',
    [
      [['web'], [WEB]],
      [['web'], [policyOf('web', { 'a.example.org': 8443 })]],
    ],
    { web: ['tcp443', 'tcp8443'] },
  ],
  [
    'a pod that no policy selected stays open until its grants are made',
    [
      [['web'], []],
      [['web'], [WEB]],
    ],
    { web: undefined },
  ],
  [
    'a pod that no policy selects any more is open at once',
    [
      [['web'], [WEB]],
      [['web'], []],
    ],
    { web: undefined },
  ],
  [
    'a new pod is closed from the beginning',
    [
      [['web'], [WEB]],
      [
        ['web', 'api'],
        [WEB, policyOf('api', { 'c.example.org': 53 })],
      ],
    ],
    { web: ['tcp443'], api: ['tcp53'] },
  ],
  [
    'a pod that is gone is in no rule',
    [
      [['web', 'api'], [WEB]],
      [['web'], [WEB]],
    ],
    { web: ['tcp443'] },
  ],
])('between two states: %s', (_why, [before, after], want) => {
  expect(asked(change(before, after).middle)).toEqual(want);
});

const OTHER_WEB = WEB.replace('443', '8443');
const denying = (cidr: string) => `${WEB}  egressDeny:\n    - toCIDR: [${cidr}]\n`;
const allowing = (cidr: string) => `${WEB}    - toCIDR: [${cidr}]\n`;
const cluster = (app: string) => `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: cluster}
spec:
  tier: Admin
  priority: 1
  subject: {pods: {podSelector: {matchLabels: {app: ${app}}}}}
  egress: [{action: Deny, to: [{networks: [192.0.2.0/24]}]}]
`;

test.each<[why: string, before: string[], after: string[], isServed: boolean]>([
  ['a name that comes', [WEB], [policyOf('web', { 'a.example.org': 443, 'b.example.org': 443 })], true],
  ['a name that goes, with its port', [policyOf('web', { 'a.example.org': 443, 'b.example.org': 80 })], [WEB], true],
  ['a port that comes', [WEB], [OTHER_WEB], false],
  ['a denial that comes', [WEB], [denying('192.0.2.0/24')], false],
  ['a denial that goes', [denying('192.0.2.0/24')], [WEB], false],
  ['a denial of another range', [denying('192.0.2.0/24')], [denying('198.51.100.0/24')], false],
  ['a range that is opened', [WEB], [allowing('192.0.2.0/24')], false],
  ['a rule before the names', [WEB], [WEB, cluster('web')], false],
  ['isolation that goes, of a pod that is judged all the same', [WEB, cluster('web')], [cluster('web')], false],
  ['a pod that nothing selects any more', [WEB], [], false],
])('whether the rules before serve meanwhile: %s', (_why, before, after, isServed) => {
  const { old, next } = change([['web'], before], [['web'], after]);
  expect(areServed(old, next)).toBe(isServed);
});

test('a pod whose program changes is judged by both, each pair once; one whose program stays is not', () => {
  const { old, next, middle } = change(
    [
      ['web', 'api', 'aux'],
      [WEB, policyOf('api', { 'a.example.org': 80 }), policyOf('aux', { 'c.example.org': 53 })],
    ],
    [
      ['web', 'api', 'aux'],
      [OTHER_WEB, policyOf('aux', { 'c.example.org': 53 }), cluster('api')],
    ],
  );
  const idOf = ({ compiled }: State, i: number) => compiled.programs[compiled.programOfPod[i] ?? -1]?.id;
  expect([0, 1, 2].map((i) => idOf(middle, i))).toEqual([
    `${idOf(next, 0)}_${idOf(old, 0)}`,
    `${idOf(next, 1)}_${idOf(old, 1)}`,
    idOf(next, 2),
  ]);
  const [web, api, aux] = middle.compiled.programs;
  expect(web?.former?.otherwise).toBe('deny');
  expect([web?.classes, api?.classes].map((each) => each?.map((k) => middle.compiled.classes[k]?.id))).toEqual([
    ['tcp8443', 'tcp443'],
    ['tcp80'],
  ]);
  expect(aux?.former).toBeUndefined();
});

test('what a rule named before stands beside what it names now; where it is the same it stands once', () => {
  const { next, middle } = change(
    [['web'], [denying('192.0.2.0/24')]],
    [['web'], [denying('198.51.100.0/24').replace('443', '80'), cluster('web')]],
  );
  const { destinations, programs } = middle.compiled;
  const placeIn = (segments: State['compiled']['programs'][number]['segments'] = []) =>
    segments.find(({ tier }) => tier === 'normal')?.deny.map(({ to }) => destinations[Number(to)]);
  const key = 'CiliumNetworkPolicy/shop/web#1';
  expect(placeIn(programs[0]?.former?.segments)).toEqual([{ key: `${key} before`, cidrs: ['192.0.2.0/24'] }]);
  expect(placeIn(programs[0]?.segments)).toEqual([{ key, cidrs: ['198.51.100.0/24'] }]);
  expect(destinations.slice(0, next.compiled.destinations.length)).toEqual(next.compiled.destinations);
  const { middle: same } = change(
    [['web'], [denying('192.0.2.0/24')]],
    [['web'], [denying('192.0.2.0/24'), cluster('web')]],
  );
  expect(same.compiled.destinations.map((each) => each.key)).toEqual(
    expect.not.arrayContaining([expect.stringContaining('before')]),
  );
});

test('every class that a chain asks is declared, and those of the next state keep their numbers', () => {
  const { next, middle } = change([['web'], [WEB]], [['web'], [policyOf('web', { 'a.example.org': 80 })]]);
  const { classes, programs } = middle.compiled;
  expect(classes.slice(0, next.compiled.classes.length)).toEqual(next.compiled.classes);
  expect(classes.map(({ id }) => id).toSorted()).toEqual(['tcp443', 'tcp80']);
  for (const program of programs) {
    for (const k of program.classes) expect(classes[k]).toBeDefined();
    expect(program.classes).toEqual(program.classes.toSorted((a, b) => a - b));
  }
});

test('the next state is not changed by it', () => {
  const { old, next } = change([['web'], [WEB]], [['web'], [policyOf('web', { 'a.example.org': 80 })]]);
  const [oldCopy, nextCopy] = [structuredClone(old), structuredClone(next)];
  between(old, next);
  expect([old, next]).toEqual([oldCopy, nextCopy]);
});

test('what the cluster is known to have is protected beside what the configuration says', () => {
  const protect = { ranges: ['ula' as const], cidrs: ['198.51.100.0/24'] };
  const ofCluster = [{ cidr: '10.244.1.0/24', reason: 'pod-range' }];
  expect(extraRanges({ protect }, inputs({ protectedRanges: ofCluster }))).toEqual({
    protect: ['ula'],
    cidrs: [{ cidr: '198.51.100.0/24', reason: 'configured' }, ...ofCluster],
  });
});

describe('what some names may be granted although it is protected', () => {
  const opening = (ranges: string) =>
    policyOf('web', { 'a.example.org': 80 }).replace(
      'name: web,',
      `name: web, annotations: {namewall.io/allow-answer-ranges: "${ranges}"},`,
    );
  const isClosed = (ranges: readonly ProtectedRange[], address: string): boolean =>
    new RangeMatcher(ranges).includes(parseAddress(address) ?? expect.fail(address), 0);

  test('the kernel leaves out what internal zones and rules open, and nothing of the cluster', () => {
    const config = {
      protect: { ranges: ['rfc1918' as const], cidrs: [] },
      internalZones: [{ zone: 'corp.example', ranges: ['10.20.0.0/16', '10.244.0.0/16'] }],
    };
    const state = inputs({ protectedRanges: [{ cidr: '10.244.1.0/24', reason: 'pod-range' }] });
    const closed = closedInKernel(config, state, ['192.168.7.0/24']);
    const addresses = ['10.20.0.1', '10.21.0.1', '192.168.7.1', '192.168.8.1', '10.244.1.1', '10.244.2.1'];
    expect(addresses.filter((address) => isClosed(closed, address))).toEqual([
      '10.21.0.1',
      '192.168.8.1',
      '10.244.1.1',
    ]);
  });

  test('it is open in the kernel before the data plane grants it, and as long as it still may', () => {
    const { old, next, middle } = change([['web'], [opening('10.20.0.0/16')]], [['web'], [opening('10.21.0.0/16')]]);
    expect(middle.compiled.answerRanges).toEqual(['10.20.0.0/16', '10.21.0.0/16']);
    expect([areServed(old, next), areServed(old, old)]).toEqual([false, true]);
  });

  test('rules that open more than the next state does serve it', () => {
    const { old, next } = change(
      [['web'], [opening('10.20.0.0/16, 10.21.0.0/16')]],
      [['web'], [opening('10.21.0.0/16')]],
    );
    expect(areServed(old, next)).toBe(true);
  });
});
