// Where the clients that the tests need live: given by hand, or found by their addresses. Decided once, before the first test.
import type { Pod } from '../../pods/pod.ts';
import type { TestCase, Workload } from './case.ts';
import { clientKey, findClient } from './clients.ts';
import { checkMayEnter, namespacesByAddress } from './net-namespaces.ts';
import type { Located } from './online.ts';

/** `given`: NAMESPACE/NAME → path. Throws NamespaceError where namespaces cannot be entered although a test needs it. */
export async function locator(
  tests: readonly TestCase[],
  clients: readonly Pod[],
  given: ReadonlyMap<string, string>,
): Promise<(client: Pod) => Located> {
  const needed = tests.flatMap(placesOf).flatMap((workload) => {
    const found = findClient(clients, workload);
    return found.ok ? [found.pod] : [];
  });
  if (needed.length > 0) await checkMayEnter();
  const isAllGiven = needed.every((client) => given.has(clientKey(client)));
  const byAddress = isAllGiven ? new Map<string, readonly string[]>() : await namespacesByAddress();
  return (client) => {
    const path = given.get(clientKey(client));
    return path === undefined ? choose(client, byAddress) : { path };
  };
}

/** Sources, and destinations that need a listener. */
function placesOf({ source, checks }: TestCase): Workload[] {
  const targets = checks.flatMap((check) => (check.kind === 'connect' && check.protocol === 'udp' ? [check.to] : []));
  return [source, ...targets].flatMap((each) => ('namespace' in each ? [each] : []));
}

export function choose(client: Pod, byAddress: ReadonlyMap<string, readonly string[]>): Located {
  const paths = [...new Set(client.addresses.flatMap((address) => byAddress.get(address) ?? []))];
  const [path, other] = paths;
  const key = clientKey(client);
  const byHand = `say which by --netns ${key}=PATH`;
  if (path === undefined) {
    return { why: `no network namespace has an address of ${key} (${client.addresses.join(', ')}); ${byHand}` };
  }
  if (other === undefined) return { path };
  return { why: `several network namespaces have addresses of ${key}: ${paths.join(', ')}; ${byHand}` };
}
