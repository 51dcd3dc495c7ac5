// `namewall probe`: asks the agent on this machine whether it lives or is ready, for kubelet and for people.
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { HEALTH_SOCKET } from '../agent/health.ts';
import type { HealthStatus } from '../agent/health.ts';
import type { CliIo } from './io.ts';

const HELP = `Usage: namewall probe ready|live [--socket PATH]

Asks a running agent how it is, and prints why it is not ready and what it warns of, one a line.

ready: rules are applied, sockets are open, pods and policies are known.
live: the agent answers and its data plane turns; a restart would cure nothing else.

Options:
  --socket PATH  where the agent's configuration has "health" (default ${HEALTH_SOCKET})
  --help         this text

Exit codes:
  0  yes
  1  no, or nobody answers within two seconds
  2  wrong usage
`;

const PATIENCE_MS = 2_000;
const OPTIONS = { socket: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  let args;
  try {
    args = parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    return misused(io, error instanceof Error ? error.message : String(error));
  }
  if (args.values.help === true) {
    io.out(HELP);
    return 0;
  }
  const [question, ...more] = args.positionals;
  if ((question !== 'ready' && question !== 'live') || more.length > 0) return misused(io, 'ask "ready" or "live"');
  const path = args.values.socket ?? HEALTH_SOCKET;
  let status: HealthStatus;
  try {
    status = await ask(path);
  } catch (error) {
    io.out(`no answer from ${path}: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  for (const reason of status.reasons) io.out(`not ready: ${reason}\n`);
  for (const warning of status.warnings) io.out(`warning: ${warning}\n`);
  return status[question] ? 0 : 1;
}

async function ask(path: string): Promise<HealthStatus> {
  const socket = connect(path);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`silent for ${PATIENCE_MS / 1000} s`)));
  return JSON.parse(await text(socket)) as HealthStatus; // written by agent/health-socket.ts
}

function misused(io: CliIo, why: string): number {
  io.err(`namewall probe: ${why}; see namewall probe --help\n`);
  return 2;
}
