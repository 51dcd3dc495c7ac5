// Bytes of a response that is not a stream: JSON or text, compressed when the client accepts it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { StatusError } from './status.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The real server compresses only above 128 KiB and never a watch; proxies before it do both, so a client must read both. */
export function acceptsGzip({ headers }: IncomingMessage): boolean {
  return (headers['accept-encoding'] ?? '').split(',').some((each) => each.trim().split(';')[0] === 'gzip');
}

export function sendObject(exchange: Exchange, code: number, object: object): void {
  send(exchange, code, 'application/json', JSON.stringify(object));
}

export function sendRefusal(exchange: Exchange, error: StatusError): void {
  const { retryAfterSeconds, refusal } = error;
  if (retryAfterSeconds !== undefined) exchange.response.setHeader('retry-after', String(retryAfterSeconds));
  // Priority and fairness turns requests away before anything could make a Status: a client must not need one.
  if (refusal.code === 429) send(exchange, refusal.code, 'text/plain; charset=utf-8', error.message);
  else sendObject(exchange, refusal.code, error.toStatus());
}

function send({ request, response }: Exchange, code: number, type: string, text: string): void {
  const isCompressed = acceptsGzip(request);
  const body = isCompressed ? gzipSync(text) : Buffer.from(text);
  if (isCompressed) response.setHeader('content-encoding', 'gzip');
  response.writeHead(code, {
    'content-type': type,
    'content-length': body.length,
    'cache-control': 'no-cache, private',
  });
  response.end(body);
}
