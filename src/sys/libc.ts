// libc through koffi: the only file that imports it. Prototypes stand here as in the man pages; pointers are plain numbers
// (user-space addresses fit 2^53), so that nothing is wrapped or allocated per call.
import koffi from 'koffi';
import { CodedError } from '../base/errors.ts';

export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: number, length: number): number;
  connect(fd: number, address: number, length: number): number;
  listen(fd: number, backlog: number): number;
  shutdown(fd: number, how: number): number;
  accept4(fd: number, address: number, length: number, flags: number): number;
  setsockopt(fd: number, level: number, name: number, value: number, length: number): number;
  recvmmsg(fd: number, vector: number, length: number, flags: number, timeout: null): number;
  sendmmsg(fd: number, vector: number, length: number, flags: number): number;
  send(fd: number, buffer: number, length: number, flags: number): number;
  recv(fd: number, buffer: number, length: number, flags: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: number): number;
  epoll_wait(epoll: number, events: number, maximum: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, buffer: number, length: number): number;
  write(fd: number, buffer: number, length: number): number;
  /** For test/bench, which may not import koffi either. */
  ioctl(fd: number, request: number, argument: number): number;
  close(fd: number): number;
  memfd_create(name: string, flags: number): number;
  pipe2(ends: Int32Array, flags: number): number;
  posix_spawn_file_actions_init(actions: Uint8Array): number;
  posix_spawn_file_actions_adddup2(actions: Uint8Array, fd: number, place: number): number;
  posix_spawn_file_actions_destroy(actions: Uint8Array): number;
  posix_spawnattr_init(attributes: Uint8Array): number;
  posix_spawnattr_setflags(attributes: Uint8Array, flags: number): number;
  posix_spawnattr_setsigdefault(attributes: Uint8Array, signals: Uint8Array): number;
  posix_spawnattr_destroy(attributes: Uint8Array): number;
  /** Answers an errno; `argv` and `environment` end with null. */
  posix_spawnp(
    pid: Int32Array,
    file: string,
    actions: Uint8Array,
    attributes: Uint8Array,
    argv: readonly (string | null)[],
    environment: readonly (string | null)[],
  ): number;
  waitpid(pid: number, status: Int32Array, options: number): number;
  _exit(status: number): void;
  syscall(number: number, thread: number, attributes: number, flags: number): number;
  mmap(address: null, length: number, protection: number, flags: number, fd: number, offset: number): bigint;
}

const PROTOTYPES: Record<keyof Libc, string> = {
  socket: 'int socket(int, int, int)',
  bind: 'int bind(int, uintptr_t, uint32_t)',
  connect: 'int connect(int, uintptr_t, uint32_t)',
  listen: 'int listen(int, int)',
  shutdown: 'int shutdown(int, int)',
  accept4: 'int accept4(int, uintptr_t, uintptr_t, int)',
  setsockopt: 'int setsockopt(int, int, int, uintptr_t, uint32_t)',
  recvmmsg: 'int recvmmsg(int, uintptr_t, uint32_t, int, void *)',
  sendmmsg: 'int sendmmsg(int, uintptr_t, uint32_t, int)',
  send: 'int64_t send(int, uintptr_t, size_t, int)',
  recv: 'int64_t recv(int, uintptr_t, size_t, int)',
  epoll_create1: 'int epoll_create1(int)',
  epoll_ctl: 'int epoll_ctl(int, int, int, uintptr_t)',
  epoll_wait: 'int epoll_wait(int, uintptr_t, int, int)',
  eventfd: 'int eventfd(uint32_t, int)',
  read: 'int64_t read(int, uintptr_t, size_t)',
  write: 'int64_t write(int, uintptr_t, size_t)',
  ioctl: 'int ioctl(int, unsigned long, uintptr_t)',
  close: 'int close(int)',
  memfd_create: 'int memfd_create(const char *, uint32_t)',
  pipe2: 'int pipe2(void *, int)',
  posix_spawn_file_actions_init: 'int posix_spawn_file_actions_init(void *)',
  posix_spawn_file_actions_adddup2: 'int posix_spawn_file_actions_adddup2(void *, int, int)',
  posix_spawn_file_actions_destroy: 'int posix_spawn_file_actions_destroy(void *)',
  posix_spawnattr_init: 'int posix_spawnattr_init(void *)',
  posix_spawnattr_setflags: 'int posix_spawnattr_setflags(void *, int16_t)',
  posix_spawnattr_setsigdefault: 'int posix_spawnattr_setsigdefault(void *, void *)',
  posix_spawnattr_destroy: 'int posix_spawnattr_destroy(void *)',
  posix_spawnp: 'int posix_spawnp(void *, const char *, void *, void *, const char **, const char **)',
  waitpid: 'int waitpid(int, void *, int)',
  _exit: 'void _exit(int)',
  syscall: 'int64_t syscall(int64_t, int, uintptr_t, uint32_t)',
  mmap: 'void *mmap(void *, size_t, int, int, int, int64_t)',
};

// glibc's and musl's names of the C library.
const LIBRARIES = ['libc.so.6', process.arch === 'arm64' ? 'libc.musl-aarch64.so.1' : 'libc.musl-x86_64.so.1'];

/** Loads the C library. Throws CodedError `no-libc` when neither glibc nor musl is there. */
export function loadLibc(): Libc {
  const library = openLibrary();
  const calls = Object.entries(PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)]);
  // The table above has a prototype for every member of Libc (its type says so), and koffi's functions are untyped.
  return Object.fromEntries(calls) as Libc;
}

/** errno of this thread. Valid only directly after the call that failed: anything that allocates may change it. */
export function errno(): number {
  return koffi.errno();
}

/** The memory at `address` as an ArrayBuffer, without a copy. It must stay mapped for ever. */
export function viewMemory(address: bigint, lengthBytes: number): ArrayBuffer {
  return koffi.view(address, lengthBytes);
}

function openLibrary(): ReturnType<typeof koffi.load> {
  const failures: unknown[] = [];
  for (const name of LIBRARIES) {
    try {
      return koffi.load(name);
    } catch (error) {
      failures.push(error);
    }
  }
  throw new CodedError('no-libc', `Cannot load the C library, tried ${LIBRARIES.join(', ')}`, {
    cause: new AggregateError(failures),
  });
}
