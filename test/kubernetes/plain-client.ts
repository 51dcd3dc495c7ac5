// What the tests of the stand-in speak to it with: fetch and nothing more, so that a fault is seen as bytes show it. It never retries.
import type { ApiServer, KubernetesObject } from './api-server.ts';

/** A list, an object or a Status, as far as the tests look into it. */
export interface Body {
  readonly kind: string;
  readonly reason?: string;
  readonly code?: number;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number; readonly causes?: readonly { readonly reason: string }[] };
  readonly metadata: {
    readonly resourceVersion?: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
    readonly name?: string;
    readonly creationTimestamp?: string | null;
  };
  readonly items?: readonly KubernetesObject[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Body;
}

export interface SeenEvent {
  readonly type: string;
  readonly object: Body;
}

/** Rejects when there is no answer. */
export async function ask(server: ApiServer, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(server.url + path, { ...init, headers: headersFor(server, init) });
  const text = await response.text();
  const isJson = response.headers.get('content-type') === 'application/json';
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: (isJson ? JSON.parse(text) : {}) as Body, // the tests are about what is in it
  };
}

export async function names(server: ApiServer, path: string): Promise<string[]> {
  const { body } = await ask(server, path);
  return (body.items ?? []).map(({ metadata }) => metadata.name);
}

/** Rejects when there is no answer, and when it is not 200. */
export async function watch(server: ApiServer, path: string, init: RequestInit = {}): Promise<WatchReader> {
  const closing = new AbortController();
  const response = await fetch(server.url + path, {
    ...init,
    headers: headersFor(server, init),
    signal: closing.signal,
  });
  if (response.status !== 200 || response.body === null) throw new Error(`HTTP ${response.status}`);
  return new WatchReader(response.body, response.headers.get('content-encoding'), closing);
}

export class WatchReader {
  /** As they came in, decompressed. */
  readonly chunks: string[] = [];
  state: 'open' | 'ended' | 'broken' = 'open';
  readonly encoding: string | null;
  readonly #closing: AbortController;
  readonly #reading: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>, encoding: string | null, closing: AbortController) {
    this.encoding = encoding;
    this.#closing = closing;
    this.#reading = this.#read(stream);
  }

  /** Complete lines. */
  get lines(): string[] {
    return this.chunks.join('').split('\n').slice(0, -1);
  }

  /** What comes after the last complete line. */
  get rest(): string {
    return this.chunks.join('').split('\n').at(-1) ?? '';
  }

  /** Throws at a line that is no JSON. */
  get events(): SeenEvent[] {
    return this.lines.map((line) => JSON.parse(line) as SeenEvent);
  }

  /** `ADDED web 7` and so on; the version of a bookmark and the code of an error. */
  get summary(): string[] {
    return this.events.map(({ type, object }) =>
      [type, object.metadata.name, object.metadata.resourceVersion ?? object.code].filter(Boolean).join(' '),
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reading;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of stream) this.chunks.push(decoder.decode(chunk, { stream: true }));
      this.state = 'ended';
    } catch {
      this.state = 'broken';
    }
  }
}

function headersFor(server: ApiServer, { headers }: RequestInit): Headers {
  const all = new Headers(headers);
  if (!all.has('authorization')) all.set('authorization', `Bearer ${server.token}`);
  return all;
}
