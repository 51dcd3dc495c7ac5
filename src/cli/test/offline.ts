// Verdicts from policies and clients alone: what the compiled policy would let pass. Asks nobody, so it knows neither what a name
// resolves to nor whether anybody listens there.
import { assertNever } from '../../base/errors.ts';
import { ADDRESS_BYTES, parseAddress } from '../../base/ip.ts';
import { parseNameText } from '../../dns/name.ts';
import { NEVER_GRANTED, RangeMatcher } from '../../kernel/protected.ts';
import type { Pod } from '../../pods/pod.ts';
import { ownAddresses } from '../../pods/sources/file.ts';
import { compile } from '../../policy/compile.ts';
import type { CompiledPolicy, PortClass, StaticRule, Tier } from '../../policy/compiled.ts';
import { decide, nameLabels, type NameVerdict } from '../../policy/match.ts';
import { takesPort } from '../../policy/ports.ts';
import { isEverywhere, staticVerdict } from '../../policy/static-match.ts';
import type { AskCheck, ConnectCheck, Prober, Seen, Source } from './case.ts';
import { findClient } from './clients.ts';
import type { Setting } from './setting.ts';

const NOT_SELECTED = -1;
const OPEN = 'no rule mentions it, and no policy that is enforced isolates the client';

export type PolicySetting = Pick<
  Setting,
  'clients' | 'nodes' | 'services' | 'policies' | 'protectedRanges' | 'dnsServers'
>;

export class PolicyProber implements Prober {
  readonly #clients: readonly Pod[];
  /** This node itself has them. */
  readonly #ownAddresses: ReadonlySet<string>;
  readonly #compiled: CompiledPolicy;
  readonly #neverGranted: RangeMatcher;
  readonly #closed: readonly string[];

