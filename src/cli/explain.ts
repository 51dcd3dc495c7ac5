// `namewall explain`: may this pod reach that destination, and which rule says so. From policies and clients alone; asks nobody.
import { parseArgs } from 'node:util';
import { canonicalAddress, formatAddress } from '../base/ip.ts';
import { extraRanges, NEVER_GRANTED, protectedRanges, RangeMatcher } from '../kernel/protected.ts';
import type { Pod } from '../pods/pod.ts';
import { ownAddresses } from '../pods/sources/file.ts';
import { compile } from '../policy/compile.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { explain, type Destination } from '../policy/explain.ts';
import { DNS_PORT } from '../policy/dns-access.ts';
import { nameLabels } from '../policy/match.ts';
import type { Policy, PolicyRule } from '../policy/policy.ts';
import { selects } from '../policy/select.ts';
import { readDestination, type AskedDestination } from './explain/destination.ts';
import { answerOf, renderAnswer, serverAnswer } from './explain/answer.ts';
import type { Answer, Facts } from './explain/answer.ts';
import { readSetting, type Sources } from './explain/setting.ts';
import type { CliIo } from './io.ts';
import { printProblems } from './render.ts';

const HELP = `Usage: namewall explain --pod [NAMESPACE/]NAME --to DESTINATION PATH…
       namewall explain --pod [NAMESPACE/]NAME --to DESTINATION --config FILE

Says whether policy lets a pod reach a destination, by which rule (FILE:LINE:COL), what else matched and lost, whether the
name may be asked, and which names would have to be looked up first. PATHs are policy files and clients files, as for
"namewall check": files, folders, globs. Asks nobody and needs no privileges.

DESTINATION is NAME:PORT[/PROTOCOL] or ADDRESS:PORT[/PROTOCOL], IPv6 as [ADDRESS]:PORT, or a URL. PROTOCOL is tcp (default),
udp, sctp, icmp or icmpv6 (PORT is then the type; left out, an echo request), or a number. Of a name it is not known what it
resolves to: what depends on that is said.

Options:
  --pod [NAMESPACE/]NAME   who connects, of the clients; without NAMESPACE "default"
  --to DESTINATION         where to
  -c, --config FILE        take policies, clients, DNS servers and protected ranges from the agent's configuration
  --server ADDRESS         a DNS server that pods ask (without --config; may be repeated): only a rule of addresses
                           needs it, to see whether it is about DNS
  -o, --output text|json   json: one object {pod, to, verdict, reason, rule, ask, lookUpFirst, conditions, lost, isolatedBy}
                           (default: text)
  -h, --help               this text

Exit codes:
  0  allowed (would-deny, of a policy that only audits, included)
  1  denied
  2  wrong usage, or a file that cannot be used

Examples:
  namewall explain --pod shop/cart --to api.example.org:443/tcp clients.yaml policies/
  namewall explain --pod shop/cart --to 169.254.169.254:80 -c namewall.yaml
`;

const OPTIONS = {
  pod: { type: 'string' },
  to: { type: 'string' },
  config: { type: 'string', short: 'c' },
  server: { type: 'string', multiple: true },
  output: { type: 'string', short: 'o', default: 'text' },
  help: { type: 'boolean', short: 'h' },
} as const;

const [ALLOWED, DENIED, UNUSABLE] = [0, 1, 2];

interface Options extends Sources {
  readonly pod: string;
  readonly to: AskedDestination;
  readonly output: 'text' | 'json';
}

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  if (argv.some((word) => word === '--help' || word === '-h')) {
    io.out(HELP);
    return ALLOWED;
  }
  const options = readOptions(argv);
  if (typeof options === 'string') return misused(io, options);
  const setting = await readSetting(options);
  if (!setting.ok) {
    printProblems(setting.problems, io);
    return UNUSABLE;
  }
  const { clients, policies, protect, dnsServers } = setting.value;
  const { pods, ...world } = clients;
  const [namespace, name] = options.pod.includes('/') ? options.pod.split('/', 2) : ['default', options.pod];
  const index = pods.findIndex((pod) => pod.namespace === namespace && pod.name === name);
  const pod = pods[index];
  if (pod === undefined) {
    io.err(`namewall explain: no client is ${namespace}/${name}${nearby(pods)}\n`);
    return UNUSABLE;
  }
  const ranges = protectedRanges(extraRanges(protect));
  const closed = ranges.map(({ cidr }) => cidr);
  const compiled = compile(policies, pods, { knowsAllPods: true, ...world, dnsServers, protectedRanges: closed });
  const text = options.to.address === undefined ? '' : formatAddress(options.to.address);
  const asked = {
    pod,
    to: options.to,
    isHost: ownAddresses(clients).has(text),
    isServer: dnsServers.includes(text),
    hasServers: dnsServers.length > 0,
    elsewhere: ofAnotherNamespace(policies, pod),
    ranges: new RangeMatcher(ranges),
    closed,
  };
  const answer = answerFor(compiled, index, asked);
  io.out(options.output === 'json' ? `${JSON.stringify(answer, undefined, 2)}\n` : renderAnswer(answer));
  return answer.verdict === 'deny' ? DENIED : ALLOWED;
}

