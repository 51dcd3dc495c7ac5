// One end of connections, in a namespace of its own choice: it opens or takes TCP connections and UDP flows, keeps their sockets, and speaks
// only when it is told to. So either side can be the one that speaks first after a change.
import { LineChild } from '../../src/cli/demo/lines.ts';

export interface Place {
  readonly ip: string;
  readonly port: number;
}

export type Protocol = 'tcp' | 'udp';

/** What netns-ends-child.ts serves. An end is a number; `heard` counts what came: bytes over TCP, datagrams over UDP. */
export interface EndCalls {
  /** Takes whatever comes to the place. UDP: the place is one address. */
  readonly listen: { readonly request: Place & { readonly protocol: Protocol }; readonly answer: null };
  readonly open: {
    readonly request: Place & { readonly protocol: Protocol; readonly fromPort: number };
    /** `connected`, or the error's code, or `silent`. UDP is always `connected`. */
    readonly answer: { readonly outcome: string; readonly end: number; readonly port: number };
  };
  readonly speak: { readonly request: { readonly end: number }; readonly answer: null };
  /** Speaks from now on, every `everyMs`. */
  readonly beat: { readonly request: { readonly end: number; readonly everyMs: number }; readonly answer: null };
  /** To the client that uses this address and port; false when there is none, or its connection was reset. */
  readonly speakTo: { readonly request: Place & { readonly protocol: Protocol }; readonly answer: boolean };
  readonly heard: { readonly request: { readonly end: number }; readonly answer: Heard };
}

export interface Heard {
  readonly heard: number;
  /** The code of the error that ended it (ECONNRESET), or `end`; undefined while it is open. */
  readonly ended?: string;
}

export class Ends {
  readonly #child: LineChild<EndCalls>;

  constructor(namespace: string) {
    this.#child = new LineChild(namespace, new URL('./netns-ends-child.ts', import.meta.url));
  }

  async listen(protocol: Protocol, place: Place): Promise<void> {
    await this.#child.call('listen', { protocol, ...place });
  }

  /** `fromPort` 0: any. */
  open(protocol: Protocol, place: Place, fromPort = 0): Promise<EndCalls['open']['answer']> {
    return this.#child.call('open', { protocol, ...place, fromPort });
  }

  async speak(end: number): Promise<void> {
    await this.#child.call('speak', { end });
  }

  async beat(end: number, everyMs: number): Promise<void> {
    await this.#child.call('beat', { end, everyMs });
  }

  speakTo(protocol: Protocol, place: Place): Promise<boolean> {
    return this.#child.call('speakTo', { protocol, ...place });
  }

  heard(end: number): Promise<Heard> {
    return this.#child.call('heard', { end });
  }

  async close(): Promise<void> {
    await this.#child.end();
  }
}
