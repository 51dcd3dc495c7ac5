// Policies from the cluster: CiliumNetworkPolicy objects → policies, each judged alone, so that one wrong object does not hold up the
// others. A refused object never opens a pod: its last good version stays in force, and without one it denies everything to its pods.
import type { Parsed, Problem } from '../../base/errors.ts';
import type { PolicyObject } from '../../kubernetes/objects.ts';
import { readCiliumPolicy } from '../dialects/cilium.ts';
import { readEndpointSelector } from '../dialects/cilium/selectors.ts';
import { ProblemList, type Node } from '../dialects/document.ts';
import { FieldReader } from '../dialects/fields.ts';
import { readJson } from '../dialects/json-document.ts';
import type { Policy, PolicyRule, PodSelector } from '../policy.ts';
import { compareText, portClass } from '../ports.ts';

/** Two sets in the kernel each, and 8,000 of them take nft seconds: what one tenant writes must not hold up the others' changes. */
const MOST_PORT_LISTS = 64;
const MOST_ADDRESS_SETS = 64;
const MOST_CIDRS = 4_096;
const MOST_PROBLEMS = 20;

export interface ClusterPolicies {
  readonly policies: readonly Policy[];
  readonly problems: readonly Problem[];
}

/** Remembers what each object was read into and which version of it was the last good one. */
export class PolicyHistory {
  /** Reading is a hundred times dearer than looking; an object that did not change is the same object. */
  readonly #read = new WeakMap<PolicyObject, Parsed<Policy>>();
  /** By uid: an object of the same name that was made anew does not inherit. */
  #lastGood: ReadonlyMap<string, PolicyObject>;
  #superseded: readonly PolicyObject[] = [];

  /** `former`: versions from before a restart; of one policy, the last in the list counts. */
  constructor(former: readonly PolicyObject[] = []) {
    this.#lastGood = new Map(former.map((object) => [object.metadata.uid, object]));
  }

  /** `objects`: all that there are now. What is remembered of others is forgotten. */
  judge(objects: readonly PolicyObject[]): ClusterPolicies {
    const policies: Policy[] = [];
    const problems: Problem[] = [];
    const lastGood = new Map<string, PolicyObject>();
    for (const object of objects.toSorted((a, b) => compareText(placeOf(a), placeOf(b)))) {
      const { uid } = object.metadata;
      const read = this.#readOnce(object);
      const good = read.ok ? object : this.#lastGood.get(uid);
      const former = good && this.#readOnce(good);
      if (good !== undefined && former?.ok === true) {
        lastGood.set(uid, good);
        policies.push(former.value);
      } else {
        policies.push(closed(object));
      }
      if (!read.ok) problems.push(refusal(object, former?.ok === true), ...read.problems);
    }
    this.#lastGood = lastGood;
    const newest = new Set(objects);
    this.#superseded = [...lastGood.values()].filter((object) => !newest.has(object));
    return { policies, problems };
  }

  /** Versions that are in force although a newer one stands in the cluster: only we have them, and a restart must not lose them. */
  superseded(): readonly PolicyObject[] {
    return this.#superseded;
  }

  #readOnce(object: PolicyObject): Parsed<Policy> {
    const known = this.#read.get(object);
    if (known !== undefined) return known;
    const read = readObject(object);
    this.#read.set(object, read);
    return read;
  }
}

/**
 * For namespaces whose labels are not known: whether a policy that asks for them selects a pod, nobody can say, so every pod there loses its
 * open egress until they are. What other policies allow it stays allowed.
 */
export function closeNamespaces(names: readonly string[]): ClusterPolicies {
  const policies = names.map((name): Policy => {
    const at = `Namespace ${name}`;
    return {
      kind: 'Namespace',
      namespace: name,
      name,
      at,
      rules: [{ at, selector: everyPod(name), isolates: true, egress: [] }],
    };
  });
  const message =
    'Cannot tell which policies select its pods: its labels are not known yet; they have no open egress until then';
  return { policies, problems: policies.map(({ at }) => ({ code: 'namespace-unknown', at, message })) };
}

function readObject(object: PolicyObject): Parsed<Policy> {
  const problems = new ProblemList();
  const document = readJson(object, placeOf(object), problems);
  const reader = new FieldReader(problems, 'own-and-namespace-labels');
  const policy = document?.kind === 'map' ? readCiliumPolicy(document, object.kind, reader) : undefined;
  if (policy === undefined || problems.count > 0) return { ok: false, problems: fewOf(problems.sorted(), object) };
  const lists = portListsOf(policy);
  const addresses = tooManyAddresses(policy);
  if (addresses !== undefined) {
    const message = `Use fewer addresses: the policy has ${addresses} are taken; each is in a set in the kernel of every node`;
    return { ok: false, problems: [{ code: 'too-many-addresses', at: placeOf(object), message }] };
  }
  if (lists <= MOST_PORT_LISTS) return { ok: true, value: policy };
  const message = `Use fewer port lists: the policy has ${lists} different ones, at most ${MOST_PORT_LISTS} are taken; each is a set in the kernel of every node`;
  return { ok: false, problems: [{ code: 'too-many-port-lists', at: placeOf(object), message }] };
}

