// Policies of several dialects in files, and the agent as a process: names of tier Admin, policies that only audit, changes while connections are
// open and being opened, and dialects that are left to somebody else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import type { LabPod } from '../../src/cli/demo/pod.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';
import { LabFiles } from '../support/netns-policies.ts';

const PORT = 443;
const [ONE, TWO] = ['n1.load.example.org', 'n2.load.example.org'];
const [FIRST, SECOND, FAR] = ['11.0.0.1', '11.0.0.2', '203.0.113.9'];

interface ClusterPolicy {
  readonly name: string;
  readonly priority?: number;
  readonly mode?: 'audit' | 'enforce';
  /** Of the namespaces or pods. */
  readonly subject?: string;
}

function clusterPolicy(about: ClusterPolicy, ...rules: readonly string[]): string {
  const { name, priority = 20, mode = 'enforce', subject = '{ namespaces: {} }' } = about;
  return `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: ${name}, annotations: { namewall.io/mode: ${mode} } }
spec:
  tier: Admin
  priority: ${priority}
  subject: ${subject}
  egress: [${rules.join(', ')}]
`;
}

const ACCEPT_DNS = `{ action: Accept, to: [{ networks: [10.96.0.10/32, "fd00:96::a/128"] }], protocols: [{ udp: { destinationPort: { number: 53 } } }] }`;
const DENY_REST = '{ action: Deny, to: [{ networks: ["0.0.0.0/0", "::/0"] }] }';
const accept = (...names: readonly string[]): string =>
  `{ action: Accept, to: [{ domainNames: [${names.join(', ')}] }], protocols: [{ tcp: { destinationPort: { number: ${PORT} } } }] }`;
const deny = (...cidrs: readonly string[]): string => `{ action: Deny, to: [{ networks: [${cidrs.join(', ')}] }] }`;

const networkPolicy = (mode: 'audit' | 'enforce'): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolating, namespace: shop, annotations: { namewall.io/mode: ${mode} } }
spec: { podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 198.51.100.0/24 } }] }] }
`;
const names = (mode: 'audit' | 'enforce'): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names, namespace: shop, annotations: { namewall.io/mode: ${mode} } }
spec:
  endpointSelector: {}
  egress:
    - toFQDNs: [{ matchName: ${ONE} }]
      toPorts: [{ ports: [{ port: '${PORT}', protocol: TCP }] }]
`;

