#!/usr/bin/env node
// argv → a command. The only process.exit of the program; commands answer an exit code.
import packageJson from '../package.json' with { type: 'json' };
import type { CliIo } from './cli/io.ts';

const HELP = `Usage: namewall COMMAND [OPTIONS]

A DNS-aware egress firewall: a pod connects only to the addresses that its allowed names just resolved to.

Commands:
  run     intercept, judge and enforce, in the foreground
  check   check policy and client files
  match   say whether names match a rule
  explain say whether policy lets a pod reach a destination, and by which rule
  probe   ask a running agent whether it lives or is ready
  dig     ask as a pod, and see the path that the question takes
  off     refuse nothing for a while, and log what would be
  on      end that
  test    run netassert tests from inside the pods, or against the policies alone
  doctor  look for what keeps it from enforcing here, and how to mend it
  demo    see it allow, deny and explain, in network namespaces
  help    this text
  version the version of namewall

  namewall COMMAND --help tells more.

Exit codes: 0 success, 1 the command's "no", 2 wrong usage; COMMAND --help lists its own.
`;

/** What a shell shows of a program that SIGPIPE ended. */
const EXIT_BROKEN_PIPE = 141;

/** Erasable TypeScript is run without a flag from here on, and the API that we use is complete. */
const NODE_MAJOR = 24;

interface Command {
  run(argv: readonly string[], io: CliIo): number | Promise<number>;
}

// Loaded when asked for: `match` needs neither the kernel's library nor the YAML reader.
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: () => import('./cli/run.ts'),
  check: () => import('./cli/check.ts'),
  match: () => import('./cli/match.ts'),
  explain: () => import('./cli/explain.ts'),
  probe: () => import('./cli/probe.ts'),
  dig: () => import('./cli/dig.ts'),
  off: () => import('./cli/off.ts'),
  on: () => import('./cli/on.ts'),
  test: () => import('./cli/test.ts'),
  doctor: () => import('./cli/doctor.ts'),
  demo: () => import('./cli/demo.ts'),
};

const io: CliIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

async function main(argv: readonly string[]): Promise<number> {
  const [name = '', ...rest] = argv;
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR) {
    io.err(`namewall needs Node.js ${NODE_MAJOR} or later, this is ${process.version}; "npm ci" brings one along\n`);
    return 2;
  }
  if (['help', '--help', '-h'].includes(name)) {
    io.out(HELP);
    return 0;
  }
  if (['version', '--version', '-V'].includes(name)) {
    io.out(`${packageJson.version}\n`);
    return 0;
  }
  // Whoever reads a command's output may stop reading (| head). The agent's audit log has a sink that counts what it cannot write.
  if (name !== 'run') process.stdout.on('error', () => process.exit(EXIT_BROKEN_PIPE));
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    io.err(name === '' ? HELP : `namewall: unknown command ${JSON.stringify(name)}; see namewall help\n`);
    return 2;
  }
  return (await load()).run(rest, io);
}

const exitCode = await main(process.argv.slice(2));
// What is left in a pipe goes out first, since process.exit would cut it; the agent has drained its audit log as far as anybody reads it.
if (process.argv[2] === 'run') process.exit(exitCode);
process.stdout.write('', (error) => process.exit(error ? EXIT_BROKEN_PIPE : exitCode));
