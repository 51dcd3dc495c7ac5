// Policies about addresses, the pods that they are about, and packets as one line of text: for the tests of static rules.
import { expect } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import type { Pod } from '../../../src/pods/pod.ts';
import { compile } from '../../../src/policy/compile.ts';
import type { CompiledPolicy } from '../../../src/policy/compiled.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { staticVerdict, type StaticPacket } from '../../../src/policy/static-match.ts';

export function pod(name: string, address: string, app: string, namespace = 'shop'): Pod {
  return { uid: `${namespace}/${name}`, namespace, name, labels: { app }, addresses: [address] };
}
const web = pod('web', '10.0.0.1', 'web');
const db = pod('db', '10.0.0.2', 'db');
const otherDb = pod('db', '10.0.0.3', 'db', 'other');
export const PODS = [web, db, otherDb];
/** The pods' own, a metadata service, a private range. */
const PROTECTED = ['10.0.0.0/16', '169.254.0.0/16', '100.64.0.0/10'];
export const OPTIONS = { knowsAllPods: true, protectedRanges: PROTECTED };

export function document(name: string, lists: string, kind = 'CiliumNetworkPolicy'): string {
  return `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: {endpointSelector: {matchLabels: {app: web}}, ${lists}}\n`;
}

export function read(...documents: readonly string[]): readonly Policy[] {
  const found = readPolicies(
    documents.join('---\n').replaceAll('metadata: {name: p', 'metadata: {namespace: shop, name: p'),
    'p.yaml',
  );
  if (!found.ok) throw new Error(JSON.stringify(found.problems));
  return found.value;
}

export const compiled = (...lists: readonly string[]): CompiledPolicy =>
  compile(read(...lists.map((list, i) => document(`p${i}`, list))), PODS, OPTIONS);

/** `tcp 192.0.2.1 443`, `icmp 192.0.2.1 8`, `47 192.0.2.1`; `host` at the end: an address of the node itself. */
export function packet(text: string): StaticPacket {
  const [protocol = '', address = '', port = '0', host] = text.split(' ');
  const named = (['tcp', 'udp', 'sctp', 'icmp', 'icmpv6'] as const).find((each) => each === protocol);
  return {
    address: parseAddress(address) ?? expect.fail(text),
    protocol: named ?? Number(protocol),
    port: Number(port),
    isHost: host === 'host',
  };
}

const isNeverGranted = (address: Uint8Array): boolean => address[12] === 169 && address[13] === 254;
export const verdictOf = (policy: CompiledPolicy, text: string) =>
  staticVerdict(policy, policy.programOfPod[0] ?? -1, packet(text), isNeverGranted).verdict;

export const allow = (item: string): string => `egress: [${item}]`;
export const deny = (item: string): string =>
  `egress: [{toEntities: [all]}, {toCIDR: [0.0.0.0/0]}], egressDeny: [${item}]`;
