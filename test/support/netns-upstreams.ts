// DNS servers in a namespace that can be told apart by what they say: each answers every A question with one address of its own. A name that
// begins with `slow-MS` is answered so many milliseconds later, one that begins with `big-N` with so many addresses.
import { LineChild } from '../../src/cli/demo/lines.ts';

/** What netns-upstreams-child.ts serves. */
export interface UpstreamCalls {
  /** Serves port 53 of `address`, UDP and TCP, and says `says`. */
  readonly serve: { readonly request: { readonly address: string; readonly says: string }; readonly answer: null };
  /** The names that the server at `address` was asked for, in order. */
  readonly asked: { readonly request: { readonly address: string }; readonly answer: readonly string[] };
}

export class StandInUpstreams {
  readonly #child: LineChild<UpstreamCalls>;

  constructor(namespace: string) {
    this.#child = new LineChild(namespace, new URL('./netns-upstreams-child.ts', import.meta.url));
  }

  async serve(address: string, says: string): Promise<void> {
    await this.#child.call('serve', { address, says });
  }

  asked(address: string): Promise<readonly string[]> {
    return this.#child.call('asked', { address });
  }

  async end(): Promise<void> {
    await this.#child.end();
  }
}
