// Audit lines to a stream: standard output, or a file that is appended to. A reader that falls behind costs lines, not memory.
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import type { Sink } from './sink.ts';

/** Bytes that may wait for a slow disk or pipe: some 50,000 lines. */
const BACKLOG_BYTES = 16 * 1024 * 1024;

export class StreamSink implements Sink {
  readonly #stream: Writable;
  readonly #isOwned: boolean;
  #lost = 0;
  #hasFailed = false;

  private constructor(stream: Writable, isOwned: boolean, onError: (error: Error) => void) {
    this.#stream = stream;
    this.#isOwned = isOwned;
    stream.on('error', (error: Error) => {
      this.#hasFailed = true;
      onError(error);
    });
  }

  /** `onError` is called when the target fails; later lines are lost and counted. */
  static toStdout(onError: (error: Error) => void): StreamSink {
    return new StreamSink(process.stdout, false, onError);
  }

  /** Appends to `path`, made with mode 0640: the log names what every pod looks up. */
  static toFile(path: string, onError: (error: Error) => void): StreamSink {
    return new StreamSink(createWriteStream(path, { flags: 'a', mode: 0o640 }), true, onError);
  }

  write(lines: readonly string[]): void {
    if (this.#hasFailed || this.#stream.writableLength > BACKLOG_BYTES) {
      this.#lost += lines.length;
      return;
    }
    this.#stream.write(`${lines.join('\n')}\n`);
  }

  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  async close(): Promise<void> {
    if (!this.#isOwned || this.#hasFailed) return;
    this.#stream.end();
    await finished(this.#stream).catch(() => undefined); // it failed at its end: onError has said why
  }
}
