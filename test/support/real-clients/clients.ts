// Programs that resolve names, as pods have them: how each is called, and what it prints when there is no such name.
import { execFile } from 'node:child_process';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { runCommand } from '../../../src/cli/demo/command.ts';

const HERE = new URL('.', import.meta.url).pathname;
const MUSL = { library: '/lib/x86_64-linux-musl/libc.so', loader: '/lib/ld-musl-x86_64.so.1' } as const;

export interface Client {
  /** Resolves the name, by /etc/resolv.conf. */
  argv(name: string): readonly string[];
  /** In what it prints of a name that does not exist. */
  readonly notFound: RegExp;
}

export interface Outcome {
  /** The exit code. */
  readonly code: number;
  readonly output: string;
  readonly addresses: readonly string[];
}

/** `folder` is where musl's client is compiled to. */
export async function compileMusl(folder: string): Promise<Client> {
  const program = join(folder, 'resolve');
  await runCommand(['tcc', '-nostdlib', '-o', program, join(HERE, 'resolve.c'), MUSL.library]);
  // By its loader: the program carries the path of glibc's.
  return { argv: (name) => [MUSL.loader, program, name], notFound: /^Name does not resolve$/m };
}

export const DIG: Client = { argv: (name) => ['dig', name, 'A', name, 'AAAA'], notFound: /status: NXDOMAIN/ };
export const KDIG: Client = { argv: (name) => ['kdig', name, 'A', name, 'AAAA'], notFound: /status: NXDOMAIN/ };
export const DRILL: Client = { argv: (name) => ['drill', name, 'A'], notFound: /rcode: NXDOMAIN/ };
/** glibc; it says nothing of a name that is not there. */
export const GETENT: Client = { argv: (name) => ['getent', 'ahosts', name], notFound: /^$/ };
export const C_ARES: Client = {
  argv: (name) => [process.execPath, new URL('./c-ares.ts', import.meta.url).pathname, name],
  notFound: /^ENOTFOUND$/m,
};

/** The client with further arguments, for example for TCP. */
export function withArguments(client: Client, ...more: readonly string[]): Client {
  return { ...client, argv: (name) => [...client.argv(name), ...more] };
}

export function resolve(namespace: string, client: Client, name: string): Promise<Outcome> {
  return new Promise((settle) => {
    execFile('ip', ['netns', 'exec', namespace, ...client.argv(name)], (error, stdout, stderr) => {
      const output = stdout + stderr;
      // execFile's code is a text when the program could not be started at all.
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      settle({ code, output, addresses: addressesIn(stdout) });
    });
  });
}

/** Records of A and AAAA, lines of getent, or bare addresses: whatever is one and is no comment. */
function addressesIn(text: string): readonly string[] {
  const lines = text.split('\n').filter((line) => !line.startsWith(';'));
  return [...new Set(lines.flatMap((line) => line.split(/\s+/)).filter((word) => isIP(word) !== 0))];
}
