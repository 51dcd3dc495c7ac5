// namewall.yaml → Config: every key, its default and its check stand in this file. All problems are reported at once, each with its
// place; an unknown key is refused, since a misspelt restriction would silently be none.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Parsed } from '../base/errors.ts';
import type { InternalZone, Lifetimes, UpstreamZone } from '../datapath/settings.ts';
import { ProblemList, readDocuments } from '../policy/dialects/document.ts';
import { DIALECTS } from '../policy/enforced.ts';
import type { Dialect } from '../policy/enforced.ts';
import type { PrivateRange } from '../kernel/protected.ts';
import { DNS_KEYS, MAX_ZONES, readAnswering, readUpstreams, readZones } from './config-dns.ts';
import type { AnsweringConfig, Upstreams } from './config-dns.ts';
import { Fields } from './config-fields.ts';
import { KUBERNETES_KEYS, readKubernetes } from './config-kubernetes.ts';
import type { KubernetesConfig } from './config-kubernetes.ts';
import { readInternalZones } from './config-zones.ts';
import { HEALTH_SOCKET } from './health.ts';

/** What both modes have. */
interface CommonConfig extends AnsweringConfig {
  /** Policies of other dialects are left out. */
  readonly enforce: readonly Dialect[];
  readonly intercept: 'selected' | 'namespaces' | 'all';
  readonly lifetimes: Lifetimes;
  readonly protect: { readonly ranges: readonly PrivateRange[]; readonly cidrs: readonly string[] };
  /** Names that may be granted some of what `protect` closes. */
  readonly internalZones: readonly InternalZone[];
  readonly verdict: 'reject' | 'drop';
  readonly mark: number;
  readonly routingTable: number;
  readonly refresh: 'auto' | 'update' | 'replace';
  /** `stdout`, or the path of a file that is appended to. */
  readonly audit: string;
  /** Which connections are in the audit log. */
  readonly connections: 'all' | 'denied' | 'none';
  /** NFLOG group of denied packets; 0: nobody wants to know. */
  readonly logGroup: number;
  /** What becomes of open connections that policy no longer allows. */
  readonly onRevoke: 'cut' | 'finish';
  /** How long a connection may last, 0: for ever. */
  readonly maxConnectionMs: number;
  /** Folder of what is to be known after a restart; `off`: nothing is kept. */
  readonly state: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Path of the socket that `namewall probe` asks; `off`: there is none. */
  readonly health: string;
}

/** Clients and policies from files. */
export interface HostConfig extends CommonConfig {
  readonly mode: 'host';
  /** Path of the clients file. */
  readonly clients: string;
  /** Files, folders and globs of policies. */
  readonly policies: readonly string[];
  /** Addresses that clients ask, canonical text. */
  readonly dnsServers: readonly string[];
  /** Whom the names of these zones are asked of. Canonical text; none is `.`. */
  readonly zones: readonly UpstreamZone[];
  /** Whom all others are asked of. */
  readonly upstreams: Upstreams;
}

/** Pods and policies of one node of a Kubernetes cluster. */
export interface NodeConfig extends CommonConfig {
  readonly mode: 'node';
  readonly kubernetes: KubernetesConfig;
  /** Addresses that pods ask, canonical text; `cluster`: those of the DNS Service. */
  readonly dnsServers: readonly string[] | 'cluster';
  /** Whom the names of these zones are asked of, also where the cluster has a zone of that name. Canonical text; none is `.`. */
  readonly zones: readonly UpstreamZone[];
  /** Who is asked for names outside these zones and the cluster's; `cluster`: the DNS Service's endpoints, too. */
  readonly upstreams: Upstreams | 'cluster';
}

export type Config = HostConfig | NodeConfig;

/** The nft table; fixed, so that `--cleanup` and an operator find it without a configuration. */
export const TABLE = 'namewall';
export const DEFAULT_MARK = 0x100000;
export const DEFAULT_ROUTING_TABLE = 5310;
export const DEFAULT_LOG_GROUP = 5310;
export const DEFAULT_STATE = '/run/namewall';

const MAIN_KEYS = [
  'clients',
  'policies',
  'dns',
  'enforce',
  'intercept',
  'lifetimes',
  'protect',
  'internalZones',
  'verdict',
  'mark',
  'routingTable',
];
const KEYS = [...MAIN_KEYS, 'refresh', 'onRevoke', 'logGroup', 'state', 'audit', 'log', 'mode', 'kubernetes', 'health'];

/** Reads and checks a configuration file. Paths in it are relative to its folder. `env` may name the node (config-kubernetes.ts). */
export function readConfig(file: string, env: NodeJS.ProcessEnv = process.env): Parsed<Config> {
  const text = readText(file);
  if (!text.ok) return text;
  const problems = new ProblemList();
  const [root, second] = readDocuments(text.value, file, problems);
  const start = { at: `${file}:1:1`, order: 0 };
  if (second !== undefined) problems.add(second.place, 'one-document', 'Remove all but the first YAML document');
  if (root === undefined && problems.count === 0) {
    problems.add(start, 'missing-field', 'Configuration is empty: write at least clients, policies and dns');
  }
  const config = root && readRoot(new Fields(root, problems, KEYS), dirname(resolve(file)), env);
  if (config === undefined || problems.count > 0) return { ok: false, problems: problems.sorted() };
  return { ok: true, value: config };
}

