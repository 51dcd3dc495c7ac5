import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ApiClient } from '../../../src/kubernetes/client.ts';
import { download } from '../../../src/kubernetes/download.ts';
import { eventually } from '../../support/eventually.ts';
import { kubeconfigFile } from '../../support/kubernetes-cluster.ts';

interface Answered {
  readonly client: ApiClient;
  /** Connections that are open. */
  readonly connections: () => Promise<number>;
}

async function answering(answer: (response: ServerResponse) => void): Promise<Answered> {
  const server = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cluster = `{server: "${url}", insecure-skip-tls-verify: true}`;
  const contexts = '[{name: x, context: {cluster: c, user: u}}]';
  const text = `{clusters: [{name: c, cluster: ${cluster}}], users: [{name: u, user: {}}], contexts: ${contexts}, current-context: x}`;
  const client = ApiClient.open(kubeconfigFile(text));
  const connections = (): Promise<number> => new Promise((resolve) => server.getConnections((_error, n) => resolve(n)));
  return { client, connections };
}

function termsOf(silenceMs: number, stop = new AbortController()) {
  let heard = 0;
  return { terms: { silenceMs, signal: stop.signal, heard: () => (heard += 1) }, heard: () => heard };
}

async function read({ client }: Answered, terms = termsOf(5000).terms): Promise<string> {
  return Buffer.concat(await Array.fromAsync(download(client, '/', terms))).toString();
}

test('the bytes arrive', async () => {
  expect(await read(await answering((response) => response.end('abc')))).toBe('abc');
});

test('compressed bytes arrive as they were', async () => {
  const server = await answering((response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync('abc'));
  });
  expect(await read(server)).toBe('abc');
});

test('each part is a sign of life', async () => {
  const { terms, heard } = termsOf(5000);
  await read(await answering((response) => response.end('abc')), terms);
  expect(heard()).toBe(2);
});

describe('refused', () => {
  test('with the reason of the server', async () => {
    const server = await answering((response) => response.writeHead(403).end('{"message": "pods is forbidden"}'));
    const { terms, heard } = termsOf(5000);
    await expect(read(server, terms)).rejects.toMatchObject({
      code: 'refused',
      status: 403,
      message: 'Cannot read from the API server: 403, pods is forbidden',
    });
    expect(heard()).toBe(0);
  });

  test.each([
    ['seconds', '7', 7000],
    ['a date', 'Wed, 21 Oct 2026 07:28:00 GMT', 0],
    ['nonsense', '-1', 0],
  ])('with the time to wait, as %s', async (_why, value, retryAfterMs) => {
    const server = await answering((response) => response.writeHead(429, { 'retry-after': value }).end('later'));
    await expect(read(server)).rejects.toMatchObject({ status: 429, retryAfterMs });
  });

  test('with a body that never ends', async () => {
    const server = await answering((response) => response.writeHead(500).write('x'.repeat(20_000)));
    await expect(read(server)).rejects.toMatchObject({ status: 500 });
    await eventually(async () => expect(await server.connections()).toBe(0), 2000);
  });
});

describe('given up', () => {
  test.each<[why: string, answer: (response: ServerResponse) => void]>([
    ['a server that never answers', () => undefined],
    ['a stream that falls silent', (response) => response.write('a')],
  ])('%s', async (_why, answer) => {
    const server = await answering(answer);
    await expect(read(server, termsOf(50).terms)).rejects.toMatchObject({ code: 'silent' });
    await eventually(async () => expect(await server.connections()).toBe(0), 2000);
  });

  test('not a stream that brings something now and then', async () => {
    const server = await answering((response) => {
      let left = 5;
      const timer = setInterval(() => (left-- > 0 ? response.write('a') : (clearInterval(timer), response.end())), 30);
    });
    expect(await read(server, termsOf(400).terms)).toBe('aaaaa');
  });
});

test.each<[why: string, answer: (response: ServerResponse) => void]>([
  ['a connection that is refused', (response) => response.destroy()],
  ['a stream that is cut', (response) => response.write('a', () => response.destroy())],
  [
    'a compressed stream that is cut',
    (response) => {
      response.setHeader('content-encoding', 'gzip');
      response.write(gzipSync('abc').subarray(0, 12), () => response.destroy());
    },
  ],
])('%s is unreachable', async (_why, answer) => {
  await expect(read(await answering(answer))).rejects.toMatchObject({ code: 'unreachable' });
});

test('who stops reading ends the connection', async () => {
  const server = await answering((response) => void setInterval(() => response.write('a'), 5));
  for await (const chunk of download(server.client, '/', termsOf(5000).terms)) if (chunk.length > 0) break;
  await eventually(async () => expect(await server.connections()).toBe(0), 2000);
});

test('who is told to stop ends the connection', async () => {
  const stop = new AbortController();
  const server = await answering((response) => void response.write('a', () => stop.abort()));
  await expect(read(server, termsOf(5000, stop).terms)).rejects.toBeInstanceOf(Error);
  await eventually(async () => expect(await server.connections()).toBe(0), 2000);
});
