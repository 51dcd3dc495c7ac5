// A stream of bytes → the JSON values that stand one to a line. A line that does not parse, is too long or is cut off ends it with an
// error: to skip it would be to lose an event.
import { KubernetesError } from './kubernetes-error.ts';

const NEWLINE = 0x0a;
const MAX_LINE_BYTES = 16 * 1024 * 1024; // etcd refuses objects over 1.5 MB; JSON and managed fields make them a few times longer

export async function* jsonLines(chunks: AsyncIterable<Uint8Array>, maxBytes = MAX_LINE_BYTES): AsyncGenerator {
  let pieces: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      pieces.push(chunk.subarray(start, end));
      yield parseJson(pieces, maxBytes);
      pieces = [];
      heldBytes = 0;
      start = end + 1;
    }
    pieces.push(chunk.subarray(start));
    heldBytes += chunk.length - start;
    if (heldBytes > maxBytes) throw tooBig(maxBytes);
  }
  if (heldBytes > 0) throw new KubernetesError('broken-answer', 'Cannot read the event: the stream ended inside it');
}

/** One value that fills the whole stream. */
export async function wholeJson(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of chunks) {
    pieces.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes > maxBytes) throw tooBig(maxBytes);
  }
  return parseJson(pieces, maxBytes);
}

function parseJson(pieces: readonly Uint8Array[], maxBytes: number): unknown {
  const bytes = Buffer.concat(pieces);
  if (bytes.length > maxBytes) throw tooBig(maxBytes);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new KubernetesError('broken-answer', 'Cannot read the answer: it is not JSON in UTF-8', { cause });
  }
}

function tooBig(maxBytes: number): KubernetesError {
  return new KubernetesError('too-big', `Cannot read the answer: it is longer than ${maxBytes} bytes`);
}
