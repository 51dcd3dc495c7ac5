// The node of a scenario: what its statements say about settings, policies and pods, and the world that comes of it.
import { parseAddress } from '../../src/base/ip.ts';
import type { DatapathSettings, Denial, InternalZone, UpstreamZone } from '../../src/datapath/settings.ts';
import { readOpenedRange } from '../../src/kernel/opened-ranges.ts';
import { extraRanges } from '../../src/kernel/protected.ts';
import type { RefreshStrategy } from '../../src/kernel/set-writer.ts';
import type { Pod } from '../../src/pods/pod.ts';
import { NAMESPACE_NAME_LABEL } from '../../src/policy/dialects/kubernetes-selectors.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { loadPolicies } from '../../src/policy/sources/files.ts';
import type { Endpoint } from '../../src/sys/sys.ts';
import { milliseconds } from './scenario-text.ts';
import type { Words } from './scenario-text.ts';
import { Witness } from './scenario-witness.ts';
import { World } from './scenario-world.ts';
import type { Commits } from './scenario-world.ts';

const DNS_PORT = 53;
type Limits = Pick<DatapathSettings, 'queriesPerSecond' | 'newNamesPerSecond'>;

const DENIALS: readonly Denial[] = ['nxdomain', 'refused', 'nodata', 'drop'];

type Setting =
  | 'denied'
  | 'lifetimes'
  | 'servers'
  | 'protect'
  | 'cluster'
  | 'internal-zone'
  | 'hints'
  | 'max-addresses'
  | 'limits'
  | 'cache'
  | 'cluster-zones';

export class Node {
  readonly #strategy: RefreshStrategy;
  readonly #commits: Commits;
  readonly #settings = {
    listen: ['10.96.0.10', 'fd00:96::a'],
    denial: 'nxdomain' as Denial,
    lifetimes: { minTtlMs: 5_000, maxTtlMs: 3_600_000, graceMs: 60_000 },
    protect: [] as string[],
    cluster: [] as string[],
    internalZones: [] as InternalZone[],
    limits: {} as Limits,
    cacheBytes: undefined as number | undefined,
    clusterZones: [] as string[],
    hints: 'grant' as 'grant' | 'strip',
    maxAddresses: undefined as number | undefined,
  };
  #policies: readonly Policy[] = [];
  #pods: readonly Pod[] = [];
  #isChanged = true;
  /** Whom we ask, by zone. */
  readonly #zones = new Map([['.', ['198.51.100.53']]]);
  #areZonesChanged = false;
  #areChangesHeld = false;
  #world: World | undefined;
  #witness = new Witness();

  constructor(strategy: RefreshStrategy, commits: Commits) {
    this.#strategy = strategy;
    this.#commits = commits;
  }

  get witness(): Witness {
    return this.#witness;
  }

  /** The server that a client of this address asks usually. */
  serverFor(client: string): string {
    return this.#settings.listen.find((each) => each.includes(':') === client.includes(':')) ?? '';
  }

  /** Takes a statement about the node; false when it is none. */
  async statement(verb: string, words: Words): Promise<boolean> {
    switch (verb) {
      case 'denied':
      case 'lifetimes':
      case 'servers':
      case 'protect':
      case 'cluster':
      case 'internal-zone':
      case 'limits':
      case 'cache':
      case 'cluster-zones':
      case 'hints':
      case 'max-addresses':
        if (this.#world !== undefined) throw new Error('Settings come before everything that happens');
        this.#set(verb, words.rest());
        return true;
      case 'upstreams':
        return this.#changeZone('.', words.rest());
      case 'zone':
        return this.#changeZone(words.next('a zone'), words.rest());
      case 'remove zone':
        return this.#changeZone(words.next('a zone'), undefined);
      case 'policy':
        this.#policies = [...this.#policies, ...(await load(words.rest()))];
        break;
      case 'policy-change':
        this.#policies = words.skip('none') ? [] : await load(words.rest());
        break;
      case 'pod':
        this.#pods = [...this.#pods, readPod(words)];
        break;
      case 'remove pod':
        this.#remove(words.next('NS/NAME'));
        break;
      case 'hold changes':
      case 'release changes':
        this.#areChangesHeld = verb === 'hold changes';
        break;
      default:
        return false;
    }
    words.end();
    if (!verb.endsWith('changes')) this.#isChanged = true;
    if (this.#world !== undefined) this.open(); // later on a change is something that happens
    return true;
  }

  /** The world with the node as it stands now; it begins with the first thing that happens. */
  open(): World {
    this.#world ??= this.#start();
    if (this.#isChanged && !this.#areChangesHeld) {
      this.#isChanged = false;
      this.#world.apply(this.#policies, this.#pods);
    }
    if (this.#areZonesChanged && !this.#areChangesHeld) {
      this.#areZonesChanged = false;
      this.#world.replaceUpstreams(this.#tellWitness());
    }
    return this.#world;
  }

  #start(): World {
    const {
      listen,
      lifetimes,
      denial,
      protect,
      cluster,
      internalZones,
      hints,
      maxAddresses,
      limits,
      cacheBytes,
      clusterZones,
    } = this.#settings;
    const extra = extraRanges(protect);
    this.#witness.clusterZones = clusterZones;
    this.#areZonesChanged = false; // they are among the settings
    const world = new World({
      settings: {
        listen: endpoints(listen),
        upstreams: this.#tellWitness(),
        protect: { ...extra, cidrs: [...extra.cidrs, ...cluster.map((cidr) => ({ cidr, reason: 'service-range' }))] },
        internalZones,
        hints,
        ...(maxAddresses === undefined ? {} : { maxAddresses }),
        lifetimes,
        denial,
        ...limits,
        clusterZones,
        ...(cacheBytes === undefined ? {} : { cacheBytes }),
      },
      strategy: this.#strategy,
      observer: this.#witness,
      commits: this.#commits,
      dnsServers: listen,
    });
    this.#witness.world = world;
    return world;
  }

  /** Before anything happens it is a setting; then it is told to the loop, as a change of policies is. */
  #changeZone(zone: string, servers: readonly string[] | undefined): true {
    if (servers !== undefined) this.#zones.set(zone, [...servers]);
    else if (!this.#zones.delete(zone)) throw new Error(`There is no zone ${zone}`);
    this.#areZonesChanged = true;
    if (this.#world !== undefined) this.open();
    return true;
  }

  /** The zones as they stand now, which the witness knows from here on. */
  #tellWitness(): UpstreamZone[] {
    this.#witness.zones = new Map(this.#zones);
    return [...this.#zones].map(([zone, servers]) => ({ zone, servers: endpoints(servers) }));
  }

  #set(verb: Setting, values: readonly string[]): void {
    const settings = this.#settings;
    if (verb === 'servers') settings.listen = [...values];
    else if (verb === 'cluster') settings.cluster = [...values];
    else if (verb === 'hints') settings.hints = values[0] === 'strip' ? 'strip' : 'grant';
    else if (verb === 'max-addresses') settings.maxAddresses = Number(values[0]);
    else if (verb === 'protect') settings.protect = [...values];
    else if (verb === 'internal-zone') settings.internalZones.push(internalZone(values));
    else if (verb === 'limits') settings.limits = readLimits(values);
    else if (verb === 'cluster-zones') settings.clusterZones = [...values];
    else if (verb === 'cache') settings.cacheBytes = Number.parseInt(values[0] ?? '', 10) * 1_024;
    else if (verb === 'denied') {
      const denial = DENIALS.find((each) => each === values[0]);
      if (denial === undefined) throw new Error(`Write one of ${DENIALS.join(', ')}`);
      settings.denial = denial;
    } else {
      const [, min = '', , max = '', , grace = ''] = values; // lifetimes min 5s max 1h grace 60s
      settings.lifetimes = {
        minTtlMs: milliseconds(min),
        maxTtlMs: milliseconds(max),
        graceMs: milliseconds(grace),
      };
    }
  }

  #remove(full: string): void {
    const kept = this.#pods.filter(({ namespace, name }) => `${namespace}/${name}` !== full);
    if (kept.length === this.#pods.length) throw new Error(`There is no pod ${full}`);
    this.#pods = kept;
  }
}

