// The compiler against the reference, on random documents and worlds. What the compiler does not read yet is left out entry by entry
// (`piecesOf`, `isRead`), and so are DNS servers, which it does not know yet.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress } from '../../src/base/ip.ts';
import { compile } from '../../src/policy/compile.ts';
import type { CompiledPolicy, NameRule, PortClass } from '../../src/policy/compiled.ts';
import { readPolicies } from '../../src/policy/dialects/read-policies.ts';
import { decide, ruleMatches } from '../../src/policy/match.ts';
import { allowRuleOf, denyRuleOf, type StaticPacket } from '../../src/policy/static-match.ts';
import { isInSomeRange, withNat64 } from './policy-reference/addresses.ts';
import type { CiliumRule, PolicyDocument } from './policy-reference/documents.ts';
import { cases } from './policy-reference/generate.ts';
import { ask, connect, isJudged } from './policy-reference/reference.ts';
import { labelsOf, type Destination, type World } from './policy-reference/world.ts';

/** Each entry of a Cilium policy as a policy of its own, enforced: one that is refused takes no other with it. */
function piecesOf(document: PolicyDocument): PolicyDocument[] {
  if (document.apiVersion !== 'cilium.io/v2') return [document];
  const { spec, specs = [], metadata, ...head } = document;
  const rules = [...(spec === undefined ? [] : [spec]), ...specs];
  const pieces = rules.flatMap(({ endpointSelector, egress = [], egressDeny = [] }): CiliumRule[] => [
    ...egress.map((entry) => ({ endpointSelector, egress: [entry] })),
    ...egressDeny.map((entry) => ({ endpointSelector, egressDeny: [entry] })),
  ]);
  const { 'namewall.io/mode': _, ...annotations } = metadata.annotations ?? {};
  return pieces.map((piece, i) => ({
    ...head,
    metadata: { ...metadata, name: `${metadata.name}-${i}`, annotations },
    spec: piece,
  }));
}

function isRead(document: PolicyDocument): boolean {
  return readPolicies(JSON.stringify(document), 'f').ok;
}

function compiledOf(documents: readonly PolicyDocument[], { pods, protectedRanges }: World): CompiledPolicy {
  const policies = documents.flatMap((document) => {
    const read = readPolicies(JSON.stringify(document), 'f');
    return read.ok ? read.value : expect.fail(JSON.stringify(read.problems));
  });
  const { everywhere, cluster, configured } = protectedRanges;
  return compile(
    policies,
    pods.map((pod) => ({ ...pod, uid: `${pod.namespace}/${pod.name}` })),
    { knowsAllPods: true, protectedRanges: [...everywhere, ...cluster, ...configured] },
  );
}

/** Deny rules, what names opened, allow rules: the order in which the kernel asks. */
function compiledVerdict(
  compiled: CompiledPolicy,
  program: number,
  destination: Destination,
  world: World,
): 'allow' | 'deny' {
  const { protocol, port, isHost } = destination;
  const packet = { protocol, port, isHost, address: parseAddress(destination.address) ?? expect.fail() };
  const everywhere = withNat64(world.protectedRanges.everywhere);
  const { names = [], segments = [] } = compiled.programs[program] ?? {};
  const granted = names.filter((rule) => isGranted(rule, destination, world)).flatMap(({ classes }) => classes);
  for (const segment of segments) {
    if (denyRuleOf(compiled, segment, packet) !== undefined) return 'deny';
    const opened = segment.classes.filter((index) => granted.includes(index));
    if (opened.some((index) => covers(compiled.classes[index], packet))) return 'allow';
    const isNeverGranted = (): boolean => isInSomeRange(destination.address, everywhere);
    if (allowRuleOf(compiled, segment, packet, isNeverGranted) !== undefined) return 'allow';
  }
  return 'deny';
}

function isGranted(rule: NameRule, { address, isHost, names }: Destination, { protectedRanges }: World): boolean {
  const { everywhere, cluster, configured } = protectedRanges;
  const isOpened = isInSomeRange(address, withNat64(rule.answerRanges ?? []));
  const closed = [...everywhere, ...cluster, ...(isOpened ? [] : configured)];
  const isNamed = names.some((name) => ruleMatches(rule, labelsOf(name)));
  return !isHost && isNamed && !isInSomeRange(address, withNat64(closed));
}

function covers(opened: PortClass | undefined, { protocol, port }: StaticPacket): boolean {
  if (opened === undefined || opened.ports === 'all') return opened !== undefined;
  return opened.ports.some((range) => range.protocol === protocol && range.first <= port && port <= range.last);
}

test('what is compiled means what the documents say', () => {
  fc.assert(
    fc.property(cases, ({ documents: all, world: drawn, destinations, queries }) => {
      const documents = all.flatMap(piecesOf).filter(isRead);
      const world = { ...drawn, dnsServers: [] };
      const compiled = compiledOf(documents, world);
      world.pods.forEach((pod, i) => {
        const program = compiled.programOfPod[i] ?? -1;
        expect(program >= 0).toBe(isJudged(documents, world, pod));
        if (program < 0) return;
        for (const destination of destinations) {
          const verdict = compiledVerdict(compiled, program, destination, world);
          expect([verdict, destination]).toEqual([connect(documents, world, pod, destination), destination]);
        }
        for (const { name, transport } of queries) {
          const { mayAskUdp, mayAskTcp } = decide(compiled, program, labelsOf(name));
          const verdict = (transport === 'udp' ? mayAskUdp : mayAskTcp) ? 'allow' : 'deny';
          expect([verdict, name, transport]).toEqual([ask(documents, world, pod, name, transport), name, transport]);
        }
      });
    }),
    { numRuns: 1000 },
  );
});
