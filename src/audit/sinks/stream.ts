// Audit lines to a stream: standard output, or a file that is appended to. A reader that falls behind costs lines, not memory.
import { createWriteStream, openSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { CodedError } from '../../base/errors.ts';
import type { Sink } from './sink.ts';

/** Bytes that may wait for a slow disk or pipe: some 50,000 lines. */
const BACKLOG_BYTES = 16 * 1024 * 1024;

export class SinkError extends CodedError {}

export class StreamSink implements Sink {
  readonly #stream: Writable;
  readonly #isOwned: boolean;
  #lost = 0;
  #waiting = Promise.resolve();
  #hasFailed = false;

  private constructor(stream: Writable, isOwned: boolean, onError: (error: Error) => void) {
    this.#stream = stream;
    this.#isOwned = isOwned;
    stream.on('error', (error: Error) => {
      if (!this.#hasFailed) onError(error);
      this.#hasFailed = true;
    });
  }

  /** `onError` is called once when the target fails; later lines are lost and counted. */
  static toStdout(onError: (error: Error) => void): StreamSink {
    return new StreamSink(process.stdout, false, onError);
  }

  /** Appends to `path`, made with mode 0640: the log names what every pod looks up. Throws SinkError when it cannot be opened. */
  static toFile(path: string, onError: (error: Error) => void): StreamSink {
    try {
      return new StreamSink(createWriteStream(path, { fd: openSync(path, 'a', 0o640) }), true, onError);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new SinkError('audit-unwritable', `Cannot open the audit log: ${why}`, { cause: error });
    }
  }

  write(lines: readonly string[]): boolean {
    if (this.#hasFailed || this.#stream.writableLength > BACKLOG_BYTES) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = promise;
    this.#stream.write(`${lines.join('\n')}\n`, (error) => {
      if (error) this.#lost += lines.length; // null or undefined: written
      resolve();
    });
    return true;
  }

  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  drained(): Promise<void> {
    return this.#waiting;
  }

  async close(): Promise<void> {
    await this.drained();
    if (!this.#isOwned || this.#hasFailed) return;
    this.#stream.end();
    await finished(this.#stream).catch(() => undefined); // it failed at its end: onError has said why
  }
}
