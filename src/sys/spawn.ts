// Programs started without fork(2). libuv forks, and a fork copies the page tables of all our memory: 5 ms for each 100 MB, in which the query
// threads can neither touch a new page nor, where they share a core with us, run. posix_spawn(3) lends our memory until the program is there.
import { closeSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { errno, loadLibc } from './libc.ts';
import type { Libc } from './libc.ts';
import { ERRNO, SysError, sysError } from './sys.ts';

const O_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;
/** Since Linux 6.3, and demanded where the sysctl vm.memfd_noexec is 2. */
const MFD_NOEXEC_SEAL = 8;
const WNOHANG = 1;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const SIGPIPE = 13;
/** Enough for posix_spawn_file_actions_t and posix_spawnattr_t of glibc and musl: 80 and 336. */
const OPAQUE_BYTES = 512;
/** sigset_t */
const SIGSET_BYTES = 128;
/** Between a program's last output and its end. */
const REAP_MS = 1;

export interface Ended {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SpawnLimits {
  /** It is killed after this time. */
  readonly patienceMs: number;
  /** It is killed when it has written more than this. */
  readonly maxBytes: number;
}

let libc: Libc | undefined;

/**
 * Runs `command` to its end: the program looked up in PATH, `input` as its standard input, LC_ALL=C. Rejects with SysError when it cannot be
 * started (`ENOENT`: no such program) or was killed for a limit (`ETIMEDOUT`, `EMSGSIZE`).
 */
export async function runToEnd(command: readonly string[], input: string, limits: SpawnLimits): Promise<Ended> {
  libc ??= loadLibc();
  const pipes: Pipe[] = [];
  const inherited: number[] = [];
  let pid: number;
  try {
    inherited.push(fileOf(libc, input));
    for (let i = 0; i < 2; i++) {
      const pipe = openPipe(libc);
      pipes.push(pipe);
      inherited.push(pipe.writeEnd);
    }
    pid = start(libc, command, inherited);
  } catch (error) {
    for (const { readEnd } of pipes) closeSync(readEnd);
    throw error;
  } finally {
    for (const fd of inherited) closeSync(fd);
  }
  let exceeded: 'ETIMEDOUT' | 'EMSGSIZE' | undefined;
  const sockets = pipes.map(({ readEnd }) => new Socket({ fd: readEnd, readable: true, writable: false }));
  const stop = (why: 'ETIMEDOUT' | 'EMSGSIZE'): void => {
    exceeded ??= why;
    process.kill(pid, 'SIGKILL');
    for (const socket of sockets) socket.destroy(); // a child of its own may hold the other ends
  };
  const patience = setTimeout(stop, limits.patienceMs, 'ETIMEDOUT');
  const read = sockets.map((socket) => readAll(socket, limits.maxBytes, () => stop('EMSGSIZE')));
  const [stdout = '', stderr = ''] = await Promise.all(read);
  const exitCode = await reap(libc, pid);
  clearTimeout(patience);
  if (exceeded !== undefined) throw sysError(ERRNO[exceeded], `Cannot wait for "${command.join(' ')}"`);
  return { exitCode, stdout, stderr };
}

interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/** `inherited` become the program's descriptors 0, 1 and 2; all others of ours are closed on exec. Answers its process ID. */
function start(calls: Libc, command: readonly string[], inherited: readonly number[]): number {
  const [file = ''] = command;
  const actions = new Uint8Array(OPAQUE_BYTES);
  const attributes = new Uint8Array(OPAQUE_BYTES);
  const pid = new Int32Array(1);
  const environment = Object.entries({ ...process.env, LC_ALL: 'C' }).map(([name, value]) => `${name}=${value}`);
  // Node.js ignores SIGPIPE, and what is ignored stays so in the program.
  const signals = new Uint8Array(SIGSET_BYTES);
  signals[(SIGPIPE - 1) >> 3] = 1 << ((SIGPIPE - 1) & 7);
  calls.posix_spawn_file_actions_init(actions);
  calls.posix_spawnattr_init(attributes);
  try {
    inherited.forEach((fd, place) => calls.posix_spawn_file_actions_adddup2(actions, fd, place));
    calls.posix_spawnattr_setsigdefault(attributes, signals);
    calls.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
    const failed = calls.posix_spawnp(pid, file, actions, attributes, [...command, null], [...environment, null]);
    if (failed !== 0) throw sysError(failed, `Cannot start "${file}"`);
  } finally {
    calls.posix_spawn_file_actions_destroy(actions);
    calls.posix_spawnattr_destroy(attributes);
  }
  return pid[0]!;
}

/** A file without a name that holds `text`, to be read from its beginning. */
function fileOf(calls: Libc, text: string): number {
  let fd = calls.memfd_create('stdin', MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno() === ERRNO.EINVAL) fd = calls.memfd_create('stdin', MFD_CLOEXEC);
  if (fd < 0) throw sysError(errno(), 'Cannot make a file in memory');
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, at); // by position: the offset stays 0
    return fd;
  } catch (cause) {
    closeSync(fd);
    throw new SysError('ENOMEM', 'Cannot write a file in memory', { cause });
  }
}

function openPipe(calls: Libc): Pipe {
  const ends = new Int32Array(2);
  if (calls.pipe2(ends, O_CLOEXEC) < 0) throw sysError(errno(), 'Cannot make a pipe');
  const [readEnd = -1, writeEnd = -1] = ends;
  return { readEnd, writeEnd };
}

/** Resolves when the pipe is closed; `exceed` is called when more than `maxBytes` came, of which no more is kept. An error ends it like a close. */
function readAll(socket: Socket, maxBytes: number, exceed: () => void): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    socket.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) exceed();
      else chunks.push(chunk);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
  });
}

/** Waits for the end of a program that has closed its output; undefined when a signal ended it (waitpid(2)). */
async function reap(calls: Libc, pid: number): Promise<number | undefined> {
  const status = new Int32Array(1);
  for (;;) {
    const ended = calls.waitpid(pid, status, WNOHANG);
    if (ended < 0) throw sysError(errno(), `Cannot wait for process ${pid}`);
    if (ended === pid) return (status[0]! & 0x7f) === 0 ? (status[0]! >> 8) & 0xff : undefined;
    await sleep(REAP_MS);
  }
}
