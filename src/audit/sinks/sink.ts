// Where audit lines go. A sink never blocks and never throws at its writer: what it cannot take it counts as lost.

export interface Sink {
  /** Lines without their newline, in order. */
  write(lines: readonly string[]): void;
  /** Lines that could not be written since the last call. */
  takeLost(): number;
  /** Resolves when everything accepted is written, or has failed. */
  close(): Promise<void>;
}
