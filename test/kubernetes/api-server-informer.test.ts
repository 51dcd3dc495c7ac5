// A client that others wrote works with the stand-in: what it imitates is not only what our own client expects.
import { CoreV1Api, KubeConfig, makeInformer } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { ApiServer } from './api-server.ts';
import { pod } from './objects.ts';

let server: ApiServer;
beforeEach(async () => {
  server = await ApiServer.start();
});
afterEach(() => server.close());

test('an informer of client-node follows the objects', async () => {
  server.put(pod('a'));
  server.put(pod('b'));
  const config = new KubeConfig();
  config.loadFromString(server.kubeconfig());
  const api = config.makeApiClient(CoreV1Api);
  const informer = makeInformer(config, '/api/v1/pods', () => api.listPodForAllNamespaces());
  const errors: unknown[] = [];
  informer.on('error', (error: unknown) => errors.push(error));
  const known = (): string[] => informer.list().map(({ metadata, spec }) => `${metadata?.name}@${spec?.nodeName}`);

  await informer.start();
  expect(known()).toEqual(['a@worker-1', 'b@worker-1']);
  server.put(pod('b', { nodeName: 'worker-2' }));
  server.put(pod('c'));
  server.remove('Pod', 'shop', 'a');
  await eventually(() => expect(known()).toEqual(['b@worker-2', 'c@worker-1']), 2_000);
  expect([errors, server.requests.map(({ verb }) => verb)]).toEqual([[], ['list', 'watch']]);
  await informer.stop();
});
