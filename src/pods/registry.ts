// Gives each client a number that is never used again, and says what differs between two lists. The number stands for the uid, its
// addresses and its interface (I10): a client that comes back with others is another one to the kernel, and starts without grants.
import type { Brand } from '../base/brand.ts';
import type { Pod } from './pod.ts';

type PodId = Brand<number, 'PodId'>;

export interface RegisteredPod {
  readonly id: PodId;
  readonly pod: Pod;
}

/** One state; replaced as a whole. */
export interface Registry {
  readonly nextId: number;
  readonly pods: readonly RegisteredPod[];
}

export interface RegistryChange {
  readonly registry: Registry;
  readonly added: readonly RegisteredPod[];
  readonly removed: readonly RegisteredPod[];
  /** Same id, but other labels, its own or its namespace's, name or MAC address. */
  readonly changed: readonly { readonly before: RegisteredPod; readonly after: RegisteredPod }[];
}

export const EMPTY_REGISTRY: Registry = { nextId: 1, pods: [] };

/** `pods` is the whole new list; the registry's pods stay in its order. */
export function updateRegistry(registry: Registry, pods: readonly Pod[]): RegistryChange {
  const known = new Map(registry.pods.map((each) => [identityOf(each.pod), each]));
  let nextId = registry.nextId;
  const added: RegisteredPod[] = [];
  const changed: { before: RegisteredPod; after: RegisteredPod }[] = [];
  const registered = pods.map((pod) => {
    const identity = identityOf(pod);
    const before = known.get(identity);
    known.delete(identity);
    // `as`: the only place that makes a PodId.
    const after = { id: before?.id ?? (nextId++ as PodId), pod };
    if (before === undefined) added.push(after);
    else if (describe(before.pod) !== describe(pod)) changed.push({ before, after });
    return after;
  });
  return { registry: { nextId, pods: registered }, added, removed: [...known.values()], changed };
}

function identityOf(pod: Pod): string {
  return JSON.stringify([pod.uid, pod.addresses.toSorted(), pod.interface]);
}

function describe(pod: Pod): string {
  const namespaceLabels = pod.namespaceLabels && sorted(pod.namespaceLabels);
  return JSON.stringify([pod.namespace, pod.name, pod.mac, sorted(pod.labels), namespaceLabels]);
}

function sorted(labels: Pod['labels']): [key: string, value: string][] {
  return Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
