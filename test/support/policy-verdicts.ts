// What policies let pods do, asked as a person would: may this pod send that packet, may it ask for that name.
import { parseAddress } from '../../src/base/ip.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { compile, type CompileOptions } from '../../src/policy/compile.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import { decide } from '../../src/policy/match.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { judgePacket, type StaticPacket } from '../../src/policy/static-match.ts';

export class Verdicts {
  readonly #policy: CompiledPolicy;
  readonly #pods: readonly Pod[];

  constructor(policies: readonly Policy[], pods: readonly Pod[], options: CompileOptions = {}) {
    this.#policy = compile(policies, pods, { knowsAllPods: true, ...options });
    this.#pods = pods;
  }

  /**
   * `tcp 192.0.2.1 443`, `icmp 192.0.2.1 8`, `47 192.0.2.1`; `host` at the end: an address of the node itself; or a name in place of the address,
   * which the pod has looked up. `would-deny`: it passes and is told.
   */
  packet(podName: string, text: string): 'allow' | 'deny' | 'would-deny' {
    const program = this.#programOf(podName);
    if (program < 0) return 'allow';
    const [protocol = '', destination = '', port = '0', host] = text.split(' ');
    const address = parseAddress(destination);
    const granted = address === undefined ? decide(this.#policy, program, destination.split('.')).classes : [];
    const kind = (['tcp', 'udp', 'sctp', 'icmp', 'icmpv6'] as const).find((each) => each === protocol);
    const packet: StaticPacket = {
      address: address ?? parseAddress(SOMEWHERE)!,
      protocol: kind ?? Number(protocol),
      port: Number(port),
      isHost: host === 'host',
    };
    const { verdict, told } = judgePacket(this.#policy, program, packet, {
      isGranted: (classes) => classes.some((index) => granted.includes(index) && this.#covers(index, packet)),
      isNeverGranted: () => false,
    });
    const judged = verdict === 'none' ? (this.#policy.programs[program]?.otherwise ?? 'allow') : verdict;
    return judged === 'allow' && told.length > 0 ? 'would-deny' : judged;
  }

  /** Over which transports the pod may ask for the name: `udp,tcp`, `udp`, `tcp` or nothing. */
  asks(podName: string, name: string): string {
    const program = this.#programOf(podName);
    if (program < 0) return 'udp,tcp';
    const { mayAskUdp, mayAskTcp } = decide(this.#policy, program, name.split('.'));
    return [...(mayAskUdp ? ['udp'] : []), ...(mayAskTcp ? ['tcp'] : [])].join();
  }

  #programOf(podName: string): number {
    const index = this.#pods.findIndex(({ namespace, name }) => `${namespace}/${name}` === podName);
    if (index < 0) throw new Error(`No pod ${podName}`);
    return this.#policy.programOfPod[index] ?? -1;
  }

  #covers(index: number, { protocol, port }: StaticPacket): boolean {
    const ports = this.#policy.classes[index]?.ports ?? [];
    if (ports === 'all') return true;
    return ports.some((range) => range.protocol === protocol && range.first <= port && port <= range.last);
  }
}

/** What no policy of a test names by its address. */
const SOMEWHERE = '203.0.113.254';
