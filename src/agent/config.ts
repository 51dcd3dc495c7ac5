// namewall.yaml → Config: every key, its default and its check stand in this file. All problems are reported at once, each with its
// place; an unknown key is refused, since a misspelt restriction would silently be none.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Parsed } from '../base/errors.ts';
import type { Denial, Lifetimes } from '../datapath/settings.ts';
import { ProblemList, readDocuments } from '../policy/dialects/document.ts';
import type { PrivateRange } from '../kernel/protected.ts';
import type { Endpoint } from '../sys/sys.ts';
import { Fields } from './config-fields.ts';

export interface Config {
  /** Path of the clients file. */
  readonly clients: string;
  /** Files, folders and globs of policies. */
  readonly policies: readonly string[];
  /** Addresses that clients ask, canonical text. */
  readonly dnsServers: readonly string[];
  readonly upstreams: readonly Endpoint[];
  readonly whenDown: 'closed' | 'bypass';
  readonly denial: Denial;
  readonly queriesPerSecond: number;
  readonly intercept: 'selected' | 'namespaces' | 'all';
  readonly lifetimes: Lifetimes;
  readonly protect: { readonly ranges: readonly PrivateRange[]; readonly cidrs: readonly string[] };
  readonly verdict: 'reject' | 'drop';
  readonly mark: number;
  readonly routingTable: number;
  readonly refresh: 'auto' | 'update' | 'replace';
  /** `stdout`, or the path of a file that is appended to. */
  readonly audit: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** The nft table; fixed, so that `--cleanup` and an operator find it without a configuration. */
export const TABLE = 'namewall';
export const DEFAULT_MARK = 0x100000;
export const DEFAULT_ROUTING_TABLE = 5310;

const TOP_KEYS = ['clients', 'policies', 'dns', 'intercept', 'lifetimes', 'protect', 'verdict', 'mark', 'routingTable'];
const OTHER_KEYS = ['refresh', 'audit', 'log'];

/** Reads and checks a configuration file. Paths in it are relative to its folder. */
export function readConfig(file: string): Parsed<Config> {
  const text = readText(file);
  if (!text.ok) return text;
  const problems = new ProblemList();
  const [root, second] = readDocuments(text.value, file, problems);
  const start = { at: `${file}:1:1`, order: 0 };
  if (second !== undefined) problems.add(second.place, 'one-document', 'Remove all but the first YAML document');
  if (root === undefined && problems.count === 0) {
    problems.add(start, 'missing-field', 'Configuration is empty: write at least clients, policies and dns');
  }
  const config = root && readRoot(new Fields(root, problems, [...TOP_KEYS, ...OTHER_KEYS]), dirname(resolve(file)));
  if (config === undefined || problems.count > 0) return { ok: false, problems: problems.sorted() };
  return { ok: true, value: config };
}

function readRoot(fields: Fields, folder: string): Config {
  const dns = fields.map('dns', ['servers', 'upstreams', 'whenDown', 'denied', 'queriesPerSecond']);
  const lifetimes = fields.map('lifetimes', ['minTtl', 'maxTtl', 'grace']);
  const audit = fields.isMap('audit') ? fields.map('audit', ['file']).text('file') : fields.choice('audit', ['stdout']);
  const log = fields.map('log', ['level']);
  const minTtlMs = lifetimes.durationMs('minTtl', 5_000, 100, 3_600_000);
  return {
    clients: resolve(folder, fields.text('clients')),
    policies: fields.texts('policies').map((path) => resolve(folder, path)),
    dnsServers: dns.addresses('servers'),
    upstreams: dns.endpoints('upstreams', 53),
    whenDown: dns.choice('whenDown', ['closed', 'bypass']),
    denial: dns.choice('denied', ['nxdomain', 'refused', 'nodata', 'drop']),
    // One pod's share of the socket that all share. A busy pod asks some hundreds a second; the loop answers several times this.
    queriesPerSecond: dns.integer('queriesPerSecond', 20_000, 1, 1_000_000),
    intercept: fields.choice('intercept', ['namespaces', 'selected', 'all']),
    lifetimes: {
      minTtlMs,
      maxTtlMs: lifetimes.durationMs('maxTtl', 3_600_000, minTtlMs, 86_400_000),
      graceMs: lifetimes.durationMs('grace', 60_000, 100, 3_600_000),
    },
    protect: fields.protections('protect'),
    verdict: fields.choice('verdict', ['reject', 'drop']),
    mark: fields.singleBit('mark', DEFAULT_MARK),
    routingTable: fields.routingTable('routingTable', DEFAULT_ROUTING_TABLE),
    refresh: fields.choice('refresh', ['auto', 'update', 'replace']),
    audit: audit === 'stdout' ? audit : resolve(folder, audit),
    logLevel: log.choice('level', ['info', 'debug', 'warn', 'error']),
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
