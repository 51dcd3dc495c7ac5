// `namewall on`: ends what `namewall off` began.
import { parseArgs } from 'node:util';
import { DEFAULT_STATE } from '../agent/config.ts';
import { callerUid, order, readScope, SELECTORS } from './ask-agent.ts';
import type { CliIo } from './io.ts';

const HELP = `Usage: namewall on [--pod NAMESPACE/NAME | --namespace NAMESPACE] [--state FOLDER]

Ends audit mode ("namewall off"): what policy does not allow is refused again, and open connections are judged by it.
Without a selector for all pods of this node; with one only where nothing wider is off. Prints what is off still.

Options:
      --pod NAMESPACE/NAME     this pod
  -n, --namespace NAMESPACE    the namespace, and pods of it that were switched off by themselves
      --state FOLDER           where the agent's configuration has "state" (default ${DEFAULT_STATE})
  -h, --help                   this text

Exit codes:
  0  done, also when nothing was off
  1  no agent answers, it knows no such pod or namespace, or something wider is off; nothing has changed, or it says what
  2  wrong usage
`;

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  let options;
  try {
    options = parseArgs({ args: [...argv], options: SELECTORS }).values;
  } catch (error) {
    return misused(io, error instanceof Error ? error.message : String(error));
  }
  if (options.help === true) {
    io.out(HELP);
    return 0;
  }
  const scope = readScope(options);
  if (typeof scope === 'string') return misused(io, scope);
  return order({ kind: 'on', scope, uid: callerUid() }, options.state ?? DEFAULT_STATE, 'text', io);
}

function misused(io: CliIo, why: string): number {
  io.err(`namewall on: ${why}; see namewall on --help\n`);
  return 2;
}
