// DNS over TCP on the real system: pods that use it well and badly, between namespaces, and an agent that lacks something.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { CLUSTER_DNS } from '../../src/cli/demo/topology.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';
import { DnsStreams } from '../support/netns-streams.ts';
import { StandInUpstreams } from '../support/netns-upstreams.ts';

const SERVER = '198.51.100.61';
const SAYS = '203.0.113.61';
/** Connections that one address may have. */
const MOST = 20;
const DENIED = 'exfil.example.com';
/** Descriptors that an agent has left. */
const FEW = 3;
/** One query on a machine where everything is slow: what no test here may depend on. */
const GENEROUS_MS = 500;
const TCP_QUERY = { transport: 'tcp', timeoutMs: 5_000 } as const;

describe.skipIf(!canUseKernel)('DNS over TCP', () => {
  let lab: Lab;
  let upstreams: StandInUpstreams;
  let cart: DnsStreams;
  let mail: DnsStreams;

  beforeEach(async () => {
    lab = await Lab.build([
      { name: 'cart', namespace: 'shop', labels: { app: 'shop' } },
      { name: 'mail', namespace: 'shop', labels: { app: 'shop' } },
    ]);
    upstreams = new StandInUpstreams(lab.worldNamespace);
    cart = new DnsStreams(lab.pod('cart').address.namespace);
    mail = new DnsStreams(lab.pod('mail').address.namespace);
    await upstreams.serve(SERVER, SAYS);
    const policy = join(lab.folder, 'policy.yaml');
    writeFileSync(policy, POLICY);
    lab.configure({ policies: [policy], overrides: { dns: { upstreams: [SERVER] } } });
    await lab.startAgent();
  });

  afterEach(async () => {
    await Promise.all([upstreams.end(), cart.end(), mail.end()]);
    await lab.remove();
  });

  /** Milliseconds that a TCP query of `mail` takes, connecting included: the median of some. */
  async function medianMs(): Promise<number> {
    const all: number[] = [];
    for (let i = 0; i < 15; i++) {
      const asked = await lab.pod('mail').ask(DENIED, 'A', TCP_QUERY);
      expect(asked).toMatchObject({ rcode: 'NXDOMAIN' });
      all.push(asked.ms);
    }
    return all.toSorted((a, b) => a - b)[7] ?? expect.fail('nothing was measured');
  }

  async function opened(streams: DnsStreams, ip: string = CLUSTER_DNS.v4): Promise<number> {
    const [connection] = await streams.open(ip, 1);
    return connection ?? expect.fail('not connected');
  }

  /** The state, once it has so many answers. */
  async function answered(streams: DnsStreams, connection: number, count: number) {
    await eventually(async () => expect((await streams.state(connection)).answers).toHaveLength(count), 10_000);
    return streams.state(connection);
  }

  describe.each([
    ['IPv4', CLUSTER_DNS.v4],
    ['IPv6', CLUSTER_DNS.v6],
  ])('%s', (_family, server) => {
    test('R35: the first contact of a pod may be by TCP, and its connection follows', async () => {
      const pod = lab.pod('cart');
      expect(await pod.ask('one.load.example.org', 'A', { ...TCP_QUERY, server })).toMatchObject({ addresses: [SAYS] });
      expect(await pod.connect(SAYS, 443)).toMatchObject({ outcome: 'connected' });
    });

    test('R14, M33: the 21st connection of a pod is refused, another pod’s is not, and there is room when one ends', async () => {
      const connections = await cart.open(server, MOST + 1);
      await eventually(async () => expect(await cart.openOf(connections)).toBe(MOST), 5_000);
      const states = await Promise.all(connections.map((each) => cart.state(each)));
      expect(states.flatMap(({ ended }) => ended ?? []).filter((ended) => ended !== 'ECONNRESET')).toEqual([]);
      const other = await opened(mail, server);
      await mail.ask(other, [DENIED], 1);
      await answered(mail, other, 1);
      await cart.close(connections[0] ?? -1);
      await eventually(async () => {
        const again = await opened(cart, server);
        await cart.ask(again, [DENIED], 7);
        await eventually(async () => expect((await cart.state(again)).answers).toHaveLength(1), 200);
      }, 5_000);
    });
  });

  test('R3: a query may come byte by byte; each reply comes in one piece, however many addresses it has', async () => {
    const connection = await opened(cart);
    await cart.ask(connection, ['one.load.example.org'], 1, 1);
    expect((await answered(cart, connection, 1)).pieces).toBe(1);
    for (let i = 2; i <= 6; i++) {
      await cart.ask(connection, [`big-${10 * i}.load.example.org`], i);
      expect((await answered(cart, connection, i)).pieces).toBe(i);
    }
  });

  test('R14, M34: of 100 pipelined queries 99 are answered while one is slow', async () => {
    const connection = await opened(cart);
    const names = Array.from({ length: 99 }, (_, i) => `n${i}.load.example.org`);
    await cart.ask(connection, ['slow-1000.load.example.org', ...names], 1);
    const { answers } = await answered(cart, connection, 100);
    expect(answers.at(-1)).toMatchObject({ id: 1, rcode: 0, records: 1 });
    expect(answers.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(answers.filter(({ rcode, records }) => rcode !== 0 || records !== 1)).toEqual([]);
  });

  test('R14: a connection that is idle for 10 s gets a goodbye', async () => {
    const connection = await opened(cart);
    await eventually(async () => expect((await cart.state(connection)).ended).toBe('end'), 20_000);
    expect((await cart.state(connection)).endedMs).toBeGreaterThan(9_000);
  });

  test('C9: 500 slow connections of one pod do not slow the queries of another', async () => {
    const idleMs = await medianMs();
    const connections = await cart.open(CLUSTER_DNS.v4, 500);
    await Promise.all(connections.map((each) => cart.write(each, '00')));
    await eventually(async () => expect(await cart.openOf(connections)).toBeLessThanOrEqual(MOST), 5_000);
    expect(await medianMs()).toBeLessThan(10 * idleMs + GENEROUS_MS);
    await eventually(async () => expect(await cart.openOf(connections)).toBe(0), 10_000);
  });

  test('C10: nor do connections on which one pod asks without a pause', async () => {
    const idleMs = await medianMs();
    const connections = await cart.open(CLUSTER_DNS.v4, MOST);
    const floods = connections.map((each) => cart.flood(each, DENIED, 10_000));
    const busyMs = await medianMs();
    expect(await Promise.all(floods)).toEqual(connections.map(() => 10_000));
    expect(busyMs).toBeLessThan(10 * idleMs + GENEROUS_MS);
  });

  test('R14: after 20,000 queries a connection is closed, and all of them are answered', async () => {
    const connection = await opened(cart);
    expect(await cart.flood(connection, DENIED, 25_000)).toBe(20_000);
    expect((await cart.state(connection)).ended).toBe('end');
  });

  test('M61, R2: 4,000 addresses of a name that may only be asked: TC by UDP, all of them by TCP', async () => {
    const name = 'big-4000.ask.example.org';
    expect(await lab.pod('cart').ask(name)).toMatchObject({ rcode: 'NOERROR', truncated: true, addresses: [] });
    const connection = await opened(cart);
    await cart.ask(connection, [name], 1);
    const { answers } = await answered(cart, connection, 1);
    expect(answers).toEqual([{ id: 1, rcode: 0, records: 4_000, isTruncated: false }]);
  });

  test('E6: an agent that is killed with connections open listens again at once, and ends those of the one before', async () => {
    const connections = await cart.open(CLUSTER_DNS.v4, 5);
    const [first = -1] = connections;
    await cart.ask(first, ['slow-3000.load.example.org'], 1);
    await lab.killAgent('SIGKILL');
    await lab.startAgent();
    expect(await lab.pod('mail').ask('one.load.example.org', 'A', TCP_QUERY)).toMatchObject({ addresses: [SAYS] });
    await cart.ask(first, [DENIED], 2);
    await eventually(async () => expect((await cart.state(first)).ended).toMatch(/end|ECONNRESET/), 5_000);
    expect(await lab.pod('cart').ask(DENIED, 'A', TCP_QUERY)).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  test('M95: without descriptors nobody is accepted and nothing spins; UDP goes on; then who waited is accepted', async () => {
    const pid = lab.agentPid ?? expect.fail('no agent');
    const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
    const usual = /open files +(\d+)/.exec(limits)?.[1] ?? expect.fail('no limit');
    const idleMs = await cpuMsOf2s(pid);
    // The limit is of numbers, not of how many there are: those that are free below it are left.
    const used = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
    const free = Array.from({ length: used.size + FEW }, (_, fd) => fd).filter((fd) => !used.has(fd));
    execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${(free[FEW - 1] ?? 0) + 1}:`]);
    const connections = await cart.open(CLUSTER_DNS.v4, MOST);
    for (const each of connections) await cart.ask(each, [DENIED], 1);
    const waiting = async (): Promise<number> => {
      const states = await Promise.all(connections.map((each) => cart.state(each)));
      return states.filter(({ answers, ended }) => answers.length === 0 && ended === undefined).length;
    };
    expect(await cpuMsOf2s(pid)).toBeLessThan(idleMs + 100);
    expect(await waiting()).toBeGreaterThan(0);
    expect(await lab.pod('mail').ask('one.load.example.org')).toMatchObject({ addresses: [SAYS] });
    execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${usual}:`]);
    await eventually(async () => expect(await waiting()).toBe(0), 5_000);
  });
});

/** What the process uses of the processors in two seconds. One that spins takes what it gets. */
async function cpuMsOf2s(pid: number): Promise<number> {
  const before = cpuMs(pid);
  await sleep(2_000);
  return cpuMs(pid) - before;
}

/** Of all threads, since the start: proc_pid_stat(5), in ticks of 10 ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: shop } }
  egress:
    - toFQDNs: [{ matchPattern: '*.load.example.org' }]
      toPorts: [{ ports: [{ port: '443', protocol: TCP }] }]
    - toEndpoints:
        - matchLabels: { 'k8s:io.kubernetes.pod.namespace': kube-system, k8s-app: kube-dns }
      toPorts:
        - ports: [{ port: '53', protocol: ANY }]
          rules: { dns: [{ matchPattern: '*.ask.example.org' }] }
`;
