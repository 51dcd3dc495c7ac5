// A network namespace for one test file: made empty, removed with everything in it. Nothing of the host's own network is touched.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { promisify } from 'node:util';
import { describe } from 'vitest';
import { runCommand } from '../../../src/kernel/program.ts';
import type { RunProgram } from '../../../src/kernel/program.ts';

const execFileAsync = promisify(execFile);
/** A set of 20,000 grants, listed. */
const OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;

/** A describe for tests that need a kernel. In CI they run or fail; elsewhere they are left out when the user is not root. */
export function describeKernel(title: string, body: () => void): void {
  const allowed = process.getuid?.() === 0 || process.env['CI'] === 'true';
  if (allowed) describe(title, { timeout: 30_000 }, body);
  else describe.skip(`${title} (left out: network namespaces need root)`, body);
}

let made = 0;

export class Namespace {
  readonly name: string;
  /** As runProgram of src/kernel/program.ts, inside the namespace. */
  readonly run: RunProgram;

  private constructor(name: string) {
    this.name = name;
    this.run = (program, args, input) => runCommand(program, this.command(program, ...args), input);
  }

  static async create(label: string): Promise<Namespace> {
    const namespace = new Namespace(`nw-${label}-${process.pid}-${++made}`);
    await execFileAsync('ip', ['netns', 'add', namespace.name]);
    await namespace.execute('ip', 'link', 'set', 'lo', 'up');
    return namespace;
  }

  /** The command line that runs `program` inside. */
  command(program: string, ...args: string[]): string[] {
    return ['ip', 'netns', 'exec', this.name, program, ...args];
  }

  async execute(program: string, ...args: string[]): Promise<string> {
    const [file = '', ...rest] = this.command(program, ...args);
    return (await execFileAsync(file, rest, { maxBuffer: OUTPUT_LIMIT_BYTES })).stdout;
  }

  /** Several commands, one a line, words separated by spaces. */
  async script(commands: string): Promise<void> {
    for (const line of commands.split('\n').map((text) => text.trim())) {
      if (line === '') continue;
      const [program = '', ...args] = line.split(/ +/);
      await this.execute(program, ...args);
    }
  }

  spawn(program: string, ...args: string[]): ChildProcess {
    const [file = '', ...rest] = this.command(program, ...args);
    return spawn(file, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  async remove(): Promise<void> {
    await execFileAsync('ip', ['netns', 'del', this.name]);
  }
}

/** Asks again until `question` answers true or the deadline passes; answers the last answer. */
export async function eventually(question: () => Promise<boolean>, deadlineMs = 5_000): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    if (await question()) return true;
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A point-to-point link: `name` on the node's side, eth0 with the addresses on the other, default routes through it. */
export async function link(
  node: Namespace,
  name: string,
  peer: Namespace,
  addresses: { 4: string; 6: string },
): Promise<void> {
  await node.script(`
    ip link add ${name} type veth peer name eth0 netns ${peer.name}
    ip link set ${name} up
    ip addr add 169.254.1.1/32 dev ${name}
    ip -6 addr add fe80::1/64 dev ${name} nodad
    ip route add ${addresses[4]}/32 dev ${name}
    ip -6 route add ${addresses[6]}/128 dev ${name}
  `);
  await peer.script(`
    ip link set eth0 up
    ip addr add ${addresses[4]}/32 dev eth0
    ip -6 addr add ${addresses[6]}/128 dev eth0 nodad
    ip route add 169.254.1.1/32 dev eth0
    ip route add default via 169.254.1.1 src ${addresses[4]}
    ip -6 route add default via fe80::1 dev eth0 src ${addresses[6]}
  `);
}
