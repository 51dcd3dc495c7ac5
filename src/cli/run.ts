// `namewall run`: the agent in the foreground, until SIGTERM or Ctrl-C.
import { parseArgs } from 'node:util';
import { Agent, StartError } from '../agent/agent.ts';
import { DEFAULT_MARK, DEFAULT_ROUTING_TABLE, readConfig } from '../agent/config.ts';
import type { Config } from '../agent/config.ts';
import { DatapathError } from '../agent/datapath-host.ts';
import { die } from '../agent/die.ts';
import { CodedError } from '../base/errors.ts';
import { openLog } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import { cleanup } from '../kernel/cleanup.ts';
import { LinuxSys } from '../sys/linux.ts';
import type { CliIo } from './io.ts';
import { printProblems } from './render.ts';

const HELP = `Usage: namewall run --config FILE
       namewall run --cleanup [--config FILE]

Intercepts the DNS of clients, answers the names that their policies allow, and lets them connect only to the addresses
that those names resolved to. Clients and policies come from the files that FILE names; with "mode: node" they are the
pods of one Kubernetes node. Runs in the foreground. The log goes to standard error, the audit log to standard output
unless FILE names a file. Files are watched: a change is applied at once, or refused as a whole with the last good one
in force. Of a cluster's policies a wrong one alone is refused.

Stopping it, by a signal or by a crash, leaves the kernel's rules in place: what is granted works until it expires,
nothing new opens. --cleanup takes them away, and with them all enforcement.

Options:
  -c, --config FILE  the configuration (README.md lists its keys)
      --cleanup      remove the nftables table, the ip rules and the routes, also after a crash or when half of it
                     is gone; FILE is needed only where it sets mark or routingTable
  -h, --help         this text

SIGHUP reopens the audit file, after it was rotated.

Needs CAP_NET_ADMIN and CAP_NET_BIND_SERVICE.

Exit codes:
  0    stopped by SIGTERM or SIGINT; or cleaned up
  1    cannot start, or cannot clean up: standard error says why
  2    wrong usage, or a wrong configuration, client or policy file (FILE:LINE:COL of each problem)
  3    mode node: the DNS Service has other addresses, or the node other pod ranges. Start it again, as a DaemonSet does;
       the kernel's rules stay meanwhile
  137  ended itself after an internal error
`;

const STAYS_CLOSED =
  'The rules that it applied stay, closed: queries take whenDown, nothing opens. "namewall run --cleanup" takes them away.\n';

/** Listeners and protected ranges are the data plane's from its start on. */
const EXIT_RESTART = 3;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  cleanup: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  const options = parse(argv, io);
  if (options === undefined) return 2;
  if (options.help === true) {
    io.out(HELP);
    return 0;
  }
  const config = options.config === undefined ? undefined : readConfig(options.config);
  if (config?.ok === false) {
    printProblems(config.problems, io);
    return 2;
  }
  if (options.cleanup === true) return cleanUp(config?.value, io);
  if (config === undefined) {
    io.err('namewall run: --config FILE is missing; see namewall run --help\n');
    return 2;
  }
  return serve(config.value, io);
}

async function serve(config: Config, io: CliIo): Promise<number> {
  const log = openLog(config.logLevel);
  process.on('uncaughtException', (error) => die(log, error));
  process.on('unhandledRejection', (error) => die(log, error));
  // Before anything takes time: a signal during the start must end it, too.
  const signal = firstSignal();
  const stopping = new AbortController();
  void signal.then(() => stopping.abort());
  try {
    const agent = await Agent.start(config, LinuxSys.open(), log, stopping.signal);
    process.on('SIGHUP', () => agent.reopenAudit());
    throwOnPurpose(agent, log);
    const restart = agent.restartNeeded.then((change) => ({ change }));
    const ending = await Promise.race([signal, restart]);
    if (typeof ending === 'string') log.info({ signal: ending }, 'stopping');
    else log.warn(ending, 'stopping: what can only be taken up by another start has changed');
    await agent.stop();
    return typeof ending === 'string' ? 0 : EXIT_RESTART;
  } catch (error) {
    if (stopping.signal.aborted) {
      log.info({ signal: await signal, error: String(error) }, 'stopped before the start was complete');
      return 0;
    }
    if (error instanceof StartError) {
      printProblems(error.problems, io);
      return 2;
    }
    if (!(error instanceof CodedError)) throw error;
    io.err(`namewall run: ${error.message}\n`);
    if (error instanceof DatapathError) io.err(STAYS_CLOSED);
    return 1;
  }
}

async function cleanUp(config: Config | undefined, io: CliIo): Promise<number> {
  try {
    await cleanup({ mark: config?.mark ?? DEFAULT_MARK, table: config?.routingTable ?? DEFAULT_ROUTING_TABLE });
    return 0;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    io.err(`namewall run --cleanup: ${error.message}\n`);
    return 1;
  }
}

function firstSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  process.once('SIGTERM', resolve);
  process.once('SIGINT', resolve);
  return promise;
}

/** NAMEWALL_THROW=main or datapath throws on SIGUSR2: how the tests see that an exception anywhere ends the process. */
function throwOnPurpose(agent: Agent, log: Logger): void {
  const where = process.env['NAMEWALL_THROW'];
  if (where === undefined) return;
  log.warn({ where }, 'SIGUSR2 will throw an exception on purpose');
  process.on('SIGUSR2', () => {
    if (where === 'datapath') agent.throwInDatapath();
    else throw new Error('Thrown on purpose in the main thread');
  });
}

function parse(argv: readonly string[], io: CliIo) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true }).values;
  } catch (error) {
    io.err(`namewall run: ${error instanceof Error ? error.message : String(error)}; see namewall run --help\n`);
    return undefined;
  }
}
