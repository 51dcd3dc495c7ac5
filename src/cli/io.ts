// Where a command writes: main.ts passes the process's streams, tests pass strings.

export interface CliIo {
  out(text: string): void;
  err(text: string): void;
}
