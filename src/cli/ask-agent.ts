// How `namewall off`, `on` and `dig` talk to the agent: one request out, one answer back; what orders print, and the way out where nobody
// answers.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { OrderNote, Reply, Request, Scope } from '../agent/audit-orders.ts';
import { controlPath } from '../agent/control-socket.ts';
import type { CliIo } from './io.ts';

export const SELECTORS = {
  pod: { type: 'string' },
  namespace: { type: 'string', short: 'n' },
  state: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Takes every rule of ours away in one transaction, whatever of it is there; `delete` alone fails where there is none. */
export const OPEN_NODE =
  "nft 'add table inet namewall; delete table inet namewall; add table inet namewall_shield; delete table inet namewall_shield'";

const PATIENCE_MS = 10_000;
/** (uid_t) -1, audit(8): nobody has logged in. */
const NO_LOGIN = 0xffff_ffff;

/** Whom the options are about; a text says what is wrong with them. */
export function readScope({ pod, namespace }: { pod?: string; namespace?: string }): Scope | string {
  if (pod !== undefined && namespace !== undefined) return 'give --pod or --namespace, not both';
  if (namespace !== undefined) return namespace === '' ? '--namespace is empty' : { kind: 'namespace', namespace };
  if (pod === undefined) return { kind: 'node' };
  const [owner = '', name = '', more] = pod.split('/');
  if (owner === '' || name === '' || more !== undefined) return `--pod is NAMESPACE/NAME, not ${JSON.stringify(pod)}`;
  return { kind: 'pod', namespace: owner, name };
}

/** Who runs the command: the login behind sudo and su (proc_pid_loginuid(5)), else the user. */
export function callerUid(): number {
  let login = NO_LOGIN;
  try {
    login = Number(readFileSync('/proc/self/loginuid', 'utf8'));
  } catch {
    login = NO_LOGIN; // this kernel has no audit
  }
  return login === NO_LOGIN ? (process.getuid?.() ?? 0) : login;
}

/** Sends the request and prints what is off then: an exit code. */
export async function order(request: Request, folder: string, output: string, io: CliIo): Promise<number> {
  const exchanged = await exchange<Reply>(request, folder);
  if (!exchanged.ok) {
    io.err(`${exchanged.problem}\n`);
    io.err(
      `is the agent's "state" another folder? Then give it with --state. Where the agent is dead, this opens the\n`,
    );
    io.err(`node, DNS included, until an agent starts again:\n  ${OPEN_NODE}\n`);
    return 1;
  }
  const { answer: reply } = exchanged;
  if (!reply.ok) {
    io.err(`${reply.error}\n`);
    return 1;
  }
  if (reply.warning !== undefined) io.err(`warning: ${reply.warning}\n`);
  io.out(output === 'json' ? `${JSON.stringify(reply.off)}\n` : renderOff(reply.off));
  return 0;
}

/** The agent's answer to a request that is no order. Undefined when there is none; then it is said why. */
export async function askAgent<Answer>(request: object, folder: string, io: CliIo): Promise<Answer | undefined> {
  const exchanged = await exchange<Answer>(request, folder);
  if (exchanged.ok) return exchanged.answer;
  io.err(`${exchanged.problem}\n${hintOf(exchanged.code)}\n`);
  return undefined;
}

/** What most often is the matter. */
function hintOf(code: string): string {
  if (code === 'EACCES' || code === 'EPERM') return 'only the user that the agent runs as may ask it: mostly root';
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return 'no agent runs in this network namespace, or its "state" is "off" or another folder: give that with --state';
  }
  return 'the agent is starting, stopping or overloaded, or of another version: its log tells more';
}

function renderOff(off: readonly OrderNote[]): string {
  if (off.length === 0) return 'nothing is off: what policy does not allow is refused\n';
  return off
    .map(({ scope, namespace = '', name = '', since, until, leftSeconds, uid }) => {
      const whom =
        scope === 'node' ? 'the whole node' : scope === 'pod' ? `pod ${namespace}/${name}` : `${scope} ${namespace}`;
      const end = leftSeconds === null ? 'until "namewall on"' : `for ${durationText(leftSeconds)}, until ${until}`;
      return `off: ${whom} ${end} (since ${since}, by uid ${uid})\n`;
    })
    .join('');
}

/** `1h 30m`, `29m 59s`, `2s`. */
function durationText(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const shown = parts.flatMap(([count, unit]) => (count > 0 ? [`${count}${unit}`] : []));
  return shown.length === 0 ? '0s' : shown.join(' ');
}

type Exchanged<Answer> =
  | { readonly ok: true; readonly answer: Answer }
  /** `code` is the errno's name, or empty. */
  | { readonly ok: false; readonly problem: string; readonly code: string };

/** With the agent whose `state` is this folder. */
async function exchange<Answer>(request: object, folder: string): Promise<Exchanged<Answer>> {
  let path = folder;
  try {
    path = controlPath(folder);
    return { ok: true, answer: JSON.parse(await ask(path, request)) as Answer }; // written by agent/control-socket.ts
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    return { ok: false, problem: `no answer from ${path}: ${why}`, code };
  }
}

async function ask(path: string, request: object): Promise<string> {
  const socket = connect(path);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`silent for ${PATIENCE_MS / 1000} s`)));
  socket.write(`${JSON.stringify(request)}\n`);
  const answer = await text(socket);
  if (answer === '') throw new Error('it cut the connection');
  return answer;
}
