// Open connections after a change of policy (V8): those of pods whose program is another one are judged again, and cut where it does not allow
// them. First nothing opens any more (the grants are gone and the chains are switched), then their packets are refused in both directions, then
// conntrack forgets them: in any other order the far end's next packet would make it believe again.
import { createHash } from 'node:crypto';
import { formatAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { RecalledName } from '../bridge/protocol.ts';
import { applyText } from '../kernel/apply.ts';
import { MAX_FLOWS } from '../kernel/conntrack.ts';
import type { Conntrack } from '../kernel/conntrack.ts';
import type { Flow } from '../kernel/conntrack-flow.ts';
import { protectedRanges } from '../kernel/protected.ts';
import { cutText, uncutText } from '../kernel/cut.ts';
import { judgedText } from '../kernel/judged.ts';
import type { CutFlow } from '../kernel/cut.ts';
import type { RegisteredPod } from '../pods/registry.ts';
import type { AuditMode } from './audit-mode.ts';
import type { Config } from './config.ts';
import type { DatapathHost } from './datapath-host.ts';
import { extraRanges } from './inputs.ts';
import { FlowJudge } from './judge-flow.ts';
import type { State } from './state.ts';

/** Connections remembered as cut, to be let go when policy allows them again; the kernel forgets one a minute after its last packet. */
const REMEMBERED = 65_536;
/** One transaction: 15 ms. */
const FLOWS_AT_ONCE = 1_000;

type IsPod = (pod: RegisteredPod, i: number) => boolean;

export interface RevocationParts {
  readonly conntrack: Pick<Conntrack, 'flows' | 'delete'>;
  readonly datapath: Pick<DatapathHost, 'recall'>;
  /** Its pods lose no connection, and what was cut before is let go. */
  readonly auditMode: Pick<AuditMode, 'isAudited'>;
  readonly log: Logger;
  /** For the audit. */
  readonly tell: (flow: Flow, pod: RegisteredPod, reason: string, names: readonly RecalledName[]) => void;
}

interface OpenFlow {
  readonly flow: Flow;
  readonly pod: RegisteredPod;
  /** Index of the pod's program in the state that judges; -1: no policy selects it any more, or it is in audit mode. */
  readonly program: number;
  /** What its pod saw resolve to its destination. */
  readonly names?: readonly RecalledName[];
}

export class Revocation {
  readonly #config: Config;
  readonly #parts: RevocationParts;
  readonly #cut = new Map<string, Flow>();
  #judgedText = '';

  constructor(config: Config, parts: RevocationParts) {
    this.#config = config;
    this.#parts = parts;
  }

  /**
   * `state` is in force, chains and grants; `isChanged` says whose connections are judged, `isNew` which of them are pods that have nothing to do with
   * what their addresses did before: those of others go, whatever `onRevoke` says (I4). How many were cut. Throws KernelError.
   */
  async judgeAgain(state: State, isChanged: IsPod, isNew: IsPod): Promise<number> {
    const changed = this.#podsByAddress(state, (pod, i) => isChanged(pod, i) || isNew(pod, i));
    if (changed.size === 0) return 0;
    const judged = this.#config.onRevoke === 'cut' ? changed : this.#podsByAddress(state, isNew);
    await this.#letGo(state, changed);
    let cut = 0;
    for (;;) {
      const open =
        judged.size === 0 ? [] : this.#parts.conntrack.flows(({ source }) => judged.has(formatAddress(source)));
      const denied = await this.#denied(state, ofPods(open, judged));
      await this.#cutAll(denied, 'policy no longer allows it');
      cut += denied.length;
      if (open.length < MAX_FLOWS || denied.length === 0) return cut;
    }
  }

  /** Says in the kernel by which policy open connections were judged last: for the next start. Throws KernelError. */
  async remember(state: State): Promise<void> {
    const text = judgedText(judgements(this.#config, state));
    if (text === this.#judgedText) return;
    await applyText(text);
    this.#judgedText = text;
  }

  /** The table was made anew: nothing of that is there any more. */
  forget(): void {
    this.#judgedText = '';
  }

  /** Cuts connections for a reason of their own. Throws KernelError. */
  async cut(flows: readonly Flow[], state: State, reason: string): Promise<void> {
    const pods = this.#podsByAddress(state, ({ pod }) => !this.#parts.auditMode.isAudited(pod));
    await this.#cutAll(ofPods(flows, pods), reason);
  }

  #podsByAddress({ registry, compiled }: State, isMeant: (pod: RegisteredPod, i: number) => boolean): PodsByAddress {
    const found = registry.pods.flatMap((pod, i): [string, { pod: RegisteredPod; program: number }][] => {
      if (!isMeant(pod, i)) return [];
      const program = this.#parts.auditMode.isAudited(pod.pod) ? -1 : (compiled.programOfPod[i] ?? -1);
      return pod.pod.addresses.map((address) => [address, { pod, program }]);
    });
    return new Map(found);
  }

  async #denied(state: State, flows: readonly OpenFlow[]): Promise<OpenFlow[]> {
    const judge = new FlowJudge(this.#config, state);
    const questions = flows.map(({ flow, pod }) => ({ pod: pod.id, address: flow.replySource }));
    const names = await this.#parts.datapath.recall(questions);
    return flows
      .map((open, i) => ({ ...open, names: names[i] ?? [] }))
      .filter(({ flow, program, names: known }) => program >= 0 && !judge.isAllowed(program, flow, known));
  }

  /** What the kernel cannot remember as cut, because one pod made too many, is only forgotten by conntrack: TCP ends by that all the same. */
  async #cutAll(flows: readonly OpenFlow[], reason: string): Promise<void> {
    for (let at = 0; at < flows.length; at += FLOWS_AT_ONCE) {
      const some = flows.slice(at, at + FLOWS_AT_ONCE);
      const isRemembered = await this.#rememberCut(some);
      for (const { flow, pod, names = [] } of some) {
        this.#parts.conntrack.delete(flow);
        if (isRemembered) this.#cut.set(keyOf(flow), flow);
        this.#parts.tell(flow, pod, reason, names);
      }
    }
    for (const key of this.#cut.keys()) {
      if (this.#cut.size <= REMEMBERED) break;
      this.#cut.delete(key);
    }
  }

  async #rememberCut(flows: readonly OpenFlow[]): Promise<boolean> {
    try {
      await applyText(cutText(flows.map(({ flow }) => cutFlowOf(flow))));
      return true;
    } catch (error) {
      this.#parts.log.error({ error: String(error), flows: flows.length }, 'Cannot remember connections as cut');
      return false;
    }
  }

  /** What was cut and is allowed again, for example because a policy came back. */
  async #letGo(state: State, pods: PodsByAddress): Promise<void> {
    const cut = ofPods([...this.#cut.values()], pods);
    const denied = new Set((await this.#denied(state, cut)).map(({ flow }) => flow));
    const allowed = cut.flatMap(({ flow }) => (denied.has(flow) ? [] : [flow]));
    await applyText(uncutText(allowed.map(cutFlowOf)));
    for (const flow of allowed) this.#cut.delete(keyOf(flow));
  }
}

type PodsByAddress = ReadonlyMap<string, { readonly pod: RegisteredPod; readonly program: number }>;

function ofPods(flows: readonly Flow[], pods: PodsByAddress): OpenFlow[] {
  return flows.flatMap((flow) => {
    const found = pods.get(formatAddress(flow.source));
    return found === undefined ? [] : [{ flow, ...found }];
  });
}

/** Whether a pod is new, or its program or that one's destinations are others than before. */
export function changedBetween(before: State, after: State): (pod: RegisteredPod, i: number) => boolean {
  const former = new Map(before.registry.pods.map(({ id }, i) => [id, meaningOf(before, i)]));
  return ({ id }, i) => former.get(id) !== meaningOf(after, i);
}

/** Address → a hash that is equal for programs that allow the same. */
export function judgements(config: Config, state: State): ReadonlyMap<string, string> {
  const closed = JSON.stringify(protectedRanges(extraRanges(config, state.inputs)));
  return new Map(
    state.registry.pods.flatMap(({ pod }, i) => {
      const hash = createHash('sha256')
        .update(`${meaningOf(state, i)} ${closed}`)
        .digest('hex')
        .slice(0, 16);
      return pod.addresses.map((address): [string, string] => [address, hash]);
    }),
  );
}

/** Equal for programs that allow the same. */
function meaningOf({ compiled }: State, i: number): string {
  const program = compiled.programs[compiled.programOfPod[i] ?? -1];
  if (program === undefined) return '';
  const destinations = program.segments.flatMap(({ deny, pass, allow }) =>
    [...deny, ...pass, ...allow].map(({ to }) =>
      typeof to === 'number' ? compiled.destinations[to]?.cidrs.join() : to,
    ),
  );
  return [program.id, ...destinations].join(' ');
}

function cutFlowOf(flow: Flow): CutFlow {
  return {
    family: flow.family,
    pod: flow.source,
    peer: flow.replySource,
    protocol: flow.protocol,
    podPort: flow.sourcePort,
    peerPort: flow.replySourcePort,
  };
}

function keyOf({ source, replySource, protocol, sourcePort, replySourcePort }: Flow): string {
  return [formatAddress(source), formatAddress(replySource), protocol, sourcePort, replySourcePort].join(' ');
}
