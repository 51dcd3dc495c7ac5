// What the checks look at: settings, and listings of kernel and /proc that several of them need, each made once. One
// context for one examination: it never sees a change.
import type { RunProgram } from '../../kernel/program.ts';
import type { RefreshStrategy } from '../../kernel/set-writer.ts';
import type { HealthStatus } from '../health.ts';
import { clientsOf, linksOf, localRoutesOf } from './ip-listing.ts';
import type { Client, Link, Route } from './ip-listing.ts';
import { parseListing } from './nft-listing.ts';
import type { Listing } from './nft-listing.ts';
import type { ProcFiles } from './proc-files.ts';
import { lockHolder } from './sockets.ts';
import type { Owner } from './sockets.ts';

export interface DoctorOptions {
  readonly mode: 'host' | 'node';
  readonly mark: number;
  readonly routingTable: number;
  /** Canonical text; empty: those that the kernel has routes for. */
  readonly dnsServers: readonly string[];
  readonly run: RunProgram;
  readonly files: ProcFiles;
  /** In the agent itself: its process id. */
  readonly ownPid?: number;
  /** The self-test of kernel/self-test.ts; absent: not tried. */
  readonly renewal?: () => Promise<RefreshStrategy>;
  /** Asks the health socket; absent: the agent has none. Rejects when nobody answers. */
  readonly health?: () => Promise<HealthStatus>;
}

export class DoctorContext {
  readonly options: DoctorOptions;
  #listing: Promise<Listing> | undefined;
  #links: Promise<readonly Link[]> | undefined;
  #routes: Promise<readonly Route[]> | undefined;
  #clients: Promise<readonly Client[]> | undefined;
  #agent: Promise<Owner | undefined> | undefined;

  constructor(options: DoctorOptions) {
    this.options = options;
  }

  get files(): ProcFiles {
    return this.options.files;
  }

  get run(): RunProgram {
    return this.options.run;
  }

  get mark(): number {
    return this.options.mark;
  }

  /**
   * All tables, terse. `list ruleset` on purpose: 3 ms beside 100,000 grants, where nft 1.0.6 takes 0.8 s for a single
   * counter, or for the list of tables, because it fetches every element first.
   */
  listing(): Promise<Listing> {
    return (this.#listing ??= this.run('nft', ['-a', '-t', 'list', 'ruleset']).then(parseListing));
  }

  links(): Promise<readonly Link[]> {
    return (this.#links ??= linksOf(this.run));
  }

  /** What stands in our routing table. */
  routes(): Promise<readonly Route[]> {
    return (this.#routes ??= localRoutesOf(this.run, this.options.routingTable));
  }

  async dnsServers(): Promise<readonly string[]> {
    const { dnsServers } = this.options;
    return dnsServers.length > 0 ? dnsServers : (await this.routes()).map(({ destination }) => destination);
  }

  /** Some addresses whose DNS is intercepted, and the device that leads to each; none while our table is not there. */
  clients(): Promise<readonly Client[]> {
    return (this.#clients ??= this.listing().then((listing) => clientsOf(this.run, listing)));
  }

  /** Who holds the lock of this network namespace. */
  agent(): Promise<Owner | undefined> {
    return (this.#agent ??= lockHolder(this.files, this.options.ownPid));
  }
}
