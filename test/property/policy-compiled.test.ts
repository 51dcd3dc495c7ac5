// The compiler against the reference, on random documents and worlds.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAddress } from '../../src/base/ip.ts';
import { compile } from '../../src/policy/compile.ts';
import type { CompiledPolicy, NameRule, Otherwise, PortClass } from '../../src/policy/compiled.ts';
import { ruleMatches } from '../../src/policy/match.ts';
import { judgePacket, type StaticPacket } from '../../src/policy/static-match.ts';
import { policiesOf, worldOf } from './policy-inputs.ts';
import { isInSomeRange, withNat64 } from './policy-reference/addresses.ts';
import { cases } from './policy-reference/generate.ts';
import { ask, connect, isJudged } from './policy-reference/reference.ts';
import { labelsOf, type Destination, type Transport, type World } from './policy-reference/world.ts';

function compiledVerdict(compiled: CompiledPolicy, program: number, destination: Destination, world: World): Otherwise {
  const { protocol, port, isHost } = destination;
  const packet = { protocol, port, isHost, address: parseAddress(destination.address) ?? expect.fail() };
  const everywhere = withNat64(world.protectedRanges.everywhere);
  const { names = [], otherwise = 'deny' } = compiled.programs[program] ?? {};
  const granted = names.filter((rule) => isGranted(rule, destination, world)).flatMap(({ classes }) => classes);
  const { verdict, told } = judgePacket(compiled, program, packet, {
    isGranted: (classes) => classes.some((k) => granted.includes(k) && covers(compiled.classes[k], packet)),
    isNeverGranted: () => isInSomeRange(destination.address, everywhere),
  });
  const decided = verdict === 'none' ? otherwise : verdict;
  return decided === 'allow' && told.length > 0 ? 'would-deny' : decided;
}

function compiledAnswer({ programs }: CompiledPolicy, program: number, name: string, transport: Transport): Otherwise {
  const { names = [], unlisted, isTold } = programs[program] ?? {};
  const asking = names.filter((rule) => (transport === 'udp' ? rule.askUdp : rule.askTcp));
  if (!asking.some((rule) => ruleMatches(rule, labelsOf(name)))) return unlisted?.[transport] ?? 'deny';
  return isTold?.[transport] === true ? 'would-deny' : 'allow';
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

/** Sets of policies; each is asked about several pods, destinations and names. */
const SETS = Number(process.env['CASES'] ?? 4_200);

test('what is compiled means what the documents say, in 100,000 cases', { timeout: 300_000 }, () => {
  let compared = 0;
  fc.assert(
    fc.property(cases, ({ documents, world, destinations, queries }) => {
      const { pods, ...surroundings } = worldOf(world);
      const compiled = compile(documents.flatMap(policiesOf), pods, surroundings);
      expect(new Set(compiled.destinations.map(({ key }) => key)).size).toBe(compiled.destinations.length);
      world.pods.forEach((pod, i) => {
        const program = compiled.programOfPod[i] ?? -1;
        expect(program >= 0).toBe(isJudged(documents, world, pod));
        if (program < 0) return;
        for (const destination of destinations) {
          const verdict = compiledVerdict(compiled, program, destination, world);
          const wanted = connect(documents, world, pod, destination);
          if (verdict !== wanted) expect([verdict, pod, destination]).toEqual([wanted, pod, destination]);
        }
        for (const { name, transport } of queries) {
          const verdict = compiledAnswer(compiled, program, name, transport);
          const wanted = ask(documents, world, pod, name, transport);
          if (verdict !== wanted) expect([verdict, pod, name, transport]).toEqual([wanted, pod, name, transport]);
        }
        compared += destinations.length + queries.length;
      });
    }),
    { numRuns: SETS },
  );
  expect(compared).toBeGreaterThan(SETS < 4_200 ? 0 : 100_000);
});
