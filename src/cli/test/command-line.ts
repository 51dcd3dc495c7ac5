// The arguments of `namewall test`, checked as far as they can be without reading a file.
import { parseArgs } from 'node:util';
import { durationMs } from '../../agent/config-values.ts';
import type { Parsed } from '../../base/errors.ts';
import { canonicalAddress } from '../../base/ip.ts';
import { DEFAULT_TIMEOUT_MS } from './case.ts';

export interface TestOptions {
  readonly help: boolean;
  readonly offline: boolean;
  /** Test files, folders, `-`. */
  readonly paths: readonly string[];
  readonly config: string | undefined;
  readonly clients: string | undefined;
  readonly policies: readonly string[];
  /** Canonical text. */
  readonly servers: readonly string[];
  /** NAMESPACE/NAME of a client → path of its network namespace. */
  readonly namespaces: ReadonlyMap<string, string>;
  readonly tap: string | undefined;
  readonly timeoutMs: number;
  readonly parallel: number;
}

const OPTIONS = {
  file: { type: 'string', short: 'f', multiple: true },
  config: { type: 'string', short: 'c' },
  clients: { type: 'string' },
  policies: { type: 'string', multiple: true },
  server: { type: 'string', multiple: true },
  netns: { type: 'string', multiple: true },
  offline: { type: 'boolean' },
  tap: { type: 'string', short: 't' },
  timeout: { type: 'string' },
  parallel: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const DEFAULT_PARALLEL = 8;
const MAX_PARALLEL = 256;
const MAX_TIMEOUT_MS = 3_600_000;

/** All that is wrong at once; `at` is empty. */
export function readCommandLine(argv: readonly string[]): Parsed<TestOptions> {
  let args;
  try {
    args = parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    return { ok: false, problems: [misuse(error instanceof Error ? error.message : String(error))] };
  }
  const { values } = args;
  const seconds = values.timeout ?? '';
  const options: TestOptions = {
    help: values.help ?? false,
    offline: values.offline ?? false,
    paths: [...(values.file ?? []), ...args.positionals],
    config: values.config,
    clients: values.clients,
    policies: values.policies ?? [],
    servers: (values.server ?? []).map((text) => canonicalAddress(text) ?? ''),
    namespaces: new Map((values.netns ?? []).map(splitAtEquals)),
    tap: values.tap,
    timeoutMs: seconds === '' ? DEFAULT_TIMEOUT_MS : durationMs(/^\d+$/.test(seconds) ? Number(seconds) : seconds),
    parallel: Number(values.parallel ?? DEFAULT_PARALLEL),
  };
  const wrong = options.help ? [] : whatIsWrong(options);
  return wrong.length === 0 ? { ok: true, value: options } : { ok: false, problems: wrong.map(misuse) };
}

function whatIsWrong(options: TestOptions): string[] {
  const { config, clients, offline, policies, servers } = options;
  const rules: [boolean, string][] = [
    [options.paths.length === 0, 'write at least one test file'],
    [config === undefined && clients === undefined, 'write --config FILE, or --clients FILE'],
    [config !== undefined && clients !== undefined, 'write --config or --clients, not both'],
    [config !== undefined && policies.length > 0, '--policies stands beside --clients: --config names its own'],
    [config !== undefined && servers.length > 0, '--server stands beside --clients: --config names its own'],
    [clients !== undefined && offline && policies.length === 0, 'add --policies PATH: offline, they are what is asked'],
    [
      clients !== undefined && !offline && policies.length > 0,
      'remove --policies, or add --offline: pods know no files',
    ],
    [servers.includes(''), '--server takes an IPv4 or IPv6 address'],
    [options.namespaces.has(''), '--netns takes NAMESPACE/NAME=PATH'],
    [!(options.timeoutMs > 0 && options.timeoutMs <= MAX_TIMEOUT_MS), '--timeout takes a duration such as 15 or 500ms'],
    [!isParallel(options.parallel), `--parallel takes a number from 1 to ${MAX_PARALLEL}`],
  ];
  return rules.flatMap(([isBroken, rule]) => (isBroken ? [rule] : []));
}

function isParallel(n: number): boolean {
  return Number.isInteger(n) && n >= 1 && n <= MAX_PARALLEL;
}

/** An empty key for what is not NAMESPACE/NAME=PATH. */
function splitAtEquals(text: string): [string, string] {
  const [, key = '', path = ''] = /^([^/=]+\/[^/=]+)=(.+)$/.exec(text) ?? [];
  return [key, path];
}

function misuse(message: string) {
  return { code: 'usage', at: '', message };
}
