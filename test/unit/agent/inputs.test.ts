import { expect, test } from 'vitest';
import { fingerprintOf, fixedOf } from '../../../src/agent/inputs.ts';
import { inputs } from './inputs.ts';

const POD = { uid: 'u1', namespace: 'shop', name: 'cart', labels: { app: 'cart' }, addresses: ['10.244.1.7'] };
const POLICY = { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'egress', at: 'f:1:1', rules: [] };

test.each([
  ['nothing', {}, true],
  ['upstreams: the data plane alone is told', { zones: [{ zone: '.', servers: [] }] }, true],
  ['problems: nobody is told', { problems: [{ code: 'c', at: 'a', message: 'm' }] }, true],
  ['a pod', { pods: [] }, false],
  ['a label of a pod', { pods: [{ ...POD, labels: { app: 'mail' } }] }, false],
  ['a policy', { policies: [] }, false],
  ['the ranges of unknown pods', { guardedRanges: ['10.244.1.0/24'] }, false],
])('rules and verdicts stay as they are when this changes: %s', (_why, change, same) => {
  const before = inputs({ pods: [POD], policies: [POLICY] });
  expect(fingerprintOf({ ...before, ...change }) === fingerprintOf(before)).toBe(same);
});

test.each([
  ['pods, policies and upstreams', { pods: [POD], policies: [POLICY], zones: [{ zone: '.', servers: [] }] }, true],
  ['another DNS server', { dnsServers: ['10.96.0.11'] }, false],
  ['the first DNS server', { dnsServers: [] }, false],
  ['another protected range', { protectedRanges: [{ cidr: '10.244.2.0/24', reason: 'pod-range' }] }, false],
])('the data plane can take it up while it runs: %s', (_why, change, can) => {
  expect(fixedOf(inputs(change)) === fixedOf(inputs())).toBe(can);
});