  constructor({ clients, nodes, services, policies, protectedRanges: ranges, dnsServers }: PolicySetting) {
    this.#clients = clients;
    this.#ownAddresses = ownAddresses({ nodes });
    this.#closed = ranges.map(({ cidr }) => cidr);
    this.#compiled = compile(policies, clients, {
      knowsAllPods: true,
      nodes,
      services,
      dnsServers,
      protectedRanges: this.#closed,
    });
    this.#neverGranted = new RangeMatcher(NEVER_GRANTED); // what `any` leaves out in the kernel (kernel/static-sets.ts)
  }

  see(source: Source, check: ConnectCheck | AskCheck): Promise<Seen> {
    return Promise.resolve(this.#see(source, check));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #see(source: Source, check: ConnectCheck | AskCheck): Seen {
    const program = this.#programOf(source);
    if (typeof program === 'string') return { kind: 'unknown', detail: program };
    return check.kind === 'ask' ? this.#ask(program, check) : this.#connect(program, check);
  }

  /** Or why there is none. */
  #programOf(source: Source): number | string {
    if (source.kind === 'host') return NOT_SELECTED; // processes of the host itself are not judged
    const found = findClient(this.#clients, source);
    if (!found.ok) return found.why;
    return this.#compiled.programOfPod[this.#clients.indexOf(found.pod)] ?? NOT_SELECTED;
  }

  #ask(program: number, { name, expect }: AskCheck): Seen {
    if (expect !== 'answered' && expect !== 'denied') {
      return { kind: 'skipped', detail: `policy alone does not tell whether an answer is "${expect}"` };
    }
    if (program === NOT_SELECTED) return seen('answered', 'no policy selects the client');
    const verdict = this.#decide(program, name);
    return verdict.mayAskUdp ? seen('answered', 'a rule lets it be asked') : seen('denied', 'no rule names it');
  }

  #connect(program: number, check: ConnectCheck): Seen {
    const { to } = check;
    if (program === NOT_SELECTED) return seen('allowed', 'no policy selects the client');
    switch (to.kind) {
      case 'name':
        return this.#connectToName(program, to.text, check);
      case 'address':
        return this.#connectToAddresses(program, [to.text], check);
      case 'pod':
      case 'deployment':
      case 'statefulset':
      case 'daemonset': {
        const found = findClient(this.#clients, to);
        if (!found.ok) return { kind: 'unknown', detail: found.why };
        return this.#connectToAddresses(program, found.pod.addresses, check);
      }
      default:
        return assertNever(to);
    }
  }

  /** Of its addresses only what holds for every address is known. */
  #connectToName(program: number, name: string, { protocol, port }: ConnectCheck): Seen {
    const { classes, mayAskUdp } = this.#decide(program, name);
    const opened = classes.filter((index) => opens(this.#compiled.classes[index], protocol, port));
    const isForAll = (rule: StaticRule, closed: readonly string[] = []): boolean =>
      takesPort(rule.traffic, protocol, port) && isEverywhere(this.#compiled, rule, closed);
    let passed: Tier | undefined;
    for (const segment of this.#compiled.programs[program]?.segments ?? []) {
      if (segment.tier === passed) continue;
      const denials = segment.deny.filter(({ isAudited }) => isAudited !== true);
      if (denials.some((rule) => isForAll(rule))) return seen('blocked', 'a rule denies that port everywhere');
      if (segment.pass.some((rule) => isForAll(rule))) passed = segment.tier;
      if (segment.tier === passed || !mayAskUdp) continue;
      const isGranted = segment.classes.some((index) => opened.includes(index));
      if (isGranted) return seen('allowed', 'a rule opens that port to what it resolves to');
      const isOpened = segment.allow.some((rule) => isForAll(rule, this.#closed));
      if (isOpened) return seen('allowed', 'a rule allows that port everywhere');
    }
    if (mayAskUdp && this.#isOpen(program)) return seen('allowed', OPEN);
    return seen('blocked', mayAskUdp ? 'it may be asked, but no rule opens that port' : 'no rule names it');
  }

  #connectToAddresses(program: number, addresses: readonly string[], { protocol, port }: ConnectCheck): Seen {
    const verdicts = addresses.map((text) => {
      const address = parseAddress(text) ?? new Uint8Array(ADDRESS_BYTES); // canonical: it was parsed before
      const packet = { address, protocol, port, isHost: this.#ownAddresses.has(text) };
      return staticVerdict(this.#compiled, program, packet, (each) => this.#neverGranted.includes(each, 0));
    });
    const isOpen = this.#isOpen(program) && verdicts.some(({ verdict }) => verdict === 'none');
    const allowing = verdicts.find(({ verdict }) => verdict === 'allow');
    if (allowing === undefined && isOpen) return seen('allowed', OPEN);
    const decisive = allowing ?? verdicts.find(({ rule }) => rule >= 0);
    if (decisive === undefined) {
      return seen('blocked', 'no rule allows that address and port; what a name grants is not looked at');
    }
    const rule = this.#compiled.rules[decisive.rule];
    const by = rule === undefined ? 'a rule' : `${rule.kind} ${rule.name} at ${rule.at}`;
    return decisive.verdict === 'allow' ? seen('allowed', `by ${by}`) : seen('blocked', `by ${by}`);
  }

  /** What no rule mentions passes, told or not. */
  #isOpen(program: number): boolean {
    return this.#compiled.programs[program]?.otherwise !== 'deny';
  }

  #decide(program: number, name: string): NameVerdict {
    const wire = parseNameText(name) ?? new Uint8Array(1); // it was parsed before
    return decide(this.#compiled, program, nameLabels(wire));
  }
}

function seen(actual: string, detail: string): Seen {
  return { kind: 'seen', actual, addresses: null, detail };
}

function opens(portClass: PortClass | undefined, protocol: 'tcp' | 'udp', port: number): boolean {
  if (portClass === undefined) return false;
  return portClass.ports === 'all' || takesPort({ ports: portClass.ports, icmp: [] }, protocol, port);
}
