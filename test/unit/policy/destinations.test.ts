import { describe, expect, test } from 'vitest';
import type { Node, Pod, Service } from '../../../src/pods/pod.ts';
import {
  addressesOf,
  includesHost,
  mayMissOne,
  podsOf,
  protectedIntervals,
  type Surroundings,
} from '../../../src/policy/destinations.ts';
import type { Peer, ReachRule } from '../../../src/policy/policy.ts';

const pod = (name: string, namespace: string, ...addresses: string[]): Pod => ({
  uid: name,
  namespace,
  name,
  labels: { app: name },
  addresses,
});
const node = (name: string, isLocal: boolean, address: string): Node => ({
  name,
  labels: { name },
  addresses: [address],
  isLocal,
});
const SERVICES: readonly Service[] = [
  { namespace: 'shop', name: 'db', labels: {}, selector: { app: 'db' }, addresses: ['10.96.0.7'] },
  { namespace: 'shop', name: 'outside', labels: { kind: 'store' }, addresses: ['192.0.2.20'] },
];
const ALL: Surroundings = {
  pods: [pod('db', 'shop', '10.1.0.2', '2001:db8:1::2'), pod('db', 'data', '10.1.0.3'), pod('web', 'shop', '10.1.0.4')],
  knowsAllPods: true,
  nodes: [node('here', true, '10.9.0.1'), node('there', false, '10.9.0.2')],
  services: SERVICES,
  protectedRanges: protectedIntervals(['169.254.0.0/16']),
};

const cidr = (text: string, ...except: string[]): Peer => ({ kind: 'cidr', cidr: text, except });
const nodes = (name?: string): Peer => ({
  kind: 'nodes',
  requirements: name === undefined ? [] : [{ subject: { kind: 'label', key: 'name' }, operator: 'In', values: [name] }],
});
const remote: Peer = { kind: 'nodes', requirements: [], isRemote: true };
const service = (name: string): Peer => ({ kind: 'services', namespace: 'shop', name, requirements: [] });
const dbs: Peer = {
  kind: 'pods',
  selector: { requirements: [{ subject: { kind: 'label', key: 'app' }, operator: 'In', values: ['db'] }] },
};

const OPEN: ReachRule['verdict'] = 'allow';

describe('addresses', () => {
  test.each<[why: string, peers: Peer[], verdict: ReachRule['verdict'], addresses: string[]]>([
    ['of a CIDR without its exceptions', [cidr('192.0.2.0/30', '192.0.2.2/31')], OPEN, ['192.0.2.0/31']],
    [
      'an exception is not one of another CIDR',
      [cidr('192.0.2.0/30', '192.0.2.1'), cidr('192.0.2.1')],
      OPEN,
      ['192.0.2.0/30'],
    ],
    ['a broad range opens nothing protected', [cidr('169.252.0.0/14')], OPEN, ['169.252.0.0/15', '169.255.0.0/16']],
    ['nor behind NAT64', [cidr('64:ff9b::a9fe:0/111')], OPEN, ['64:ff9b::a9ff:0/112']],
    ['a range inside is meant', [cidr('169.254.169.254/32')], OPEN, ['169.254.169.254']],
    ['with its exceptions', [cidr('169.254.0.0/30', '169.254.0.0/31')], OPEN, ['169.254.0.2/31']],
    ['what exceptions leave of a range is not meant', [cidr('169.254.0.0/15', '169.255.0.0/16')], OPEN, []],
    ['a denial has no gaps', [cidr('169.252.0.0/14')], 'deny', ['169.252.0.0/14']],
    ['nor has a Pass', [cidr('169.252.0.0/14')], 'pass', ['169.252.0.0/14']],
    ['of pods', [dbs], OPEN, ['10.1.0.2', '2001:db8:1::2', '10.1.0.3']],
    ['of nodes', [nodes()], OPEN, ['10.9.0.1', '10.9.0.2']],
    ['of nodes by their labels', [nodes('there')], OPEN, ['10.9.0.2']],
    ['of other nodes', [remote], OPEN, ['10.9.0.2']],
    ['of a Service’s pods, not its own', [service('db')], OPEN, ['10.1.0.2', '2001:db8:1::2']],
    ['of a Service without pods', [service('outside')], OPEN, ['192.0.2.20']],
    ['once', [dbs, service('db')], OPEN, ['10.1.0.2', '2001:db8:1::2', '10.1.0.3']],
    ['none of whoever has no list', [{ kind: 'any' }, { kind: 'host' }], OPEN, []],
  ])('%s', (_why, to, verdict, addresses) => {
    expect(addressesOf({ to, verdict }, ALL)).toEqual(addresses);
  });

  test('where not all pods are known, none of them', () => {
    expect(
      addressesOf({ to: [dbs, service('db'), service('outside')], verdict: 'allow' }, { ...ALL, knowsAllPods: false }),
    ).toEqual(['192.0.2.20']);
  });
});

describe('pods that a peer means', () => {
  test.each<[why: string, peer: Peer, names: string[]]>([
    ['all of them', { kind: 'any' }, ['shop/db', 'data/db', 'shop/web']],
    ['by a selector', dbs, ['shop/db', 'data/db']],
    ['of a Service, in its namespace', service('db'), ['shop/db']],
    ['with an address in a CIDR', cidr('10.1.0.0/30', '10.1.0.3'), ['shop/db']],
    ['none on nodes', nodes(), []],
  ])('%s', (_why, peer, names) => {
    expect(podsOf(peer, ALL).map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(names);
  });
});

describe('whoever may be missed', () => {
  const unknownPods = { ...ALL, knowsAllPods: false };
  test.each<[why: string, peer: Peer, surroundings: Surroundings, isMissed: boolean]>([
    ['nobody where all is known: pods', dbs, ALL, false],
    ['Services', service('db'), ALL, false],
    ['nodes', nodes(), ALL, false],
    ['pods, where not all are known', dbs, unknownPods, true],
    ['those of Services, too', service('db'), unknownPods, true],
    ['Services, where none are known', service('db'), { ...ALL, services: undefined }, true],
    ['nodes, where none are known', nodes(), { ...ALL, nodes: undefined }, true],
    ['not nodes, where pods are not known', nodes(), unknownPods, false],
    ['no CIDR', cidr('10.0.0.0/8'), { ...unknownPods, services: undefined, nodes: undefined }, false],
  ])('%s', (_why, peer, surroundings, isMissed) => expect(mayMissOne(peer, surroundings)).toBe(isMissed));
});

describe('the node itself', () => {
  test.each<[why: string, peer: Peer, isMeant: boolean]>([
    ['as host', { kind: 'host' }, true],
    ['as one of all nodes', nodes(), true],
    ['as one that the selector selects', nodes('here'), true],
    ['not as one that it does not select', nodes('there'), false],
    ['not as one of the others', remote, false],
    ['not by its address', cidr('10.9.0.1'), false],
  ])('%s', (_why, peer, isMeant) => expect(includesHost(peer, ALL)).toBe(isMeant));
});