describe.skipIf(!canUseKernel)('policies of several dialects', () => {
  let lab: Lab;
  let files: LabFiles;

  beforeEach(async () => {
    lab = await Lab.build([
      { name: 'cart', namespace: 'shop', labels: { app: 'cart' } },
      { name: 'mail', namespace: 'shop', labels: { app: 'mail' } },
    ]);
    files = new LabFiles(lab);
  });

  afterEach(() => lab.remove());

  describe('names that a ClusterNetworkPolicy accepts', () => {
    const rules = (...first: readonly string[]) => clusterPolicy({ name: 'names' }, ...first, DENY_REST);

    beforeEach(async () => {
      files.put('dns', clusterPolicy({ name: 'dns', priority: 10 }, ACCEPT_DNS));
      files.put('names', rules(accept(ONE)));
      await start();
    });

    test('a lookup opens the name where its rule stands; another name is answered, and its address denied', async () => {
      expect(await reach(cart(), FIRST)).toBe('rejected');
      expect(await cart().ask(ONE)).toMatchObject({ addresses: [FIRST] });
      expect(await reach(cart(), FIRST)).toBe('connected');
      expect((await cart().connect(FIRST, 80)).outcome).toBe('rejected');
      expect(await cart().ask(TWO)).toMatchObject({ rcode: 'NOERROR', addresses: [SECOND] });
      expect(await reach(cart(), SECOND)).toBe('rejected');
      const table = await lab.onNode(['nft', 'list', 'table', 'inet', 'namewall']);
      const [set = '', ...others] = [...table.matchAll(/set grants4_\w+ \{[^}]*\}/g)].map(([text]) => text);
      expect(others).toEqual([]);
      expect(set).toMatch(/^set grants4_tcp443_[0-9a-f]{12} /); // the place in the order is in its name
      expect(set).toContain(`${cart().address.v4} . ${FIRST} timeout`);
      const policy = { kind: 'ClusterNetworkPolicy', namespace: '', name: 'names' };
      await eventually(() => {
        expect(files.audited('grant')).toContainEqual(expect.objectContaining({ qname: ONE, policy: said(policy) }));
        const denial = { reason: 'deny-rule', destination: SECOND, names: [TWO], policy: said(policy) };
        expect(files.audited('connection.denied')).toContainEqual(expect.objectContaining(denial));
      }, 2_000);
    });

    test('a Deny that comes before it cuts what is open; one behind it, and one that goes, do not', async () => {
      await cart().ask(ONE);
      const open = await connected(cart(), FIRST);
      await files.applied(() => files.put('names', rules(accept(ONE), deny(`${FIRST}/32`))));
      expect(await cart().echo(open)).toMatchObject({ outcome: 'echoed' });
      await files.applied(() => files.put('names', rules(deny('203.0.113.0/24'), accept(ONE))));
      expect(await cart().echo(open)).toMatchObject({ outcome: 'echoed' });
      expect(await reach(cart(), FIRST)).toBe('connected');
      await files.applied(() => files.put('names', rules(deny(`${FIRST}/32`), accept(ONE))));
      expect((await cart().echo(open)).outcome).toBe('rejected');
      expect(await reach(cart(), FIRST)).toBe('rejected');
      await files.applied(() => files.put('names', rules(accept(ONE))));
      expect(await reach(cart(), FIRST)).toBe('connected');
    });

    test('changes of what is denied before a name refuse no new connection to it, of no pod', async () => {
      await Promise.all(lab.pods.map((pod) => pod.ask(ONE)));
      const outcomes = lab.pods.map((pod) => connecting(pod, FIRST));
      const only = { name: 'only', subject: '{ pods: { podSelector: { matchLabels: { app: cart } } } }', priority: 15 };
      for (let i = 1; i <= 3; i++) {
        await files.applied(() => files.put('only', clusterPolicy(only, deny(`203.0.113.${i}/32`))));
        await files.applied(() =>
          files.put('names', rules(deny(`198.51.100.${i}/32`, `203.0.113.${i}/32`), accept(ONE))),
        );
        await files.applied(() => files.remove('only'));
        await files.applied(() => files.put('names', rules(accept(ONE))));
      }
      for (const stop of outcomes) {
        const { count, refused } = await stop();
        expect(count).toBeGreaterThan(100);
        expect(refused).toBe(0);
      }
    });

    test('grants stay where a start finds the same rules before the name, and are made again where it finds others', async () => {
      await cart().ask(ONE);
      await lab.killAgent('SIGTERM');
      expect(await reach(cart(), FIRST)).toBe('connected');
      await lab.startAgent();
      expect(await reach(cart(), FIRST)).toBe('connected');
      await lab.killAgent('SIGTERM');
      files.put('names', rules(deny('203.0.113.0/24'), accept(ONE)));
      await lab.startAgent();
      expect(await reach(cart(), FIRST)).toBe('connected');
      await lab.killAgent('SIGTERM');
      files.put('names', rules(deny('11.0.0.0/8'), accept(ONE)));
      await lab.startAgent();
      expect(await reach(cart(), FIRST)).toBe('rejected');
    });
  });

  describe('policies that only audit', () => {
    const isolating = { kind: 'NetworkPolicy', namespace: 'shop', name: 'isolating' };

    test('what they would deny passes and is told with policy and rule; what they allow is not told', async () => {
      files.put('isolating', networkPolicy('audit'));
      files.put('names', names('audit'));
      await start();
      expect(await cart().ask(ONE)).toMatchObject({ rcode: 'NOERROR', addresses: [FIRST] });
      expect(await reach(cart(), FIRST)).toBe('connected');
      expect(await cart().ask(TWO)).toMatchObject({ rcode: 'NOERROR', addresses: [SECOND] });
      expect(await reach(cart(), SECOND)).toBe('connected');
      await eventually(() => {
        const told = files.audited('dns.allowed').filter(({ wouldDeny }) => wouldDeny === true);
        expect(told).toMatchObject([{ qname: TWO, policy: { kind: 'CiliumNetworkPolicy', name: 'names' } }]);
        expect(files.audited('connection.denied')).toMatchObject([
          {
            destination: SECOND,
            reason: 'would-deny',
            explanation: `let pass in audit mode: resolved as ${TWO}, which no rule allows to connect to`,
            policy: { kind: 'CiliumNetworkPolicy', name: 'names', rule: expect.stringMatching(/names\.yaml:\d+:\d+$/) },
          },
        ]);
      }, 2_000);
    });

    test('a Deny of one is told by the rule; it counts as soon as the annotation says so, for what is open, too', async () => {
      const watched = (mode: 'audit' | 'enforce') => clusterPolicy({ name: 'watched', mode }, deny('11.0.0.0/8'));
      files.put('watched', watched('audit'));
      await start();
      const open = await connected(cart(), SECOND);
      await eventually(() => {
        expect(files.audited('connection.denied')).toMatchObject([
          {
            destination: SECOND,
            reason: 'would-deny',
            explanation: 'let pass in audit mode: a rule denies this destination',
            policy: {
              kind: 'ClusterNetworkPolicy',
              name: 'watched',
              rule: expect.stringMatching(/watched\.yaml:8:12$/),
            },
          },
        ]);
      }, 2_000);
      await files.applied(() => files.put('watched', watched('enforce')));
      expect((await cart().echo(open)).outcome).toBe('rejected');
      expect(await reach(cart(), SECOND)).toBe('rejected');
      expect(await reach(cart(), FAR)).toBe('connected');
    });

    test('isolation begins for names and packets when the annotation goes, and ends when it comes', async () => {
      files.put('isolating', networkPolicy('audit'));
      files.put('names', names('audit'));
      await start();
      await cart().ask(ONE);
      const [granted, told] = [await connected(cart(), FIRST), await connected(cart(), SECOND)];
      await files.applied(() => files.put('isolating', networkPolicy('enforce')));
      expect(await cart().ask(TWO)).toMatchObject({ rcode: 'NXDOMAIN' });
      expect(await reach(cart(), SECOND)).toBe('rejected');
      expect((await cart().echo(told)).outcome).toBe('rejected');
      expect(await cart().echo(granted)).toMatchObject({ outcome: 'echoed' });
      expect(await reach(cart(), FIRST)).toBe('connected');
      await files.applied(() => files.put('isolating', networkPolicy('audit')));
      expect(await cart().ask(TWO)).toMatchObject({ rcode: 'NOERROR' });
      expect(await reach(cart(), SECOND)).toBe('connected');
      expect(files.audited('connection.cut')).toMatchObject([{ destination: SECOND }]);
      expect(isolating.name).toBe('isolating');
    });
  });

  test('a dialect that is not enforced is left out, and said', async () => {
    files.put('isolating', networkPolicy('enforce'));
    files.put('names', names('audit'));
    await start({ enforce: ['cilium'] });
    expect(await reach(cart(), FAR)).toBe('connected');
    expect(await cart().ask(TWO)).toMatchObject({ rcode: 'NOERROR' });
    const log = readFileSync(lab.agentLogFile, 'utf8');
    expect(log).toContain('Not enforced here: \\"enforce\\" of the configuration does not list networkPolicy');
    await files.applied(() => files.put('names', names('enforce')));
    expect(await reach(cart(), FAR)).toBe('rejected');
    expect(await reach(cart(), '198.51.100.7')).toBe('rejected');
  });

  function cart(): LabPod {
    return lab.pod('cart');
  }

  async function start(overrides: Readonly<Record<string, string | readonly string[]>> = {}): Promise<void> {
    const own = { state: join(lab.folder, 'state'), ...overrides };
    lab.configure({ policies: [files.folder], lifetimes: { grace: '60s' }, overrides: own });
    await lab.startAgent();
  }

  async function reach(pod: LabPod, address: string): Promise<string> {
    return (await pod.connect(address, PORT)).outcome;
  }

  async function connected(pod: LabPod, address: string): Promise<number> {
    const opened = await pod.connect(address, PORT);
    return opened.outcome === 'connected' ? opened.connection : expect.fail(opened.outcome);
  }

  /** Connects again and again; the answer ends it. */
  function connecting(pod: LabPod, address: string): () => Promise<{ count: number; refused: number }> {
    const result = { count: 0, refused: 0, isOver: false };
    const loop = (async () => {
      while (!result.isOver) {
        result.count++;
        if ((await reach(pod, address)) !== 'connected') result.refused++;
        await sleep(2); // each stays open, and is judged at each change
      }
    })();
    return async () => {
      result.isOver = true;
      await loop;
      return result;
    };
  }

  function said(policy: object): unknown {
    return expect.objectContaining(policy);
  }
});
