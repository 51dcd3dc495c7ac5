import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { Listeners } from '../../../../src/cli/test/probe-listen.ts';
import { reach } from '../../../../src/cli/test/probe-reach.ts';

const HERE = '127.0.0.1';

/** Nobody has it at the moment. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, HERE);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

const send = (port: number, token: string, timeoutMs = 2_000) =>
  reach({ protocol: 'udp', addresses: [HERE], port, token, timeoutMs });

test('a datagram that arrives is heard and answered', async () => {
  const listeners = new Listeners();
  const listening = { addresses: [HERE], port: await freePort() };
  expect(await listeners.open(listening)).toBeNull();
  expect((await send(listening.port, 'token-1')).address).toBe(HERE);
  expect([listeners.hasHeard('token-1'), listeners.hasHeard('token-2')]).toEqual([true, false]);
  listeners.close(listening);
});

test('two tests may listen on one port, and the port is free when both have ended', async () => {
  const listeners = new Listeners();
  const listening = { addresses: [HERE], port: await freePort() };
  expect([await listeners.open(listening), await listeners.open(listening)]).toEqual([null, null]);
  listeners.close(listening);
  expect((await send(listening.port, 'still')).address).toBe(HERE);
  listeners.close(listening);
  expect((await send(listening.port, 'gone')).failures).toEqual([{ address: HERE, why: 'ECONNREFUSED' }]);
});

test('a port that somebody else has is said, and nothing stays open', async () => {
  const other = createSocket('udp4').bind(0, HERE);
  await once(other, 'listening');
  const listeners = new Listeners();
  const listening = { addresses: ['127.0.0.2', HERE], port: other.address().port };
  expect(await listeners.open(listening)).toContain('EADDRINUSE');
  other.close();
  expect(await listeners.open(listening)).toBeNull();
  listeners.close(listening);
});

test('TCP: one address that takes the connection is enough', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, HERE);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const request = { protocol: 'tcp', addresses: ['127.0.0.2', HERE], port, token: '', timeoutMs: 2_000 } as const;
  expect((await reach(request)).address).toBe(HERE);
  server.close();
  await once(server, 'close');
  const { address, failures } = await reach(request);
  expect(address).toBeNull();
  expect(failures.map(({ why }) => why)).toEqual(['ECONNREFUSED', 'ECONNREFUSED']);
});

test('UDP: nobody answers', async () => {
  const mute = createSocket('udp4').bind(0, HERE);
  await once(mute, 'listening');
  const { failures } = await send(mute.address().port, 'token', 50);
  expect(failures).toEqual([{ address: HERE, why: 'silent' }]);
  mute.close();
});
