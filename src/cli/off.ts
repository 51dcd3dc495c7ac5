// `namewall off`: nothing is refused any more, of all pods or of some, and everything that would be is logged.
import { parseArgs } from 'node:util';
import { LONGEST_MS, SHORTEST_MS } from '../agent/audit-orders.ts';
import { durationMs } from '../agent/config-values.ts';
import { DEFAULT_STATE } from '../agent/config.ts';
import { callerUid, order, OPEN_NODE, readScope, SELECTORS } from './ask-agent.ts';
import type { CliIo } from './io.ts';

const HELP = `Usage: namewall off [--for TIME] [--pod NAMESPACE/NAME | --namespace NAMESPACE] [--state FOLDER]
       namewall off --status [--output text|json] [--state FOLDER]

Puts pods into audit mode at once: nothing of them is refused any more, and what would be is in the audit log
(connection.denied with "would-deny", dns.allowed with "wouldDeny"). Without a selector all pods of this node. Names are
still asked of the agent, and what policy allows is still granted, so that "namewall on" finds the right connections open.

It holds for pods that come later, too, and over restarts of the agent, but not over a boot of the machine. The kernel
ends it when the time is over, also when no agent runs. Prints what is off then.

Not opened by it: packets with a source address that is not the pod's, and pods that the agent does not know yet
("unknownPods: allow" does that).

Options:
      --for TIME               500ms, 5s, 10m, 1h; without it until "namewall on"
      --pod NAMESPACE/NAME     this pod, and another one of that name after it
  -n, --namespace NAMESPACE    all pods of the namespace
      --status                 change nothing, print what is off
  -o, --output WHAT            text (default) or json: [{"scope","namespace","name","since","until","leftSeconds","uid"}]
      --state FOLDER           where the agent's configuration has "state" (default ${DEFAULT_STATE})
  -h, --help                   this text

Exit codes:
  0  done
  1  no agent answers, it knows no such pod or namespace, or it cannot do it; nothing has changed, or it says what
  2  wrong usage

Where the agent is dead, this opens the node, DNS included, until an agent starts again:
  ${OPEN_NODE}
`;

const OPTIONS = {
  ...SELECTORS,
  for: { type: 'string' },
  status: { type: 'boolean' },
  output: { type: 'string', short: 'o', default: 'text' },
} as const;

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  let options;
  try {
    options = parseArgs({ args: [...argv], options: OPTIONS }).values;
  } catch (error) {
    return misused(io, error instanceof Error ? error.message : String(error));
  }
  if (options.help === true) {
    io.out(HELP);
    return 0;
  }
  const { output, state = DEFAULT_STATE } = options;
  if (output !== 'text' && output !== 'json') return misused(io, 'output is "text" or "json"');
  const scope = readScope(options);
  if (typeof scope === 'string') return misused(io, scope);
  if (options.status === true) {
    if (scope.kind !== 'node' || options.for !== undefined) return misused(io, '--status stands alone');
    return order({ kind: 'status' }, state, output, io);
  }
  const forMs = options.for === undefined ? null : durationMs(options.for);
  if (forMs !== null && !(forMs >= SHORTEST_MS && forMs <= LONGEST_MS)) {
    return misused(
      io,
      `--for is a time such as 500ms, 5s, 10m or 1h, from ${SHORTEST_MS}ms to ${LONGEST_MS / 3_600_000}h`,
    );
  }
  return order({ kind: 'off', scope, forMs, uid: callerUid() }, state, output, io);
}

function misused(io: CliIo, why: string): number {
  io.err(`namewall off: ${why}; see namewall off --help\n`);
  return 2;
}
