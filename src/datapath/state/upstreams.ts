// Whom each name is asked of: the zones, the longest of which decides, and the servers behind them. All of it can be replaced while
// queries are in flight; a replacement takes effect as a whole or not at all.
import type { Endpoint, Sys } from '../../sys/sys.ts';
import { SysError } from '../../sys/sys.ts';
import { equalNames, foldName, formatName, parseNameText } from '../../dns/name.ts';
import type { UpstreamZone } from '../settings.ts';
import type { RandomPool } from './random.ts';
import { NO_SERVER, serverName, UpstreamServers, UpstreamsError } from './upstream-servers.ts';
import type { SocketWatch } from './upstream-servers.ts';
import type { UpstreamStreams } from './upstream-streams.ts';
import { Zone } from './zone.ts';

/** A look-up compares with all of them at every label. */
const MAX_ZONES = 16;
/** A query is tried three times; each server costs 16 sockets and up to 2 MB of ids. The list's first servers are taken. */
const MAX_SERVERS_OF_ZONE = 8;
/** No route, or none that may be used, or a link-local address without its link: what connect(2) says of a server, not of us. */
const PATH_ERRORS: ReadonlySet<string> = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EACCES', 'EINVAL']);

export class Upstreams {
  readonly servers: UpstreamServers;
  readonly #ownNames: ReadonlySet<string>;
  #zones: readonly Zone[] = [];
  #unreachable: ReadonlyMap<string, SysError> = new Map();

  /** Without zones, until they are opened. `listen` are our own addresses: a question to one of them would come back to us. */
  constructor(sys: Sys, random: RandomPool, listen: readonly Endpoint[]) {
    this.servers = new UpstreamServers(sys, random);
    this.#ownNames = new Set(listen.map(serverName));
  }

  /** The TCP connections to the servers. */
  get streams(): UpstreamStreams {
    return this.servers.streams;
  }

  /** Servers of the last replacement that were left out, with the reason. */
  get unreachable(): readonly string[] {
    return [...this.#unreachable].map(([name, { code }]) => `${name}: ${code}`);
  }

  /**
   * Asks by these zones from now on. Servers that stay keep their sockets and what is in flight, those that go are closed when nothing
   * waits for them. Servers that no route leads to are left out and named in `unreachable`. Throws UpstreamsError or SysError, and then
   * nothing has changed.
   */
  replace(zones: readonly UpstreamZone[], watch: SocketWatch): void {
    const names = zoneNames(zones);
    this.#refuseOwn(zones);
    const wanted = zones.map(({ servers }) => servers.slice(0, MAX_SERVERS_OF_ZONE));
    this.#unreachable = this.#openMissing(wanted.flat(), watch);
    const places = wanted.map((servers) => this.#placesOf(servers));
    this.#zones = names.map((name, i) => new Zone(name, places[i]!, this.servers.health, this.#zoneNamed(name)));
    this.servers.retireOthers(new Set(places.flat()));
  }

  /** The longest zone that the name is in, if any. `name` is folded, in plain wire form of `length` bytes from `start`. */
  zoneOf(name: Uint8Array, start: number, length: number): Zone | undefined {
    // From label to label, so that the first zone found is the longest and none begins inside a label.
    for (let at = 0; at < length; at += 1 + name[start + at]!) {
      for (let z = 0; z < this.#zones.length; z++) {
        const zone = this.#zones[z]!;
        const left = length - at;
        if (zone.name.length === left && equalNames(zone.name, 0, name, start + at, left)) return zone;
      }
    }
    return undefined;
  }

  /** Those that no route leads to, with the reason. Any other error is thrown, and then nothing was opened. */
  #openMissing(servers: readonly Endpoint[], watch: SocketWatch): Map<string, SysError> {
    const opened: number[] = [];
    const unreachable = new Map<string, SysError>();
    for (const server of servers) {
      if (this.servers.find(server) !== NO_SERVER) continue;
      try {
        opened.push(this.servers.open(server, watch));
      } catch (error) {
        if (error instanceof SysError && PATH_ERRORS.has(error.code)) {
          unreachable.set(serverName(server), error);
          continue;
        }
        for (const place of opened) this.servers.close(place, watch);
        throw error;
      }
    }
    return unreachable;
  }

  /** Without duplicates, and without those that could not be opened. */
  #placesOf(servers: readonly Endpoint[]): number[] {
    return [...new Set(servers.map((server) => this.servers.find(server)))].filter((place) => place !== NO_SERVER);
  }

  #zoneNamed(name: Uint8Array): Zone | undefined {
    return this.#zones.find((zone) => formatName(zone.name) === formatName(name));
  }

  #refuseOwn(zones: readonly UpstreamZone[]): void {
    const own = zones.flatMap(({ servers }) => servers.map(serverName)).find((name) => this.#ownNames.has(name));
    if (own === undefined) return;
    throw new UpstreamsError(
      'own-listener',
      `Cannot use upstream "${own}": namewall listens there and would ask itself`,
    );
  }
}

function zoneNames(zones: readonly UpstreamZone[]): Uint8Array[] {
  if (zones.length > MAX_ZONES) {
    throw new UpstreamsError('too-many', `Cannot use ${zones.length} upstream zones: ${MAX_ZONES} at most`);
  }
  const seen = new Set<string>();
  return zones.map(({ zone }) => {
    const name = parseNameText(zone);
    if (name === undefined) throw new UpstreamsError('bad-zone', `Cannot use upstream zone "${zone}": it is no name`);
    foldName(name, 0, name.length);
    const text = formatName(name);
    if (seen.has(text)) throw new UpstreamsError('bad-zone', `Cannot use upstream zone "${zone}": it is given twice`);
    seen.add(text);
    return name;
  });
}
