// `namewall demo`: builds the lab, runs the real agent in it and shows what it does, step by step. Everything it makes is gone
// when it ends, however it ends, unless --keep asks for it.
import { existsSync } from 'node:fs';
import { delimiter, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { CliIo } from './io.ts';
import { Lab } from './demo/lab.ts';
import { orphanedLabs, removeLab } from './demo/namespaces.ts';
import { createReport, type Report } from './demo/report.ts';
import { PODS, publishNames } from './demo/stage.ts';
import { openWorld, STEPS, type Step } from './demo/steps.ts';

interface Options {
  readonly keep: boolean;
  readonly remove: boolean;
  readonly help: boolean;
  readonly audit: string | undefined;
}

const HELP = `Usage: namewall demo [--keep] [--audit FILE]
       namewall demo --remove

Builds two pods, a node and a small internet in network namespaces, runs the agent with policies/demo.yaml between them and
shows what it allows and what it stops. Needs root, nft and ip. Nothing outside its own namespaces is touched.

  --keep        leave the namespaces and the agent up, and say how to enter them
  --remove      end and remove everything that --keep left up
  --audit FILE  write the agent's audit log to FILE
  --help        this text

Exit code: 0 when every step was seen as expected, 1 when not, 2 for wrong usage, 130 when interrupted.
`;

const POLICY = fileURLToPath(new URL('../../policies/demo.yaml', import.meta.url));
const TRY = fileURLToPath(new URL('./demo/try.ts', import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const EXIT = { expected: 0, unexpected: 1, usage: 2, interrupted: 130 } as const;

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  const options = parseOptions(argv, io);
  if (options === null) return EXIT.usage;
  if (options.help) {
    io.out(HELP);
    return EXIT.expected;
  }
  const missing = whatIsMissing();
  if (missing !== null) {
    io.err(`namewall demo: ${missing}\n`);
    return EXIT.unexpected;
  }
  if (options.remove) return removeKept(io);
  return play(options, io);
}

async function play(options: Options, io: CliIo): Promise<number> {
  const report = createReport((text) => io.out(text), wantsColour() ? 'colour' : 'plain');
  const interruption = new Interruption();
  let lab: Lab | null = null;
  try {
    report.heading('namewall demo: two pods, a node, a small internet, and the agent between them');
    lab = await Lab.build(PODS);
    const outcome = await interruption.orElse(playSteps(lab, options, report));
    if (outcome === 'interrupted') {
      report.line('\nInterrupted; removing what was built');
      return EXIT.interrupted;
    }
    if (options.keep) {
      await lab.keep();
      explainKept(lab, report);
      lab = null;
    }
    return outcome === 'expected' ? EXIT.expected : EXIT.unexpected;
  } catch (error) {
    io.err(`namewall demo: ${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT.unexpected;
  } finally {
    await lab?.remove();
    interruption.forget();
  }
}

type Outcome = 'expected' | 'unexpected';

async function playSteps(lab: Lab, options: Options, report: Report): Promise<Outcome> {
  for (const { spec, address } of lab.pods)
    report.line(`  pod ${spec.name}   ${address.v4}, ${address.v6}, app=${spec.labels['app']}`);
  report.line(`  policy     ${relative(process.cwd(), POLICY)}`);
  const start = performance.now();
  await publishNames(lab);
  const played = [await playStep(lab, report, { number: 0, step: openWorld })];
  lab.configure({ policies: [POLICY], ...(options.audit === undefined ? {} : { auditFile: resolve(options.audit) }) });
  await startAgent(lab, report);
  for (const [i, step] of STEPS.entries()) played.push(await playStep(lab, report, { number: i + 1, step }));
  const expected = played.filter((outcome) => outcome === 'expected').length;
  report.summary(expected, played.length, (performance.now() - start) / 1000);
  if (options.audit !== undefined) report.line(`  audit log: ${options.audit}`);
  return expected === played.length ? 'expected' : 'unexpected';
}

async function playStep(lab: Lab, report: Report, { number, step }: { number: number; step: Step }): Promise<Outcome> {
  const observations = await step.play(lab);
  report.step(number, step.title, observations);
  return observations.every(({ problem }) => problem === null) ? 'expected' : 'unexpected';
}

async function startAgent(lab: Lab, report: Report): Promise<void> {
  const start = performance.now();
  await lab.startAgent();
  report.line(
    `\n  namewall run --config namewall.yaml: ready after ${((performance.now() - start) / 1000).toFixed(1)} s, pid ${lab.agentPid}`,
  );
}

function explainKept(lab: Lab, report: Report): void {
  const enter = (namespace: string): string => `ip netns exec ${namespace}`;
  report.heading(`\nLeft up: the namespaces, the world and the agent (pid ${lab.agentPid})`);
  for (const { spec, address } of lab.pods) report.line(`  enter pod ${spec.name}      ${enter(address.namespace)} sh`);
  const [pod] = lab.pods;
  if (pod)
    report.line(`  ask and connect     ${enter(pod.address.namespace)} ${process.execPath} ${TRY} api.example.org 443`);
  report.line(`  the node's rules    ${enter(lab.nodeNamespace)} nft list table inet namewall`);
  report.line(`  the agent's log     ${lab.agentLogFile}`);
  report.line('  remove all of it    npm run demo -- --remove');
}

function removeKept(io: CliIo): number {
  const { abandoned, kept } = orphanedLabs();
  for (const id of [...abandoned, ...kept]) {
    removeLab(id);
    io.out(`Removed demo ${id}\n`);
  }
  if (abandoned.length + kept.length === 0) io.out('Nothing to remove\n');
  return EXIT.expected;
}

function parseOptions(argv: readonly string[], io: CliIo): Options | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        keep: { type: 'boolean', default: false },
        remove: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        audit: { type: 'string' },
      },
    });
    return { ...values, audit: values.audit };
  } catch (error) {
    io.err(`namewall demo: ${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return null;
  }
}

function whatIsMissing(): string | null {
  if (process.getuid?.() !== 0) return 'Cannot make network namespaces: run it as root';
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const missing = ['ip', 'nft'].filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
  if (missing.length > 0) return `Cannot find ${missing.join(' and ')}: install iproute2 and nftables`;
  if (!existsSync('/proc/sys/net/ipv6')) return 'Cannot show IPv6: this kernel runs without it';
  return null;
}

/** https://no-color.org: set and not empty. */
function wantsColour(): boolean {
  return process.stdout.isTTY && !process.env['NO_COLOR'];
}

/** Ctrl-C and its like end the steps, not the process: what was built must be removed first. */
class Interruption {
  readonly #interrupted: Promise<'interrupted'>;
  #interrupt: () => void = () => undefined;

  constructor() {
    this.#interrupted = new Promise((settle) => (this.#interrupt = () => settle('interrupted')));
    for (const signal of SIGNALS) process.on(signal, this.#interrupt);
  }

  orElse<T>(work: Promise<T>): Promise<T | 'interrupted'> {
    return Promise.race([this.#interrupted, work]);
  }

  forget(): void {
    for (const signal of SIGNALS) process.off(signal, this.#interrupt);
  }
}
