import { expect, test } from 'vitest';
import type { Config } from '../../../src/agent/config.ts';
import { Health } from '../../../src/agent/health.ts';
import { Links } from '../../../src/agent/links.ts';
import { stateOf } from '../../../src/agent/state.ts';
import type { State } from '../../../src/agent/state.ts';
import { EMPTY_REGISTRY } from '../../../src/pods/registry.ts';
import { readPolicies } from '../../../src/policy/dialects/read-policies.ts';
import { inputs } from './inputs.ts';
import { recordedLog } from './recorded-log.ts';

const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: shop, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: shop}}
  egress: [{toFQDNs: [{matchName: api.example.org}]}]
`;
const route = (n: number): object => ({ dst: `10.0.1.${n}`, dev: `veth${n}` });

interface Client {
  readonly app: string;
  readonly n: number;
  readonly interface?: string;
}

function stateWith(...clients: readonly Client[]): State {
  const read = readPolicies(POLICY, 'policies.yaml');
  const policies = read.ok ? read.value : expect.fail(JSON.stringify(read.problems));
  const pods = clients.map(({ app, n, ...link }) => {
    return { uid: `${n}`, namespace: 'shop', name: `p${n}`, labels: { app }, addresses: [`10.0.1.${n}`], ...link };
  });
  const state = stateOf(inputs({ pods, policies }), EMPTY_REGISTRY, { protect: { ranges: [], cidrs: [] } });
  return state.ok ? state.value : expect.fail('too many pods');
}

/** Links of a machine with these routes, and how often it was asked for them. */
function machine(...routes: object[]) {
  const asked = { times: 0 };
  const links = new Links({} as Config, new Health(() => 0, recordedLog().log), (_program, args) => {
    if (args.includes('route')) asked.times++;
    return Promise.resolve(JSON.stringify(args.includes('route') ? routes : []));
  });
  return { links, routes, asked };
}

const SHOP = { app: 'shop', n: 7 };

test('the links of selected pods are found, and those of clients are told', async () => {
  const { links } = machine(route(7), route(8), route(9));
  const state = stateWith(SHOP, { app: 'other', n: 8 }, { app: 'shop', n: 9, interface: 'tap9' });
  expect((await links.contextOf(state)).podLinks).toEqual(['tap9', 'veth7']);
});

test('changes that follow each other closely share an answer, unless other pods are asked about', async () => {
  const { links, asked } = machine(route(7));
  await links.contextOf(stateWith(SHOP));
  await links.contextOf(stateWith(SHOP));
  expect(asked.times).toBe(1);
  await links.contextOf(stateWith(SHOP, { app: 'shop', n: 8 }));
  expect(asked.times).toBe(2);
});

test('what has not changed is as it was asked', async () => {
  const { links, routes } = machine(route(7), route(8));
  const state = stateWith(SHOP, { app: 'shop', n: 8 });
  await links.contextOf(state);
  routes.reverse();
  expect(await links.isAsAsked(state)).toBe(true);
});

test('a link that comes later is told, and the next context has it', async () => {
  const { links, routes } = machine();
  const state = stateWith(SHOP);
  await links.contextOf(state);
  routes.push(route(7));
  expect(await links.isAsAsked(state)).toBe(false);
  expect((await links.contextOf(state)).podLinks).toEqual(['veth7']);
  expect(await links.isAsAsked(state)).toBe(true);
});
