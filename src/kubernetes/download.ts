// One GET as a stream of bytes that never hangs: a status other than 200, a broken connection and a silent one all end it with a
// KubernetesError. Leaving the loop over it ends the connection.
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { ApiClient } from './client.ts';
import { fieldOf, textOf } from './json.ts';
import { KubernetesError } from './kubernetes-error.ts';

const OK = 200;
const MAX_REASON_BYTES = 16 * 1024; // of an error's body: only its message is wanted

export interface Terms {
  /** Without a byte for so long, the connection is given up. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  /** Called when the server lets us in, and for all that it sends then. */
  heard(): void;
}

export async function* download(client: ApiClient, pathAndQuery: string, terms: Terms): AsyncGenerator<Uint8Array> {
  const connection = new AbortController();
  const signal = AbortSignal.any([connection.signal, terms.signal]);
  let timer: NodeJS.Timeout | undefined;
  const listen = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => connection.abort(silent(terms.silenceMs)), terms.silenceMs);
  };
  try {
    listen();
    const response = await client.get(pathAndQuery, signal);
    if (response.statusCode !== OK) throw await refusalOf(response);
    terms.heard();
    for await (const chunk of bodyOf(response)) {
      listen();
      terms.heard();
      yield chunk;
    }
  } catch (error) {
    throw faultOf(error, connection.signal);
  } finally {
    clearTimeout(timer);
    connection.abort();
  }
}

function bodyOf(response: IncomingMessage): AsyncIterable<Uint8Array> {
  if (response.headers['content-encoding'] !== 'gzip') return response;
  return pipeline(response, createGunzip(), () => undefined); // an error of either ends the iteration with it
}

function silent(silenceMs: number): KubernetesError {
  return new KubernetesError('silent', `Cannot wait for the API server any longer: no byte for ${silenceMs / 1000} s`);
}

function faultOf(error: unknown, signal: AbortSignal): KubernetesError {
  if (error instanceof KubernetesError) return error;
  if (signal.reason instanceof KubernetesError) return signal.reason;
  const why = error instanceof Error ? error.message || error.name : String(error);
  return new KubernetesError('unreachable', `Cannot read from the API server: ${why}`, { cause: error });
}

async function refusalOf(response: IncomingMessage): Promise<KubernetesError> {
  const status = response.statusCode ?? 0;
  const seconds = Number(response.headers['retry-after']); // the API server sends seconds, never a date
  const retryAfterMs = seconds > 0 ? seconds * 1000 : 0;
  const why = (await reasonOf(response)) || response.statusMessage || 'no reason given';
  return new KubernetesError('refused', `Cannot read from the API server: ${status}, ${why}`, { status, retryAfterMs });
}

/** The message of the Status object in the body, if it is one. */
async function reasonOf(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let lengthBytes = 0;
  for await (const chunk of bodyOf(response)) {
    lengthBytes += chunk.length;
    if (lengthBytes > MAX_REASON_BYTES) return '';
    chunks.push(chunk);
  }
  try {
    return textOf(fieldOf(JSON.parse(Buffer.concat(chunks).toString()), 'message'));
  } catch {
    return ''; // a proxy's page, or "404 page not found"
  }
}
