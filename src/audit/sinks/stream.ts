// Audit lines to a stream: standard output, or a file that is appended to. A reader that falls behind costs lines, not memory.
import { createWriteStream, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { CodedError } from '../../base/errors.ts';
import type { Sink } from './sink.ts';

/** Bytes that may wait for a slow disk or pipe: some 50,000 lines. */
const BACKLOG_BYTES = 16 * 1024 * 1024;

export class SinkError extends CodedError {}

export class StreamSink implements Sink {
  #stream: Writable;
  readonly #path: string | undefined;
  readonly #onError: (error: Error) => void;
  #lost = 0;
  #waiting = Promise.resolve();
  #hasFailed = false;

  private constructor(stream: Writable, path: string | undefined, onError: (error: Error) => void) {
    this.#stream = stream;
    this.#path = path;
    this.#onError = onError;
    this.#watch();
  }

  /** `onError` is called once when the target fails; later lines are lost and counted. */
  static toStdout(onError: (error: Error) => void): StreamSink {
    return new StreamSink(process.stdout, undefined, onError);
  }

  /** Appends to `path`, made with mode 0640, its folder too: the log names what every pod looks up. Throws SinkError when it cannot. */
  static toFile(path: string, onError: (error: Error) => void): StreamSink {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
      return new StreamSink(openFile(path), path, onError);
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

  /** For log rotation: goes on in a new file of the same name, when the old one was moved away. Throws SinkError. */
  reopen(): void {
    if (this.#path === undefined) return;
    const next = openFile(this.#path);
    this.#stream.end();
    this.#stream = next;
    this.#hasFailed = false;
    this.#watch();
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
    if (this.#path === undefined || this.#hasFailed) return;
    this.#stream.end();
    await finished(this.#stream).catch(() => undefined); // it failed at its end: onError has said why
  }

  #watch(): void {
    const stream = this.#stream;
    stream.on('error', (error: Error) => {
      if (stream !== this.#stream) return; // the one before the rotation
      if (!this.#hasFailed) this.#onError(error);
      this.#hasFailed = true;
    });
  }
}

function openFile(path: string): Writable {
  return createWriteStream(path, { fd: openSync(path, 'a', 0o640) });
}
