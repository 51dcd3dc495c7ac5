// The probe's connections: opened on demand, held until closed, used to see whether data still flows.
import { connect, type Socket } from 'node:net';
import type { Connected, ConnectOptions, Echoed } from './pod.ts';
import { rejected, silent } from './probe-dns.ts';

export type Target = { readonly ip: string; readonly port: number } & ConnectOptions;
export const DEFAULT_TIMEOUT_MS = 1000;

const connections = new Map<number, Socket>();
let lastConnection = 0;
let lastEcho = 0;

export function openConnection({ ip, port, from, timeoutMs = DEFAULT_TIMEOUT_MS }: Target): Promise<Connected> {
  const start = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port, noDelay: true, ...(from === undefined ? {} : { localAddress: from }) });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(silent(start));
    }, timeoutMs);
    socket.on('error', (error) => {
      clearTimeout(timer);
      resolve(rejected(error, start));
    });
    socket.on('connect', () => {
      clearTimeout(timer);
      const connection = ++lastConnection;
      connections.set(connection, socket);
      resolve({ outcome: 'connected', connection, ms: performance.now() - start });
    });
  });
}

export function echo(connection: number, timeoutMs: number): Promise<Echoed> {
  const start = performance.now();
  const socket = connections.get(connection);
  if (socket === undefined || socket.destroyed) return Promise.resolve({ outcome: 'rejected', errno: 'closed', ms: 0 });
  const token = `echo ${++lastEcho}\n`;
  let received = '';
  return new Promise((resolve) => {
    const finish = (echoed: Echoed): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('close', onClose);
      resolve(echoed);
    };
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('latin1');
      if (received.includes(token)) finish({ outcome: 'echoed', ms: performance.now() - start });
    };
    const onError = (error: Error): void => finish(rejected(error, start));
    const onClose = (): void => finish({ outcome: 'rejected', errno: 'closed', ms: performance.now() - start });
    const timer = setTimeout(() => finish(silent(start)), timeoutMs);
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.write(token);
  });
}

export function closeConnection(connection: number): void {
  connections.get(connection)?.destroy();
  connections.delete(connection);
}
