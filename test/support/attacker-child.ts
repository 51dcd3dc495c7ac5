// Runs in a pod's namespace as what has taken the pod over: writes whole frames to its link, and asks both families of a name at once.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { decode, encode } from 'dns-packet';
import { serveLines } from '../../src/cli/demo/lines.ts';
import { loadLibc } from '../../src/sys/libc.ts';
import { LinuxSys } from '../../src/sys/linux.ts';

/** Like a type of lines.ts: operation → its request and its answer. */
export interface AttackerCalls {
  /** Frames in hexadecimal, with their Ethernet headers. */
  readonly send: {
    readonly request: { readonly interface: string; readonly frames: readonly string[] };
    readonly answer: null;
  };
  /** A and AAAA of n<first> … of the load zone, each pair from one socket at the same moment. */
  readonly askBoth: {
    readonly request: { readonly server: string; readonly first: number; readonly count: number };
    readonly answer: { readonly answered: number; readonly slowestMs: number };
  };
}

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCKADDR_LL_BYTES = 20; // packet(7)
const FRAME_AT = 64;
const PATIENCE_MS = 3_000;

const libc = loadLibc();
const memory = LinuxSys.open().allocate(4_096);

function send({ interface: link, frames }: AttackerCalls['send']['request']): null {
  const fd = libc.socket(AF_PACKET, SOCK_RAW, 0);
  const address = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, SOCKADDR_LL_BYTES);
  address.setUint16(0, AF_PACKET, true);
  address.setInt32(4, Number(readFileSync(`/sys/class/net/${link}/ifindex`, 'latin1')), true);
  if (libc.bind(fd, memory.address, SOCKADDR_LL_BYTES) < 0) throw new Error(`cannot bind to ${link}`);
  for (const frame of frames) {
    const bytes = Buffer.from(frame, 'hex');
    memory.bytes.set(bytes, FRAME_AT);
    if (libc.send(fd, memory.address + FRAME_AT, bytes.length, 0) !== bytes.length) throw new Error('cannot send');
  }
  libc.close(fd);
  return null;
}

async function askBoth({ server, first, count }: AttackerCalls['askBoth']['request']) {
  let answered = 0;
  let slowestMs = 0;
  for (let n = first; n < first + count; n++) {
    const start = performance.now();
    answered += await bothFamilies(server, `n${n}.load.example.org`);
    slowestMs = Math.max(slowestMs, performance.now() - start);
  }
  return { answered, slowestMs };
}

/** How many of the two answers came: what getaddrinfo(3) does. */
function bothFamilies(server: string, name: string): Promise<number> {
  const socket = createSocket('udp4');
  const awaited = new Set([1, 2]);
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      socket.close();
      resolve(2 - awaited.size);
    };
    const timer = setTimeout(finish, PATIENCE_MS);
    socket.on('message', (bytes) => {
      const { id = 0, answers = [] } = decode(bytes);
      if (answers.length > 0 && awaited.delete(id) && awaited.size === 0) finish();
    });
    socket.connect(53, server, () => {
      for (const [id, type] of [[1, 'A'] as const, [2, 'AAAA'] as const]) {
        socket.send(encode({ type: 'query', id, flags: 0x100, questions: [{ type, name }] }));
      }
    });
  });
}

serveLines<AttackerCalls>({ send, askBoth });