interface Asked extends Pick<Facts, 'pod' | 'to' | 'isHost' | 'elsewhere' | 'hasServers'> {
  /** The destination is a DNS server that pods ask. */
  readonly isServer: boolean;
  readonly ranges: RangeMatcher;
  /** The same as CIDRs. */
  readonly closed: readonly string[];
}

function answerFor(compiled: CompiledPolicy, index: number, { isServer, ranges, closed, ...asked }: Asked): Answer {
  const { pod, to, isHost } = asked;
  const never = new RangeMatcher(NEVER_GRANTED);
  const program = compiled.programOfPod[index] ?? -1;
  const { protocol, port } = to.packet;
  if (isServer && port === DNS_PORT && (protocol === 'udp' || protocol === 'tcp') && program >= 0) {
    return serverAnswer(compiled, program, { pod, to, transport: protocol });
  }
  const explanation = explain(compiled, program, destinationOf(to, isHost), {
    isNeverGranted: (address) => never.includes(address, 0),
    isProtected: (address) => ranges.includes(address, 0),
    closed,
  });
  const closedBecause = to.address === undefined ? undefined : ranges.reason(ranges.indexOf(to.address, 0));
  return answerOf({ ...asked, compiled, program, explanation, closedBecause });
}

/** The trap of the first day: the labels are right, and the namespace is not. */
function ofAnotherNamespace(policies: readonly Policy[], pod: Pod): string | undefined {
  for (const { kind, namespace, name, rules } of policies) {
    const isMeant = ({ selector: { requirements } }: PolicyRule): boolean =>
      requirements.length > 0 && selects({ requirements }, pod);
    if (rules.some(isMeant)) return `${kind} ${namespace}/${name} selects such labels, but in namespace "${namespace}"`;
  }
  return undefined;
}

function destinationOf({ name, address, packet }: AskedDestination, isHost: boolean): Destination {
  if (address !== undefined) return { kind: 'address', packet: { ...packet, address, isHost } };
  return { kind: 'name', labels: nameLabels(name ?? new Uint8Array(1)), packet };
}

/** A text says what is wrong. */
function readOptions(argv: readonly string[]): Options | string {
  let args;
  try {
    args = parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { pod, to, config, server = [], output } = args.values;
  if (output !== 'text' && output !== 'json') return `-o takes text or json, not "${output}"`;
  if (pod === undefined) return '--pod is missing: write --pod NAMESPACE/NAME';
  if (to === undefined) return '--to is missing: write --to NAME:PORT or --to ADDRESS:PORT';
  const servers = server.map((text) => canonicalAddress(text));
  const wrong = server.find((_text, i) => servers[i] === undefined);
  if (wrong !== undefined) return `--server takes an address, not "${wrong}"`;
  if (config === undefined && args.positionals.length === 0)
    return 'write policy files and a clients file, or --config FILE';
  if (config !== undefined && args.positionals.length > 0) return '--config names the files: write no others';
  const destination = readDestination(to);
  if (typeof destination === 'string') return destination;
  return {
    pod,
    to: destination,
    config,
    servers: servers.flatMap((each) => each ?? []),
    paths: args.positionals,
    output,
  };
}

const SHOWN = 5;

function nearby(clients: readonly Pod[]): string {
  const names = clients.slice(0, SHOWN).map((pod) => `${pod.namespace}/${pod.name}`);
  return names.length === 0 ? '' : `; there are ${names.join(', ')}${clients.length > SHOWN ? ', …' : ''}`;
}

function misused(io: CliIo, why: string): number {
  io.err(`namewall explain: ${why}\nTry "namewall explain --help"\n`);
  return UNUSABLE;
}
