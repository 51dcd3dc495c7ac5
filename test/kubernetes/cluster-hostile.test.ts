// What one tenant, or one wrong answer of the API server, must not be able to do to a node.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { furnished, startCluster, temporaryFolder } from '../support/kubernetes-cluster.ts';
import { policy } from '../support/kubernetes-objects.ts';

test('a deeply nested policy that is edited ends nothing: it is refused, and the next policy is seen', async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): number => unhandled.push(error);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const server = await furnished();
  const { cluster } = await startCluster(server);
  const names = (): string[] => cluster.view().policies.map(({ name }) => name);
  const nested: unknown = JSON.parse('['.repeat(3_000) + ']'.repeat(3_000));
  for (const edit of [1, 2]) {
    server.put({ ...policy('nested', ['a.example.org']), spec: { endpointSelector: {}, nested, edit } });
    server.put(policy(`after-${edit}`, ['c.example.org']));
    await eventually(() => expect(names()).toContain(`after-${edit}`), 5_000);
  }
  expect(names()).toContain('nested'); // as the policy that denies everything to whom it may have selected
  expect(
    cluster
      .view()
      .problems.map(({ at }) => at)
      .join(),
  ).toContain('nested');
  expect(unhandled).toEqual([]);
});

test('after a restart one 404 for a CRD does not forget the policies of the last state', async () => {
  const server = await furnished();
  const stateFolder = temporaryFolder();
  const first = await startCluster(server, { stateFolder });
  expect(first.cluster.view().policies).toHaveLength(2);
  await eventually(() => expect(existsSync(join(stateFolder, 'cluster.json'))).toBe(true), 5_000);
  first.cluster.close();
  server.faults.failNext(1, 404, { resource: 'ciliumnetworkpolicies' });
  const second = await startCluster(server, { stateFolder }, { missingMs: 2_000 });
  expect(second.cluster.view().policies.map(({ name }) => name)).toContain('p');
});
