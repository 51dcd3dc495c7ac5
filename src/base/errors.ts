// Errors that namewall makes itself: people's input gives problems as values, the world's faults are thrown with a code.

/** One thing wrong with what a person wrote. `at` is FILE:LINE:COL (1-based), or a JSON path where there is no file. */
export interface Problem {
  readonly code: string;
  readonly at: string;
  readonly message: string;
}

/** The outcome of reading people's input: the value, or every problem found, never both. */
export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly Problem[] };

/** A fault of the world (kernel, file system, network) with a code from a closed set; the code is also the metric label. */
export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Closes a `switch` over a tagged union: reaching it is our bug. */
export function assertNever(value: never): never {
  throw new Error(`Unexpected value ${JSON.stringify(value)}`);
}
