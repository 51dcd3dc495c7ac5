// DNS over TCP as a client in a namespace does it, well or badly: connections that stay, what is written on them, and what came back.
import { LineChild } from '../../src/cli/demo/lines.ts';

export interface StreamState {
  /** In the order of arrival. */
  readonly answers: readonly StreamAnswer[];
  /** In how many pieces they came. */
  readonly pieces: number;
  /** `end` for a goodbye, else the code of the error; undefined while it is open. */
  readonly ended?: string;
  /** Since it was connected. */
  readonly endedMs?: number;
}

export interface StreamAnswer {
  readonly id: number;
  readonly rcode: number;
  readonly records: number;
  readonly isTruncated: boolean;
}

/** What netns-streams-child.ts serves. A connection is a number. */
export interface StreamCalls {
  /** Connects so many times, one after the other; those that the kernel has connected. */
  readonly open: {
    readonly request: { readonly ip: string; readonly count: number };
    readonly answer: readonly number[];
  };
  /** Writes A queries for the names at once, with ids from `firstId` on; in pieces of so many bytes, if any. */
  readonly ask: {
    readonly request: {
      readonly connection: number;
      readonly names: readonly string[];
      readonly firstId: number;
      readonly pieceBytes?: number;
    };
    readonly answer: null;
  };
  readonly write: { readonly request: { readonly connection: number; readonly hex: string }; readonly answer: null };
  readonly state: { readonly request: { readonly connection: number }; readonly answer: StreamState };
  /** Asks the same on a connection over and over until it has so many answers or it ends; how many it has. */
  readonly flood: {
    readonly request: { readonly connection: number; readonly name: string; readonly count: number };
    readonly answer: number;
  };
  readonly close: { readonly request: { readonly connection: number }; readonly answer: null };
}

export class DnsStreams {
  readonly #child: LineChild<StreamCalls>;

  constructor(namespace: string) {
    this.#child = new LineChild(namespace, new URL('./netns-streams-child.ts', import.meta.url));
  }

  open(ip: string, count: number): Promise<readonly number[]> {
    return this.#child.call('open', { ip, count });
  }

  async ask(connection: number, names: readonly string[], firstId: number, pieceBytes?: number): Promise<void> {
    const pieces = pieceBytes === undefined ? {} : { pieceBytes };
    await this.#child.call('ask', { connection, names, firstId, ...pieces });
  }

  async write(connection: number, hex: string): Promise<void> {
    await this.#child.call('write', { connection, hex });
  }

  state(connection: number): Promise<StreamState> {
    return this.#child.call('state', { connection });
  }

  /** How many of these connections are open. */
  async openOf(connections: readonly number[]): Promise<number> {
    const states = await Promise.all(connections.map((each) => this.state(each)));
    return states.filter(({ ended }) => ended === undefined).length;
  }

  flood(connection: number, name: string, count: number): Promise<number> {
    return this.#child.call('flood', { connection, name, count });
  }

  async close(connection: number): Promise<void> {
    await this.#child.call('close', { connection });
  }

  async end(): Promise<void> {
    await this.#child.end();
  }
}
