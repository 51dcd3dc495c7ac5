// A compiler that follows changes against one that never saw anything else. Numbers in tables may differ: what they stand for is compared.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Compiler } from '../../src/policy/compile.ts';
import type { CompiledPolicy, Program, StaticRule } from '../../src/policy/compiled.ts';
import type { Policy, PolicyRule } from '../../src/policy/policy.ts';
import { Selection } from '../../src/policy/selection.ts';
import type { World } from '../../src/policy/world.ts';
import { isAccepted, policiesOf, worldOf } from './policy-inputs.ts';
import type { PolicyDocument } from './policy-reference/documents.ts';
import { changedPlaces, changedWorld, histories, type History } from './policy-reference/generate-changes.ts';

const numRuns = Number(process.env['CASES'] ?? 300);

interface Inputs {
  readonly policies: readonly Policy[];
  readonly world: World;
}

/** What the compiler is given at first and after each change: a document that stays is read once. */
function inputsOf({ places, world, changes }: History): Inputs[] {
  const read = new Map<PolicyDocument, readonly Policy[]>();
  const readOnce = (document: PolicyDocument): readonly Policy[] => {
    const known = read.get(document) ?? (isAccepted(document) ? policiesOf(document) : []);
    read.set(document, known);
    return known;
  };
  const states = [{ places, world }];
  for (const change of changes) {
    const { places: before, world: worldBefore } = states.at(-1) ?? expect.fail();
    states.push({ places: changedPlaces(before, change), world: changedWorld(worldBefore, change) });
  }
  return states.map((state) => ({
    policies: state.places.flatMap((document) => (document === undefined ? [] : readOnce(document))),
    world: worldOf(state.world),
  }));
}

/** Everything that is handed out, without an index in it. */
function meaning(compiled: CompiledPolicy): unknown {
  const { classes, programs, programOfPod, answerRanges } = compiled;
  return {
    ofPods: programOfPod.map((index) =>
      index < 0 ? undefined : meaningOf(programs[index] ?? expect.fail(), compiled),
    ),
    classes: classes.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    programs: programs.map(({ id }) => id),
    answerRanges,
  };
}

function meaningOf(program: Program, { classes, destinations, rules }: CompiledPolicy): unknown {
  const idsOf = (indexes: readonly number[]) => indexes.map((index) => classes[index]?.id ?? expect.fail()).toSorted();
  const ruleAt = (index: number) => rules[index] ?? expect.fail();
  const placeOf = (index: number) => {
    const { key, cidrs } = destinations[index] ?? expect.fail();
    return { key, cidrs: cidrs.toSorted() };
  };
  const written = ({ to, rule, ...rest }: StaticRule) => ({
    ...rest,
    to: typeof to === 'number' ? placeOf(to) : to,
    rule: ruleAt(rule),
  });
  return {
    ...program,
    names: program.names.map((each) => ({ ...each, classes: idsOf(each.classes), rule: ruleAt(each.rule) })),
    classes: idsOf(program.classes),
    segments: program.segments.map((segment) => ({
      ...segment,
      deny: segment.deny.map(written),
      pass: segment.pass.map(written),
      classes: idsOf(segment.classes),
      allow: segment.allow.map(written),
    })),
    isolatedBy: program.isolatedBy.map(ruleAt),
    auditedBy: program.auditedBy.map(ruleAt),
    toldBy: [program.toldBy.udp, program.toldBy.tcp].map((rule) => (rule < 0 ? undefined : ruleAt(rule))),
  };
}

test('after every change the compiler says what a new one says', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const compiler = new Compiler();
      for (const { policies, world } of inputsOf(history)) {
        const fresh = new Compiler().compile(policies, world);
        expect(meaning(compiler.compile(policies, world))).toEqual(meaning(fresh));
      }
    }),
    { numRuns },
  );
});

test('what was handed out stays as it was', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const compiler = new Compiler();
      const handedOut = inputsOf(history).map(({ policies, world }) => {
        const compiled = compiler.compile(policies, world);
        return { compiled, copy: structuredClone(compiled) };
      });
      for (const { compiled, copy } of handedOut) expect(compiled).toEqual(copy);
    }),
    { numRuns: Math.ceil(numRuns / 4) },
  );
});

test('programs that no change is about are the same objects', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const compiler = new Compiler();
      const steps = inputsOf(history).map((inputs): Step => {
        const compiled = compiler.compile(inputs.policies, inputs.world);
        return { inputs, compiled, linked: linkedOf(inputs, compiled) };
      });
      for (const [i, after] of steps.slice(1).entries()) {
        const before = steps[i] ?? expect.fail();
        if (isAllAnew(before.inputs.world, after.inputs.world) || losesClasses(before.compiled, after.inputs)) continue;
        const areOther = hasOtherPods(before.inputs, after.inputs);
        for (const { rules, program } of after.linked) {
          if (areOther && isAboutOtherPods(rules)) continue;
          const known = before.linked.find((each) => isSame(each.rules, rules));
          if (known !== undefined) expect(program).toBe(known.program);
        }
      }
    }),
    { numRuns },
  );
});

interface Step {
  readonly inputs: Inputs;
  readonly compiled: CompiledPolicy;
  readonly linked: readonly Linked[];
}

interface Linked {
  readonly rules: readonly PolicyRule[];
  readonly program: Program;
}

/** Without programs that stand for others of the same content, too: which of them is handed out depends on the order of pods. */
function linkedOf({ policies, world }: Inputs, { programs, programOfPod }: CompiledPolicy): readonly Linked[] {
  const linked = new Selection().of(policies, world.pods).flatMap((selecting, i): Linked[] => {
    const program = programs[programOfPod[i] ?? -1];
    return program === undefined ? [] : [{ rules: selecting.map(({ rule }) => rule), program }];
  });
  return linked.filter(({ rules, program }) =>
    linked.every((other) => other.program !== program || isSame(other.rules, rules)),
  );
}

/** All that rules depend on beside policies and pods, and the pods that may stand for the DNS servers. */
function isAllAnew(before: World, after: World): boolean {
  const textOf = ({ pods, ...rest }: World): string =>
    JSON.stringify([
      rest,
      pods.filter(
        (pod) => pod.namespace === 'kube-system' || pod.addresses.some((each) => rest.dnsServers.includes(each)),
      ),
    ]);
  return textOf(before) !== textOf(after);
}

/** A class that nobody uses any more is not kept, and then everything is made anew. */
function losesClasses({ classes }: CompiledPolicy, { policies, world }: Inputs): boolean {
  const used = new Set(new Compiler().compile(policies, world).classes.map(({ id }) => id));
  return classes.some(({ id }) => !used.has(id));
}

/** Named ports: which numbers there are depends on who is there. */
function isAboutOtherPods(rules: readonly PolicyRule[]): boolean {
  return rules.some(({ egress }) =>
    egress.some((each) => each.kind === 'reach' && each.namedPorts !== undefined && each.namedPorts.length > 0),
  );
}

function hasOtherPods(before: Inputs, after: Inputs): boolean {
  return JSON.stringify(before.world.pods) !== JSON.stringify(after.world.pods);
}

function isSame(a: readonly PolicyRule[], b: readonly PolicyRule[]): boolean {
  return a.length === b.length && a.every((rule, i) => rule === b[i]);
}
