// Where audit lines go. A sink never blocks and never throws at its writer: what it cannot take it counts.

export interface Sink {
  /** Takes the lines (without their newline, in order), or none of them: false when too much waits already, or the target has failed. */
  write(lines: readonly string[]): boolean;
  /** Lines that were taken and could not be written after all, since the last call. */
  takeLost(): number;
  /** Resolves when what was taken is written or lost. */
  drained(): Promise<void>;
  /** Resolves when everything taken is written, or has failed. */
  close(): Promise<void>;
}
