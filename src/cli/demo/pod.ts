// A pod of the lab: a network namespace with a probe in it that asks and connects on demand, in about a millisecond.
import { LineChild } from './lines.ts';
import type { PodAddress } from './topology.ts';

/** How a packet's way ended. `rejected` covers a TCP reset and every ICMP error; `errno` tells them apart. */
export type Failure =
  | { readonly outcome: 'rejected'; readonly errno: string; readonly ms: number }
  | { readonly outcome: 'silent'; readonly ms: number };

export type Asked =
  | {
      readonly outcome: 'answered';
      readonly rcode: string;
      /** A and AAAA of the answer section. */
      readonly addresses: readonly string[];
      readonly ttlSeconds: number | null;
      /** CNAME targets, in the order of the answer. */
      readonly aliases: readonly string[];
      /** Extended DNS Error (RFC 8914). */
      readonly ede: { readonly code: number; readonly text: string } | null;
      readonly truncated: boolean;
      readonly ms: number;
    }
  | Failure;

export type Connected = { readonly outcome: 'connected'; readonly connection: number; readonly ms: number } | Failure;
export type Echoed = { readonly outcome: 'echoed'; readonly ms: number } | Failure;

export interface AskOptions {
  /** Default: the cluster DNS, IPv4. */
  readonly server?: string;
  readonly transport?: 'udp' | 'tcp';
  /** Source address, for a pod that claims to be another. */
  readonly from?: string;
  /** Default true: the query carries OPT, so that the answer may say why a name is denied. */
  readonly edns?: boolean;
  /** Default 2,000. */
  readonly timeoutMs?: number;
}

export interface ConnectOptions {
  readonly from?: string;
  /** Default 1,000. */
  readonly timeoutMs?: number;
}

/** Load: asks nFIRST … of the load zone and connects to what each resolves to. */
export interface Burst {
  readonly first: number;
  readonly count: number;
  readonly type: 'A' | 'AAAA';
  /** Where to connect to; null asks only. */
  readonly port: number | null;
  /** Names in flight at once. */
  readonly parallel: number;
  readonly server?: string;
}

export interface BurstOutcome {
  readonly answered: number;
  readonly connected: number;
  /** `ask NXDOMAIN`, `connect ECONNREFUSED`, `connect silent` … → how often. */
  readonly failures: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** What probe.ts serves. */
export interface ProbeCalls {
  readonly ask: {
    readonly request: { readonly name: string; readonly type: string } & AskOptions;
    readonly answer: Asked;
  };
  readonly connect: {
    readonly request: { readonly ip: string; readonly port: number } & ConnectOptions;
    readonly answer: Connected;
  };
  readonly echo: {
    readonly request: { readonly connection: number; readonly timeoutMs: number };
    readonly answer: Echoed;
  };
  readonly close: { readonly request: { readonly connection: number }; readonly answer: null };
  readonly datagram: {
    readonly request: { readonly ip: string; readonly port: number } & ConnectOptions;
    readonly answer: Echoed;
  };
  readonly burst: { readonly request: Burst; readonly answer: BurstOutcome };
}

export interface PodSpec {
  /** Lower-case letters and digits, at most 8: it names the namespace and the interface `veth-NAME`. */
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

export class LabPod {
  readonly spec: PodSpec;
  readonly address: PodAddress;
  readonly #probe: LineChild<ProbeCalls>;

  constructor(spec: PodSpec, address: PodAddress) {
    this.spec = spec;
    this.address = address;
    this.#probe = new LineChild(address.namespace, new URL('./probe.ts', import.meta.url));
  }

  ask(name: string, type = 'A', options: AskOptions = {}): Promise<Asked> {
    return this.#probe.call('ask', { name, type, ...options });
  }

  /** A connection stays open until it is closed. */
  connect(ip: string, port: number, options: ConnectOptions = {}): Promise<Connected> {
    return this.#probe.call('connect', { ip, port, ...options });
  }

  /** Sends a few bytes over an open connection and waits for them to come back. */
  echo(connection: number, timeoutMs = 1000): Promise<Echoed> {
    return this.#probe.call('echo', { connection, timeoutMs });
  }

  async close(connection: number): Promise<void> {
    await this.#probe.call('close', { connection });
  }

  /** Sends one UDP packet and waits for its echo; the world echoes on UDP_ECHO only. */
  datagram(ip: string, port: number, options: ConnectOptions = {}): Promise<Echoed> {
    return this.#probe.call('datagram', { ip, port, ...options });
  }

  burst(burst: Burst): Promise<BurstOutcome> {
    return this.#probe.call('burst', burst);
  }

  async end(): Promise<void> {
    await this.#probe.end();
  }
}
