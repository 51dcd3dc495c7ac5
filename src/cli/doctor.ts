// `namewall doctor`: looks for what keeps namewall from enforcing here and says how to mend it. Changes nothing.
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { DEFAULT_MARK, DEFAULT_ROUTING_TABLE, readConfig } from '../agent/config.ts';
import type { Config } from '../agent/config.ts';
import { DoctorContext } from '../agent/doctor/context.ts';
import { examine } from '../agent/doctor/examine.ts';
import type { Finding } from '../agent/doctor/finding.ts';
import { procFiles } from '../agent/doctor/proc-files.ts';
import type { HealthStatus } from '../agent/health.ts';
import { runProgram } from '../kernel/program.ts';
import { chooseStrategy } from '../kernel/self-test.ts';
import { LinuxSys } from '../sys/linux.ts';
import type { CliIo } from './io.ts';
import { printProblems } from './render.ts';

const HELP = `Usage: namewall doctor [--config FILE] [--output text|json]

Looks for what keeps namewall from enforcing on this machine: missing privileges, kernel features and modules, rules,
sockets and routes of other programs that intercepted packets meet, data planes that pass netfilter by. Prints for each
check "ok", "warn" or "fail" and what was found; for the last two also why it matters and what mends it.

Changes nothing, and works with and without a running agent. Run it as root in the agent's network namespace.

Options:
  -c, --config FILE  the agent's configuration, for its mark, routing table, DNS servers and health socket
  -o, --output WHAT  text (default) or json: {"healthy":true,"findings":[{"check","status","found","why","mend"}]}
  -h, --help         this text

Exit codes:
  0  no check failed; some may warn
  1  at least one failed
  2  wrong usage, or a wrong configuration (FILE:LINE:COL of each problem)
`;

const PATIENCE_MS = 2_000;
const INDENT = ' '.repeat(6);
const OPTIONS = {
  config: { type: 'string', short: 'c' },
  output: { type: 'string', short: 'o', default: 'text' },
  help: { type: 'boolean', short: 'h' },
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
  if (options.output !== 'text' && options.output !== 'json') return misused(io, 'output is "text" or "json"');
  const config = options.config === undefined ? undefined : readConfig(options.config);
  if (config?.ok === false) {
    printProblems(config.problems, io);
    return 2;
  }
  const findings = await examine(contextOf(config?.value));
  const healthy = findings.every(({ status }) => status !== 'fail');
  io.out(options.output === 'json' ? `${JSON.stringify({ healthy, findings })}\n` : renderFindings(findings));
  return healthy ? 0 : 1;
}

export function renderFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .flatMap(({ check, status, found, why, mend }) => [
      `${status.padEnd(4)}  ${check.padEnd(width)}  ${found}\n`,
      ...(why === undefined ? [] : [`${INDENT}why:  ${why}\n`]),
      ...(mend === undefined ? [] : [`${INDENT}mend: ${mend}\n`]),
    ])
    .join('');
}

function contextOf(config: Config | undefined): DoctorContext {
  const health = config === undefined || config.health === 'off' ? undefined : config.health;
  return new DoctorContext({
    mode: config?.mode ?? 'host',
    mark: config?.mark ?? DEFAULT_MARK,
    routingTable: config?.routingTable ?? DEFAULT_ROUTING_TABLE,
    dnsServers: config === undefined || config.dnsServers === 'cluster' ? [] : config.dnsServers,
    run: runProgram,
    files: procFiles,
    renewal: () => chooseStrategy(LinuxSys.open()),
    ...(health === undefined ? {} : { health: () => ask(health) }),
  });
}

async function ask(path: string): Promise<HealthStatus> {
  const socket = connect(path);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`silent for ${PATIENCE_MS / 1000} s`)));
  return JSON.parse(await text(socket)) as HealthStatus; // written by agent/health-socket.ts
}

function misused(io: CliIo, why: string): number {
  io.err(`namewall doctor: ${why}; see namewall doctor --help\n`);
  return 2;
}