export function endpoint(text: string, port: number): Endpoint {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`"${text}" is no address`);
  return { address, port };
}

/** `queries N`, `names N`, or both. */
function readLimits(values: readonly string[]): Limits {
  const [queries, names] = ['queries', 'names'].map((word) => {
    const at = values.indexOf(word);
    return at < 0 ? undefined : Number(values[at + 1]);
  });
  const given = { ...(queries && { queriesPerSecond: queries }), ...(names && { newNamesPerSecond: names }) };
  if (values.length !== 2 * Object.keys(given).length) throw new Error('Write limits queries N names N');
  return given;
}

/** ZONE RANGE … */
function internalZone([zone = '', ...ranges]: readonly string[]): InternalZone {
  const cidrs = ranges.map(readOpenedRange).map((range) => {
    if (!range.ok) throw new Error(`A range of ${zone} ${range.why}`);
    return range.cidrs;
  });
  return { zone, ranges: cidrs.flat() };
}

function endpoints(texts: readonly string[]): Endpoint[] {
  return texts.map((text) => endpoint(text, DNS_PORT));
}

async function load(paths: readonly string[]): Promise<readonly Policy[]> {
  const read = await loadPolicies(paths);
  if (read.ok) return read.value;
  throw new Error(read.problems.map(({ at, message }) => `${at}: ${message}`).join('\n  '));
}

/** ADDRESS[,ADDRESS] NS/NAME label=value … */
function readPod(words: Words): Pod {
  const addresses = words.next('addresses').split(',');
  const full = words.next('NS/NAME');
  const [namespace = '', name = ''] = full.split('/', 2);
  const labels: Record<string, string> = {};
  for (const word of words.rest()) {
    const [key = '', value = ''] = word.split('=', 2);
    labels[key] = value;
  }
  const namespaceLabels = { [NAMESPACE_NAME_LABEL]: namespace };
  return { uid: full, namespace, name, labels, namespaceLabels, addresses };
}
