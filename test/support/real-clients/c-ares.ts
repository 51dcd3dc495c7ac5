// Resolves its argument with c-ares, as Node.js has it, and prints what it found, or the error's code.
import { Resolver } from 'node:dns/promises';

const name = process.argv[2] ?? '';
const resolver = new Resolver();
try {
  process.stdout.write(`${[...(await resolver.resolve4(name)), ...(await resolver.resolve6(name))].join('\n')}\n`);
} catch (error) {
  // An error of node:dns: its code is that of c-ares.
  process.stdout.write(`${(error as NodeJS.ErrnoException).code}\n`);
  process.exitCode = 1;
}