function readRoot(fields: Fields, folder: string, env: NodeJS.ProcessEnv): Config {
  const dns = fields.map('dns', DNS_KEYS);
  const mode = fields.choice('mode', ['host', 'node']);
  const common = readCommon(fields, dns, folder, mode);
  return mode === 'host'
    ? { mode, ...readHost(fields, dns, folder), ...common }
    : { mode, ...readNode(fields, dns, folder, env), ...common };
}

function readHost(fields: Fields, dns: Fields, folder: string): Omit<HostConfig, 'mode' | keyof CommonConfig> {
  if (fields.has('kubernetes')) {
    const message = 'Remove kubernetes, or set "mode: node": in mode host clients and policies come from files';
    fields.problem('kubernetes', 'wrong-mode', message);
  }
  const dnsServers = dns.addresses('servers');
  return {
    clients: resolve(folder, fields.text('clients')),
    policies: fields.texts('policies').map((path) => resolve(folder, path)),
    dnsServers,
    zones: readZones(dns, dnsServers),
    upstreams: readUpstreams(dns, folder, dnsServers),
  };
}

function readNode(
  fields: Fields,
  dns: Fields,
  folder: string,
  env: NodeJS.ProcessEnv,
): Omit<NodeConfig, 'mode' | keyof CommonConfig> {
  for (const key of ['clients', 'policies'].filter((each) => fields.has(each))) {
    fields.problem(key, 'wrong-mode', `Remove ${key}: in mode node pods and policies come from the API server`);
  }
  const isOf = (key: string): boolean => dns.has(key) && !dns.isWord(key, 'cluster');
  const dnsServers = isOf('servers') ? dns.addresses('servers') : 'cluster';
  const own = dnsServers === 'cluster' ? [] : dnsServers; // those of the cluster the data plane refuses (upstreams.ts)
  const kubernetes = readKubernetes(fields.map('kubernetes', KUBERNETES_KEYS), folder, env);
  const zones = readZones(dns, own);
  refuseTooMany(dns, zones, kubernetes.clusterZones);
  return {
    kubernetes,
    dnsServers,
    zones,
    upstreams: isOf('upstreams') ? readUpstreams(dns, folder, own) : 'cluster',
  };
}

function refuseTooMany(dns: Fields, zones: readonly UpstreamZone[], clusterZones: readonly string[]): void {
  const { size } = new Set([...zones.map(({ zone }) => zone), ...clusterZones]);
  if (size <= MAX_ZONES || zones.length > MAX_ZONES || clusterZones.length > MAX_ZONES) return; // or it was said already
  const message = `Remove zones: dns.zones and kubernetes.clusterZones have ${size}, at most ${MAX_ZONES}`;
  dns.problem('zones', 'bad-value', message);
}

function readCommon(fields: Fields, dns: Fields, folder: string, mode: Config['mode']): CommonConfig {
  const lifetimes = fields.map('lifetimes', ['minTtl', 'maxTtl', 'grace', 'maxConnection']);
  const audit = readAudit(fields, folder);
  const log = fields.map('log', ['level']);
  const minTtlMs = lifetimes.durationMs('minTtl', 5_000, 100, 3_600_000);
  const state = fields.text('state', DEFAULT_STATE);
  // On a host nobody probes unless somebody says where: several namespaces of one machine may each have an agent.
  const health = fields.text('health', mode === 'node' ? HEALTH_SOCKET : 'off');
  return {
    ...readAnswering(dns),
    enforce: fields.someOf('enforce', DIALECTS),
    intercept: fields.choice('intercept', ['namespaces', 'selected', 'all']),
    lifetimes: {
      minTtlMs,
      maxTtlMs: lifetimes.durationMs('maxTtl', 3_600_000, minTtlMs, 86_400_000),
      graceMs: lifetimes.durationMs('grace', 60_000, 100, 3_600_000),
    },
    protect: fields.protections('protect'),
    internalZones: readInternalZones(fields),
    verdict: fields.choice('verdict', ['reject', 'drop']),
    mark: fields.singleBit('mark', DEFAULT_MARK),
    routingTable: fields.routingTable('routingTable', DEFAULT_ROUTING_TABLE),
    refresh: fields.choice('refresh', ['auto', 'update', 'replace']),
    ...audit,
    logGroup: audit.connections === 'none' ? 0 : fields.integer('logGroup', DEFAULT_LOG_GROUP, 1, 65_535),
    onRevoke: fields.choice('onRevoke', ['cut', 'finish']),
    maxConnectionMs: lifetimes.isWord('maxConnection', 'off')
      ? 0
      : lifetimes.durationMs('maxConnection', 0, 1_000, 30 * 86_400_000),
    state: state === 'off' ? state : resolve(folder, state),
    logLevel: log.choice('level', ['info', 'debug', 'warn', 'error']),
    health: health === 'off' ? health : resolve(folder, health),
  };
}

function readAudit(fields: Fields, folder: string): Pick<CommonConfig, 'audit' | 'connections'> {
  if (!fields.isMap('audit')) return { audit: fields.choice('audit', ['stdout']), connections: 'all' };
  const audit = fields.map('audit', ['file', 'connections']);
  return {
    audit: audit.has('file') ? resolve(folder, audit.text('file')) : 'stdout',
    connections: audit.choice('connections', ['all', 'denied', 'none']),
  };
}

function readText(file: string): Parsed<string> {
  try {
    return { ok: true, value: readFileSync(file, 'utf8') };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      ok: false,
      problems: [{ code: 'unreadable', at: `${file}:1:1`, message: `Cannot read the configuration: ${why}` }],
    };
  }
}
