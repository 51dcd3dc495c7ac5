// Random histories: what there is at first, and one change after the other, as sources report them.
import * as fc from 'fast-check';
import type { PolicyDocument } from './documents.ts';
import { documentAt } from './generate.ts';
import { otherPods, POD_NAMES, worlds } from './generate-world.ts';
import type { Pod, World } from './world.ts';

const PLACES = 5;

/** By place; undefined: none is there. */
export type Places = readonly (PolicyDocument | undefined)[];

export type Change =
  | { readonly kind: 'document'; readonly place: number; readonly document: PolicyDocument | undefined }
  /** The same text again, as when a file was touched. */
  | { readonly kind: 'reread'; readonly place: number }
  | { readonly kind: 'pod'; readonly pod: Pod }
  | { readonly kind: 'relabelled'; readonly name: string; readonly labels: Pod['labels'] }
  | { readonly kind: 'renumbered'; readonly name: string; readonly addresses: Pod['addresses'] }
  | { readonly kind: 'ports'; readonly name: string; readonly ports: NonNullable<Pod['ports']> }
  | { readonly kind: 'gone'; readonly name: string }
  /** The same pods in another order, as after a restart. */
  | { readonly kind: 'reordered' }
  | { readonly kind: 'surroundings'; readonly some: Partial<World> };

export interface History {
  readonly places: Places;
  readonly world: World;
  readonly changes: readonly Change[];
}

const maybeAt = (place: number) => fc.option(documentAt(place), { nil: undefined });
const podName = fc.constantFrom(...POD_NAMES);
/** One thing at a time. */
const parts = worlds.chain(({ pods: _pods, ...world }) =>
  fc.constantFrom<Partial<World>[]>(
    { nodes: world.nodes },
    { services: world.services },
    { namespaces: world.namespaces },
    { namespaces: world.namespaces },
    { dnsServers: world.dnsServers },
    { protectedRanges: world.protectedRanges },
  ),
);

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .nat(PLACES - 1)
      .chain((place) =>
        fc.record({ kind: fc.constant('document'), place: fc.constant(place), document: maybeAt(place) }),
      ),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reread'), place: fc.nat(PLACES - 1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pod'), pod: otherPods }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(podName, otherPods)
      .map(([each, { labels }]) => ({ kind: 'relabelled' as const, name: each, labels })),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reordered') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('gone'), name: podName }) },
  {
    weight: 2,
    arbitrary: otherPods.map(({ name: each, addresses }) => ({ kind: 'renumbered' as const, name: each, addresses })),
  },
  {
    weight: 2,
    arbitrary: otherPods.map(({ name: each, ports = [] }) => ({ kind: 'ports' as const, name: each, ports })),
  },
  { weight: 4, arbitrary: parts.map((some) => ({ kind: 'surroundings' as const, some })) },
);

export const histories: fc.Arbitrary<History> = fc.record({
  places: fc.tuple(...Array.from({ length: PLACES }, (_, place) => maybeAt(place))),
  world: worlds,
  changes: fc.array(change, { minLength: 1, maxLength: 8 }),
});

export function changedPlaces(places: Places, one: Change): Places {
  switch (one.kind) {
    case 'document':
      return places.with(one.place, one.document);
    case 'reread': {
      const document = places[one.place];
      return places.with(one.place, document && { ...document });
    }
    default:
      return places;
  }
}

export function changedWorld(world: World, one: Change): World {
  switch (one.kind) {
    case 'document':
    case 'reread':
      return world;
    case 'pod':
      return { ...world, pods: [...without(world, one.pod.name), one.pod] };
    case 'reordered':
      return { ...world, pods: world.pods.toReversed() };
    case 'gone':
      return { ...world, pods: without(world, one.name) };
    case 'surroundings':
      return { ...world, ...one.some };
    default: {
      const { kind: _kind, name: wanted, ...some } = one;
      return { ...world, pods: world.pods.map((pod) => (pod.name === wanted ? { ...pod, ...some } : pod)) };
    }
  }
}

function without({ pods }: World, name: string): Pod[] {
  return pods.filter((pod) => pod.name !== name);
}
