// CiliumCIDRGroup documents (cilium.io/v2 and v2alpha1): lists of ranges that toCIDRSet names, by name or by labels. A reference that
// leads nowhere is a problem: Cilium takes it for nothing, and a denial of nothing denies nothing.
import type { Parsed, Problem } from '../../../base/errors.ts';
import { selects } from '../../select.ts';
import type { MapNode, Node, Place } from '../document.ts';
import type { FieldReader } from '../fields.ts';
import { readMetadata } from '../metadata.ts';
import { readCidr } from './cidrs.ts';
import { readLabelSelector } from '../label-selectors.ts';
import { plainLabels } from './plain-labels.ts';

export const CIDR_GROUP_KIND = 'CiliumCIDRGroup';

const FIELDS = { what: `a ${CIDR_GROUP_KIND}`, known: ['apiVersion', 'kind', 'metadata', 'spec', 'status'] };
const SPEC_FIELDS = { what: 'the spec of a CiliumCIDRGroup', known: ['externalCIDRs'] };
const EMPTY = 'rules that name the group would open or deny nothing; list at least one, or remove the group';
const readGroupLabel = plainLabels('groups', ['cidrgroup:']);

export interface CidrGroup {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly cidrs: readonly string[];
  readonly at: string;
}

export function readCidrGroup(document: MapNode, reader: FieldReader): CidrGroup | undefined {
  reader.map(document, FIELDS);
  const metadata = readMetadata(document, { kind: CIDR_GROUP_KIND, noun: 'group', isClusterwide: true }, reader);
  const entry = reader.required(document, 'spec', 'the group', 'spec: {externalCIDRs: [192.0.2.0/24]}');
  const spec = entry && reader.map(entry.value, SPEC_FIELDS);
  const list = spec && reader.required(spec, 'externalCIDRs', SPEC_FIELDS.what, 'externalCIDRs: [192.0.2.0/24]');
  const items = list && reader.fullList(list.value, 'externalCIDRs', EMPTY);
  const cidrs = (items ?? []).flatMap((item) => readCidr(item, 'externalCIDRs', reader)?.text ?? []);
  if (metadata?.name === undefined) return undefined;
  return { name: metadata.name, labels: metadata.labels, cidrs, at: document.place.at };
}

/** The groups of a set of files, or that they are not all read yet. */
export class CidrGroups {
  readonly #groups: readonly CidrGroup[] | undefined;
  #isAsked = false;

  /** Undefined: they are not known yet, and every reference is left open. */
  constructor(groups?: readonly CidrGroup[]) {
    this.#groups = groups;
  }

  /** A reference was read: what was read of its document is not all. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  /** The ranges of the group that is named so. */
  named(node: Node, reader: FieldReader): readonly string[] | undefined {
    const name = reader.text(node, 'cidrGroupRef');
    if (name === undefined) return undefined;
    return this.#find(node.place, reader, {
      shown: `CiliumCIDRGroup ${JSON.stringify(name)}`,
      isMeant: (group) => group.name === name,
    });
  }

  /** The ranges of all groups that have these labels. */
  selected(node: Node, reader: FieldReader): readonly string[] | undefined {
    const parts = readLabelSelector(node, 'cidrGroupSelector', readGroupLabel, reader);
    if (parts === undefined) return undefined;
    if (parts.length === 0) {
      const message = 'Cannot use an empty cidrGroupSelector: it says nothing of groups; write their labels';
      return reader.fail(node.place, 'bad-selector', message);
    }
    const requirements = parts.map(({ requirement }) => requirement);
    const isMeant = ({ name, labels }: CidrGroup): boolean =>
      selects({ requirements }, { uid: '', namespace: '', name, labels, addresses: [] });
    return this.#find(node.place, reader, { shown: 'a CiliumCIDRGroup with these labels', isMeant });
  }

  #find(
    place: Place,
    reader: FieldReader,
    { shown, isMeant }: { readonly shown: string; readonly isMeant: (group: CidrGroup) => boolean },
  ): readonly string[] | undefined {
    this.#isAsked = true;
    if (this.#groups === undefined) return [];
    const found = this.#groups.filter(isMeant);
    if (found.length > 0) return found.flatMap(({ cidrs }) => cidrs);
    const message = `Cannot find ${shown}: no file has it; add the document, or list the ranges`;
    return reader.fail(place, 'unknown-group', message);
  }
}

/** A name may stand once. */
export function collectGroups(groups: readonly CidrGroup[]): Parsed<CidrGroups> {
  const first = new Map<string, CidrGroup>();
  const problems: Problem[] = [];
  for (const group of groups) {
    const known = first.get(group.name);
    if (known === undefined) first.set(group.name, group);
    else problems.push(duplicate(group, known));
  }
  return problems.length === 0 ? { ok: true, value: new CidrGroups(groups) } : { ok: false, problems };
}

function duplicate({ name, at }: CidrGroup, known: CidrGroup): Problem {
  const message = `Rename or remove CiliumCIDRGroup "${name}": it stands already at ${known.at}`;
  return { code: 'duplicate-group', at, message };
}
