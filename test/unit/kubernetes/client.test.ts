import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ApiClient } from '../../../src/kubernetes/client.ts';
import { kubeconfigFile, temporaryFolder } from '../../support/kubernetes-cluster.ts';

function config(cluster: object, user: object = {}): string {
  return JSON.stringify({
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });
}

test.each<[why: string, text: string, message: string]>([
  ['no YAML', '{', ''],
  ['nothing', '', ''],
  ['no current context', '{clusters: [], users: [], contexts: []}', 'no current cluster'],
  [
    'a context without its cluster',
    config({ server: 'https://192.0.2.1' }).replace('"cluster":"c"', '"cluster":"d"'),
    'no current cluster',
  ],
  ['a server that is no URL', config({ server: 'example.org' }), 'server "example.org" is no URL'],
  ['http that nobody allowed: the token would go in the clear', config({ server: 'http://192.0.2.1' }), 'is not https'],
])('a kubeconfig with %s is refused', (_why, text, message) => {
  const open = (): unknown => ApiClient.open(kubeconfigFile(text));
  expect(open).toThrow(expect.objectContaining({ code: 'bad-config' }));
  expect(open).toThrow(message);
});

test('a kubeconfig that is not there is refused', () => {
  const path = join(temporaryFolder(), 'none');
  expect(() => ApiClient.open(path)).toThrow(expect.objectContaining({ code: 'bad-config' }));
});

/** A server that answers each request with the status that `answer` says. */
async function serve(answer: (request: IncomingMessage) => number): Promise<string> {
  const server = createServer((request, response) => response.writeHead(answer(request)).end('{}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function statusOf(client: ApiClient, path = '/api'): Promise<number | undefined> {
  const response = await client.get(path, new AbortController().signal);
  response.resume();
  return response.statusCode;
}

test('a server behind a path of its own is asked there', async () => {
  const seen: (string | undefined)[] = [];
  const url = await serve(({ url: path }) => (seen.push(path), 200));
  const path = kubeconfigFile(config({ server: `${url}/k8s/clusters/c-1/`, 'insecure-skip-tls-verify': true }));
  await statusOf(ApiClient.open(path), '/api/v1/pods?limit=1');
  expect(seen).toEqual(['/k8s/clusters/c-1/api/v1/pods?limit=1']);
});

test('a token that ends in a newline is sent without it', async () => {
  const url = await serve(({ headers }) => (headers.authorization === 'Bearer secret' ? 200 : 401));
  const cluster = { server: url, 'insecure-skip-tls-verify': true };
  expect(await statusOf(ApiClient.open(kubeconfigFile(config(cluster, { token: 'secret\n' }))))).toBe(200);
});

test('a token that was refused is read anew, and a file that is being written is not', async () => {
  let wanted = 'old';
  const url = await serve(({ headers }) => (headers.authorization === `Bearer ${wanted}` ? 200 : 401));
  const cluster = { server: url, 'insecure-skip-tls-verify': true };
  const path = kubeconfigFile(config(cluster, { token: 'old' }));
  const client = ApiClient.open(path);
  expect(await statusOf(client)).toBe(200);
  wanted = 'new';
  expect(await statusOf(client)).toBe(401);
  writeFileSync(path, '{"clusters": [');
  expect(await statusOf(client)).toBe(401);
  writeFileSync(path, config(cluster, { token: 'new' }));
  expect(await statusOf(client)).toBe(200);
});