/** Sets of addresses are the node's, too: a tenant may not make any number of them. */
function tooManyAddresses({ rules }: Policy): string | undefined {
  const peers = rules.flatMap(({ egress }) => egress.flatMap((each) => (each.kind === 'reach' ? [each.to] : [])));
  const sets = peers.filter((to) => to.some(({ kind }) => kind !== 'any' && kind !== 'host')).length;
  const cidrs = peers.flat().reduce((sum, peer) => sum + (peer.kind === 'cidr' ? 1 + peer.except.length : 0), 0);
  if (sets > MOST_ADDRESS_SETS) return `${sets} rules by address, at most ${MOST_ADDRESS_SETS}`;
  return cidrs > MOST_CIDRS ? `${cidrs} CIDRs and exceptions, at most ${MOST_CIDRS}` : undefined;
}

/** The first problems; a wrong object of a megabyte must not fill the log of every node. */
function fewOf(problems: readonly Problem[], object: PolicyObject): readonly Problem[] {
  const more = problems.length - MOST_PROBLEMS;
  if (more <= 0) return problems;
  const rest = { code: 'more-problems', at: placeOf(object), message: `Mend these first: there are ${more} more` };
  return [...problems.slice(0, MOST_PROBLEMS), rest];
}

function portListsOf({ rules }: Policy): number {
  const egress = rules.flatMap((rule) => rule.egress);
  return new Set(egress.flatMap((each) => (each.kind === 'connect' ? [portClass(each.ports).id] : []))).size;
}

function placeOf({ kind, metadata: { namespace, name } }: PolicyObject): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

function refusal(object: PolicyObject, isFormerInForce: boolean): Problem {
  const instead = isFormerInForce ? 'its last good version stays in force' : 'it allows nothing to the pods it selects';
  return { code: 'policy-refused', at: placeOf(object), message: `Cannot use this version of the policy: ${instead}` };
}

/**
 * What stands for an object that cannot be used: the same pods lose their open egress, and get nothing for it. A spec that denies, or that cannot be
 * told from one, also takes what other policies allow.
 */
function closed(object: PolicyObject): Policy {
  const { kind, metadata } = object;
  const at = placeOf(object);
  const specs = [...(object['spec'] === undefined ? [] : [object['spec']]), ...listed(object['specs'])];
  const rules = (specs.length === 0 ? [undefined] : specs).flatMap((spec): PolicyRule[] => {
    const selector = spec === undefined ? everyPod(metadata.namespace) : selectorOf(spec, object);
    if (selector === undefined) return [];
    return [{ at, selector, isolates: true, egress: [], ...(mayDeny(spec) ? { isFinal: true } : {}) }];
  });
  return { kind, namespace: metadata.namespace ?? '', name: metadata.name, at, rules };
}

function mayDeny(spec: unknown): boolean {
  return typeof spec !== 'object' || spec === null || Array.isArray(spec) || Object.hasOwn(spec, 'egressDeny');
}

/** `specs` that is no list is one unreadable spec. */
function listed(specs: unknown): readonly unknown[] {
  if (specs === undefined) return [];
  return Array.isArray(specs) ? specs : [specs];
}

/** Whom one spec selects: every pod of the namespace when that cannot be read. Undefined: a rule for nodes, which selects no pod. */
function selectorOf(spec: unknown, object: PolicyObject): PodSelector | undefined {
  const { namespace } = object.metadata;
  const problems = new ProblemList();
  const node = readJson(spec, placeOf(object), problems);
  if (node?.kind !== 'map') return everyPod(namespace);
  const entry = node.entries.get('endpointSelector');
  if (entry === undefined) return node.entries.has('nodeSelector') ? undefined : everyPod(namespace);
  return readSelector(entry.value, namespace, problems) ?? everyPod(namespace);
}

function readSelector(node: Node, namespace: string | undefined, problems: ProblemList): PodSelector | undefined {
  const selector = readEndpointSelector(node, namespace, new FieldReader(problems, 'own-and-namespace-labels'));
  return problems.count === 0 ? selector : undefined;
}

function everyPod(namespace: string | undefined): PodSelector {
  return namespace === undefined ? { requirements: [] } : { namespace, requirements: [] };
}
