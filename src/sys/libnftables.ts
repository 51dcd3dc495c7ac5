// libnftables in this process: nft text without starting the `nft` program, for the moment in which a foreign flush has to be answered at
// once. Each thread opens its own. Never prints: what nft would say is what `run` answers.
import koffi from 'koffi';

interface Calls {
  nft_ctx_new(flags: number): unknown;
  nft_ctx_buffer_output(context: unknown): number;
  nft_ctx_buffer_error(context: unknown): number;
  nft_ctx_get_error_buffer(context: unknown): string;
  nft_run_cmd_from_buffer(context: unknown, text: string): number;
  nft_ctx_free(context: unknown): void;
}

// nftables/libnftables.h
const PROTOTYPES: Record<keyof Calls, string> = {
  nft_ctx_new: 'void *nft_ctx_new(uint32_t)',
  nft_ctx_buffer_output: 'int nft_ctx_buffer_output(void *)',
  nft_ctx_buffer_error: 'int nft_ctx_buffer_error(void *)',
  nft_ctx_get_error_buffer: 'const char *nft_ctx_get_error_buffer(void *)',
  nft_run_cmd_from_buffer: 'int nft_run_cmd_from_buffer(void *, const char *)',
  nft_ctx_free: 'void nft_ctx_free(void *)',
};
/** The package of the `nft` program brings it. */
const LIBRARY = 'libnftables.so.1';

export class Libnftables {
  readonly #calls: Calls;
  #context: unknown;

  private constructor(calls: Calls, context: unknown) {
    this.#calls = calls;
    this.#context = context;
  }

  /**
   * Undefined when it is not installed. It opens a netlink socket, and where the kernel gives none the library ends the process: open it at
   * the start, after a socket of Sys.
   */
  static open(): Libnftables | undefined {
    const calls = load();
    const context = calls?.nft_ctx_new(0);
    if (calls === undefined || context === null || context === undefined) return undefined;
    calls.nft_ctx_buffer_output(context);
    calls.nft_ctx_buffer_error(context);
    return new Libnftables(calls, context);
  }

  /**
   * Applies `text` whole or not at all; waits for the kernel's lock (V24). Undefined when it is done, else nft's first complaint (the lines
   * after it quote the text, which may be long). What a listing would print is thrown away.
   */
  run(text: string): string | undefined {
    if (this.#context === undefined) return 'Cannot apply nft text: the library is closed';
    if (this.#calls.nft_run_cmd_from_buffer(this.#context, text) === 0) return undefined;
    const [complaint = ''] = this.#calls.nft_ctx_get_error_buffer(this.#context).trim().split('\n', 1);
    return complaint === '' ? 'Cannot apply nft text: no reason given' : complaint;
  }

  close(): void {
    if (this.#context !== undefined) this.#calls.nft_ctx_free(this.#context);
    this.#context = undefined;
  }
}

function load(): Calls | undefined {
  try {
    const library = koffi.load(LIBRARY);
    const calls = Object.entries(PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)]);
    // The table has a prototype for every member of Calls (its type says so), and koffi's functions are untyped.
    return Object.fromEntries(calls) as Calls;
  } catch {
    return undefined; // not installed, or another version: its callers have the program
  }
}
