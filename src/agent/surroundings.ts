// Whether what surrounds the agent lets it enforce: the checks of `namewall doctor`, once at the start and then again and again, and what only a
// running agent can see, from counters. What fails keeps the agent from being ready; it is told once, and with the command that mends it.
import { formatAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { Counters } from '../bridge/counters.ts';
import type { Conntrack } from '../kernel/conntrack.ts';
import { runProgram } from '../kernel/program.ts';
import { readCounters } from '../kernel/table-dump.ts';
import type { TableReader } from '../kernel/table-reader.ts';
import type { Config } from './config.ts';
import { DoctorContext } from './doctor/context.ts';
import { ALL, examine, REPEATED } from './doctor/examine.ts';
import type { Finding } from './doctor/finding.ts';
import { procFiles } from './doctor/proc-files.ts';
import { BypassWatch, InterceptionWatch } from './doctor/watches.ts';
import type { Health } from './health.ts';
import type { State } from './state.ts';

const LOOK_MS = 10_000;
/** What the agent knows better itself: it has tried to renew a grant, and asking whether it is ready would be asking itself. */
const OWN: readonly string[] = ['readiness', 'renewal'];
/** Packets of selected pods that came by, wherever they ended. */
const CHAIN_COUNTERS = [
  'judged',
  'spoofed',
  'query_limit',
  'intercepted',
  'agent_down',
  'tcp_refused',
  'not_syn',
  'cut',
];

export interface SurroundingsParts {
  readonly health: Health;
  readonly log: Logger;
  readonly reader: TableReader;
  readonly counters: Counters;
  readonly state: () => State;
  readonly conntrack: Pick<Conntrack, 'flows'>;
}

export class Surroundings {
  readonly #config: Config;
  readonly #parts: SurroundingsParts;
  readonly #interception = new InterceptionWatch();
  readonly #bypass = new BypassWatch();
  #told = new Map<string, string>();
  #warnings: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void>;

  /** Looks at everything at once, and then every ten seconds. Our sockets must be open. */
  constructor(config: Config, parts: SurroundingsParts) {
    this.#config = config;
    this.#parts = parts;
    parts.health.warnOf(() => this.#warnings);
    this.#looking = this.#lookOnce(ALL);
    this.#again();
  }

  /** Resolves when the first look is over. */
  get first(): Promise<void> {
    return this.#looking;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#looking;
    clearTimeout(this.#timer);
  }

  #again(): void {
    this.#timer = setTimeout(() => {
      this.#looking = this.#lookOnce(REPEATED).finally(() => this.#again());
    }, LOOK_MS);
  }

  /** Nothing that it looks at may end the process. */
  async #lookOnce(checks: typeof ALL): Promise<void> {
    try {
      await this.#look(checks);
    } catch (error) {
      this.#parts.log.warn({ error: String(error) }, 'Cannot look at what is around: trying again');
    }
  }

  async #look(checks: typeof ALL): Promise<void> {
    const { mode, mark, routingTable } = this.#config;
    const { dnsServers } = this.#parts.state().inputs;
    const own = { run: runProgram, files: procFiles, ownPid: process.pid };
    const context = new DoctorContext({ mode, mark, routingTable, dnsServers, ...own });
    const wanted = checks.filter(([name]) => !OWN.includes(name));
    const findings = [...(await examine(context, wanted)), ...this.#watch(await receivedPackets(this.#parts.state()))];
    this.#tell(findings);
  }

  /** What counters say: packets that are taken and do not arrive, pods that send and are never seen. */
  #watch(rxPackets: number): Finding[] {
    const { reader, counters } = this.#parts;
    const kernel = readCounters(reader);
    const count = (name: string): number => kernel.get(name) ?? 0;
    const received = counters.read().queries_received;
    const seen = CHAIN_COUNTERS.reduce((sum, name) => sum + count(name), 0);
    const findings: Finding[] = [];
    if (this.#interception.look(count('intercepted'), received)) {
      findings.push({
        check: 'interception',
        status: 'fail',
        found: 'DNS packets are intercepted, and none arrives: another program drops them in its INPUT chain',
        mend: `nft insert rule FAMILY TABLE CHAIN meta mark '&' 0x${this.#config.mark.toString(16)} != 0 accept`,
      });
    }
    if (this.#bypass.look(rxPackets, seen) && !this.#isTracked()) {
      findings.push({
        check: 'bypass',
        status: 'fail',
        found:
          'selected pods send packets, and none reaches our chains: this CNI bypasses netfilter, nothing is enforced',
        mend: 'namewall doctor',
      });
    }
    return findings;
  }

  /** Packets of open connections are counted by none of our rules; but where conntrack knows them netfilter sees them. */
  #isTracked(): boolean {
    const { registry, compiled } = this.#parts.state();
    const selected = new Set(
      registry.pods.flatMap(({ pod }, i) => ((compiled.programOfPod[i] ?? -1) >= 0 ? pod.addresses : [])),
    );
    return this.#parts.conntrack.flows(({ source }) => selected.has(formatAddress(source))).length > 0;
  }

  #tell(findings: readonly Finding[]): void {
    const { health, log } = this.#parts;
    const wrong = findings.filter(({ status }) => status !== 'ok');
    const now = new Map(wrong.map((finding) => [finding.check, finding.found]));
    for (const finding of wrong) {
      if (this.#told.get(finding.check) === finding.found) continue;
      if (finding.status === 'fail') log.error(finding, 'Cannot enforce here as things are');
      else log.warn(finding, 'Something here should be mended');
    }
    for (const check of this.#told.keys()) if (!now.has(check)) log.info({ check }, 'mended');
    this.#told = now;
    const failed = wrong.filter(({ status }) => status === 'fail');
    this.#warnings = wrong.flatMap(({ check, status, found }) => (status === 'warn' ? [`${check}: ${found}`] : []));
    const [first] = failed;
    if (first === undefined) health.clear('something around it is wrong');
    else
      health.hold(
        'something around it is wrong',
        `${first.check}, ${first.found}; run ${first.mend ?? 'namewall doctor'}`,
      );
    health.tell();
  }
}

/** What came in by the interfaces of selected pods; those behind a bridge and those without an interface are not known. */
async function receivedPackets({ registry, compiled }: State): Promise<number> {
  const links = new Set(
    registry.pods.flatMap(({ pod }, i) => ((compiled.programOfPod[i] ?? -1) >= 0 ? (pod.interface ?? []) : [])),
  );
  if (links.size === 0) return 0;
  const listing: unknown = JSON.parse((await runProgram('ip', ['-j', '-s', 'link', 'show'])) || '[]');
  const packets = (Array.isArray(listing) ? listing : []).map((link: unknown) => {
    const record = asRecord(link);
    return links.has(String(record['ifname']))
      ? Number(asRecord(asRecord(record['stats64'])['rx'])['packets'] ?? 0)
      : 0;
  });
  return packets.reduce((sum, each) => sum + each, 0);
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
