// `namewall test`: runs netassert files, from inside the network namespaces of the clients or against the policies alone, and prints TAP.
import { closeSync, openSync, writeSync } from 'node:fs';
import { text as readStream } from 'node:stream/consumers';
import type { CliIo } from './io.ts';
import { printProblems } from './render.ts';
import type { Prober, TestCase } from './test/case.ts';
import { readCommandLine, type TestOptions } from './test/command-line.ts';
import { runInOrder } from './test/in-order.ts';
import { locator } from './test/locate.ts';
import { NamespaceError } from './test/net-namespaces.ts';
import { PolicyProber } from './test/offline.ts';
import { NamespaceProber } from './test/online.ts';
import { loadTests } from './test/read-tests.ts';
import { runCase } from './test/run-case.ts';
import { readSetting, type Setting } from './test/setting.ts';
import { tapHeader, tapLine } from './test/tap.ts';

const HELP = `Usage: namewall test [-f] FILE… --config FILE [OPTIONS]
       namewall test [-f] FILE… --clients FILE --server ADDRESS… [OPTIONS]
       namewall test [-f] FILE… --clients FILE --policies PATH… --offline [OPTIONS]

Runs netassert tests (v2 and v1 files) from inside the network namespaces of the clients, or with --offline against the
policies alone, and prints TAP 14. A FILE may be a folder (its *.yaml and *.yml files) or - for standard input.

  - { name: cart reaches the api, type: k8s, targetPort: 443,
      src: { k8sResource: { kind: deployment, name: cart, namespace: shop } }, dst: { host: { name: api.example.org } },
      x-dns: { name: exfil.example.net, type: A, expect: denied } }

exitCode 0, the default, means "must be allowed", any other "must be blocked": rejected, silent, or a name that does not
resolve. A closed port looks like a reject, and is "blocked", too. A deployment, statefulset or daemonset NAME is the
client NAME or, without one, the first whose name begins with NAME-. Names are asked as they stand, without search list.
UDP is seen by a listener that is put beside the destination; where none can be, silence fails the test.

x-dns is ours: one assertion or a list of { name, type, expect, addresses }. expect is answered, denied (the answer says so
by an Extended DNS Error), nxdomain, nodata, refused, servfail or silent (denied with "dns.denied: drop"); all of addresses
must be in the answer. A test with x-dns needs no dst. Offline only answered and denied are judged, and no addresses.

Options:
  -f, --file FILE         a test file, as above
  -c, --config FILE       clients, policies and dns.servers of the agent
      --clients FILE      a clients file instead
      --server ADDRESS    the DNS server that clients ask; several times for more
      --policies PATH     file, folder or glob; several times for more
      --offline           ask the policies alone: no packet is sent, no privileges are needed
      --netns NAMESPACE/NAME=PATH  network namespace of a client, as in /run/netns/cart; without it, it is looked for
  -t, --tap FILE          write TAP there, and a summary to standard output
      --timeout DURATION  of tests that set none (15s); the attempts share it
      --parallel N        how many tests run at once (8)
  -h, --help              this text

Needs CAP_SYS_ADMIN, nsenter and ip, unless --offline is given.

Exit codes:
  0  all passed
  1  at least one failed
  2  wrong usage, or a wrong file (FILE:LINE:COL of each problem), or namespaces cannot be entered
`;

const EXIT = { passed: 0, failed: 1, unusable: 2 } as const;

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  const read = readCommandLine(argv);
  if (!read.ok) {
    for (const { message } of read.problems) io.err(`namewall test: ${message}; see namewall test --help\n`);
    return EXIT.unusable;
  }
  if (read.value.help) {
    io.out(HELP);
    return EXIT.passed;
  }
  return runFiles(read.value, io);
}

async function runFiles(options: TestOptions, io: CliIo): Promise<number> {
  const { timeoutMs } = options;
  const tests = await loadTests(options.paths, { timeoutMs, readInput: () => readStream(process.stdin) });
  const setting = await readSetting(options);
  if (!tests.ok || !setting.ok) {
    const problems = [tests, setting].flatMap((read) => (read.ok ? [] : read.problems));
    printProblems(problems, io);
    return EXIT.unusable;
  }
  if (!options.offline && setting.value.dnsServers.length === 0 && tests.value.some(isAsking)) {
    io.err('namewall test: add --server ADDRESS: whom clients ask is not known; see namewall test --help\n');
    return EXIT.unusable;
  }
  try {
    return await report(tests.value, await openProber(options, setting.value, tests.value), options, io);
  } catch (error) {
    if (!(error instanceof NamespaceError) && !isFileError(error)) throw error;
    io.err(`namewall test: ${error.message}\n`);
    return EXIT.unusable;
  }
}

async function openProber(options: TestOptions, setting: Setting, tests: readonly TestCase[]): Promise<Prober> {
  if (options.offline) return new PolicyProber(setting);
  const { clients, dnsServers } = setting;
  return new NamespaceProber({ clients, dnsServers, locate: await locator(tests, clients, options.namespaces) });
}

/** The host has servers of its own. */
function isAsking({ source, checks }: TestCase): boolean {
  const asks = checks.some((check) => check.kind === 'ask' || (check.kind === 'connect' && check.to.kind === 'name'));
  return asks && source.kind !== 'host';
}

async function report(
  tests: readonly TestCase[],
  prober: Prober,
  { tap, parallel }: TestOptions,
  io: CliIo,
): Promise<number> {
  const file = tap === undefined ? undefined : openSync(tap, 'w');
  const print = (line: string): void => (file === undefined ? io.out(line) : void writeSync(file, line));
  let failed = 0;
  try {
    print(tapHeader(tests.length));
    await runInOrder(tests, {
      parallel,
      work: (test) => runCase(test, prober),
      emit: ({ name }, outcome, index) => {
        if (outcome.kind === 'failed') failed++;
        print(tapLine(index + 1, name, outcome));
      },
    });
    if (tap !== undefined) io.out(`${tests.length} tests, ${failed} failed; see ${tap}\n`);
  } finally {
    await prober.close();
    if (file !== undefined) closeSync(file);
  }
  return failed === 0 ? EXIT.passed : EXIT.failed;
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
