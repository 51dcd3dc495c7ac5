// `namewall doctor` on a real kernel: each broken situation is built in a namespace, found, mended by the command that the finding names, and
// found mended. A flowtable, IPVS and old kernels cannot be built on every machine: test/unit/agent/doctor has them.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DoctorContext } from '../../src/agent/doctor/context.ts';
import { ALL, examine } from '../../src/agent/doctor/examine.ts';
import type { Finding } from '../../src/agent/doctor/finding.ts';
import { Lab } from '../../src/cli/demo/lab.ts';
import { applyText, listObjects } from '../../src/kernel/apply.ts';
import { ensureRoutes } from '../../src/kernel/routes.ts';
import { ruleset } from '../../src/kernel/ruleset.ts';
import { describeKernel, Namespace } from '../contract/support/namespace.ts';
import { GOLDEN_CASES } from '../golden/cases.ts';
import { eventually } from '../support/eventually.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const SERVER = '10.96.0.10';
const MARK = 0x100000;
const TABLE = 5310;
const PATIENCE_MS = 5_000;

describeKernel('namewall doctor', () => {
  let namespace: Namespace;
  let children: ChildProcess[];

  beforeEach(async () => {
    namespace = await Namespace.create('doctor');
    children = [];
  });
  afterEach(async () => {
    for (const each of children) each.kill('SIGKILL');
    await namespace.remove();
  });

  async function look(check: string): Promise<Finding> {
    const context = new DoctorContext({
      mode: 'host',
      mark: MARK,
      routingTable: TABLE,
      dnsServers: [SERVER],
      run: namespace.run,
      files: {
        read: (path) => namespace.execute('cat', path).catch(() => undefined),
        list: (path) => readdir(path).catch(() => []),
        target: (path) => readlink(path).catch(() => undefined),
      },
    });
    const [finding] = await examine(
      context,
      ALL.filter(([name]) => name === check),
    );
    if (finding === undefined) throw new Error(`no check is called "${check}"`);
    return finding;
  }

  async function mend({ mend: command = 'false' }: Finding): Promise<void> {
    await namespace.execute('sh', '-c', command);
  }

  /** Runs a program of JavaScript inside until the test ends; resolves when it has printed something. */
  async function child(code: string): Promise<ChildProcess> {
    const started = namespace.spawn(process.execPath, '--input-type=module', '-e', code);
    children.push(started);
    if (started.stdout !== null) await once(started.stdout, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) });
    return started;
  }

  /** A process ends, or acts, when it is scheduled. */
  async function becomes(check: string, status: Finding['status']): Promise<void> {
    await eventually(async () => expect(await look(check)).toMatchObject({ status }), PATIENCE_MS);
  }

  /** The situation is found, its command is run, and it is gone. */
  async function mends(check: string, status: Finding['status']): Promise<Finding> {
    const broken = await look(check);
    expect(broken).toMatchObject({ check, status });
    await mend(broken);
    expect(await look(check)).toMatchObject({ check, status: 'ok' });
    return broken;
  }

  const LISTENS = `import { createSocket } from 'node:dgram';
    createSocket({ type: 'udp4', reusePort: true }).bind(53, '${SERVER}', () => console.log('bound'));`;

  test('a socket that shares the address of a DNS server fails, with the process that has it', async () => {
    await namespace.execute('ip', 'addr', 'add', `${SERVER}/32`, 'dev', 'lo');
    const foreign = await child(LISTENS);
    const broken = await look('foreign-sockets');
    expect(broken).toMatchObject({
      status: 'fail',
      found: expect.stringContaining(`process ${foreign.pid} `) as string,
      mend: `kill ${foreign.pid}`,
    });
    await mend(broken);
    await becomes('foreign-sockets', 'ok');
  });

  test('of two that share it each is named, as in V19', async () => {
    await namespace.execute('ip', 'addr', 'add', `${SERVER}/32`, 'dev', 'lo');
    await child(LISTENS);
    await child(LISTENS);
    const { found } = await look('foreign-sockets');
    expect(found.match(/listens on 10\.96\.0\.10:53\/udp/g)).toHaveLength(2);
  });

  test('who holds the lock and serves nothing fails', async () => {
    const squatter = await child(
      String.raw`import { createServer } from 'node:net';
      createServer().listen({ path: '\0namewall/agent' }, () => console.log('held'));`,
    );
    const broken = await look('one-agent');
    expect(broken).toMatchObject({ status: 'fail', mend: `kill ${squatter.pid}` });
    await mend(broken);
    await becomes('one-agent', 'ok');
  });

  test('an input chain that drops warns, of nft and of iptables', async () => {
    await namespace.run('nft', ['-f', '-'], DROPPING_TABLE);
    const broken = await look('input-chains');
    expect(broken).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('inet fw in: policy drop') as string,
    });
    await mends('input-chains', 'warn');
    await namespace.execute('iptables', '-P', 'INPUT', 'DROP');
    await mends('input-chains', 'warn');
    await namespace.execute('iptables', '-F', 'INPUT');
    await namespace.execute('iptables', '-P', 'INPUT', 'ACCEPT');
    await namespace.execute('iptables', '-A', 'INPUT', '-j', 'REJECT');
    await mends('input-chains', 'warn');
  });

  test('marks that iptables writes are read', async () => {
    const rule = ['PREROUTING', '-j', 'MARK', '--set-xmark'];
    await namespace.execute('iptables', '-t', 'mangle', '-A', ...rule, '0x40000/0x40000');
    expect(await look('marks')).toMatchObject({ status: 'ok' });
    await namespace.execute('iptables', '-t', 'mangle', '-A', ...rule, '0x100000/0x100000');
    expect(await look('marks')).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('sets our bit') as string,
    });
    await namespace.execute('iptables', '-t', 'mangle', '-F');
    await namespace.execute('iptables', '-t', 'mangle', '-A', ...rule, '0x3/0xffffffff');
    expect(await look('marks')).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('clears our bit') as string,
    });
  });

  test('a bridge that netfilter does not see', async () => {
    await namespace.script(`
      ip link add br0 type bridge
      ip link add port0 master br0 type veth peer name pod0
    `);
    expect(await look('bridges')).toMatchObject({ status: 'ok' });
    await namespace.execute(
      'sysctl',
      '-qw',
      'net.bridge.bridge-nf-call-iptables=0',
      'net.bridge.bridge-nf-call-ip6tables=0',
    );
    await mends('bridges', 'warn');
  });

  test('a bridge with clients behind it fails', async () => {
    await namespace.script(`
      ip link add br0 type bridge
      ip link add port0 master br0 type veth peer name pod0
      ip addr add 10.0.1.1/24 dev br0
      ip link set br0 up
      sysctl -qw net.bridge.bridge-nf-call-ip6tables=0
    `);
    await intercept('10.0.1.7');
    await mends('bridges', 'fail');
  });

  async function intercept(address: string): Promise<void> {
    const input = GOLDEN_CASES['two-pods'];
    if (input === undefined) throw new Error('the case two-pods is gone');
    const existing = await listObjects(namespace.run);
    await applyText(
      ruleset({ ...input, mark: MARK, dnsServers: [SERVER], interceptedAddresses: [address], existing }).text,
      namespace.run,
    );
    await ensureRoutes({ mark: MARK, table: TABLE, dnsServers: [SERVER] }, namespace.run);
  }

  const POD = `
    ip link add pod0 type veth peer name inside0
    ip addr add 10.0.1.1/24 dev pod0
    ip link set pod0 up
    ip link set inside0 up
  `;

  test('a rule for a pod ahead of ours takes its queries, and is put behind', async () => {
    await namespace.script(POD);
    await intercept('10.0.1.7');
    expect(await look('routing')).toMatchObject({ status: 'ok' });
    await namespace.script(`
      ip rule add pref 50 from 10.0.1.7 lookup 77
      ip route add unreachable default table 77
    `);
    const broken = await mends('routing', 'fail');
    expect(broken.found).toContain(`10.0.1.7 on pod0 to ${SERVER}: `);
    expect(await namespace.execute('ip', 'rule')).toMatch(/^150:\tfrom 10\.0\.1\.7 lookup 77/m);
  });

  test('local default in our routing table fails', async () => {
    await namespace.script(POD);
    await intercept('10.0.1.7');
    expect(await look('reverse-path')).toMatchObject({ status: 'ok' });
    await namespace.execute('ip', 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', `${TABLE}`);
    await mends('reverse-path', 'fail');
  });

  test('an interface of a data plane that bypasses netfilter', async () => {
    await namespace.execute('ip', 'link', 'add', 'cilium_host', 'type', 'veth', 'peer', 'name', 'cilium_net');
    expect(await look('data-plane')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('Cilium (interface cilium_') as string,
    });
    await namespace.execute('ip', 'link', 'del', 'cilium_host');
    expect(await look('data-plane')).toMatchObject({ status: 'ok' });
  });

  test('the interface of kube-proxy in IPVS mode', async () => {
    await namespace.execute('ip', 'link', 'add', 'kube-ipvs0', 'type', 'bridge');
    expect(await look('service-proxy')).toMatchObject({ status: 'fail' });
  });

  test('a table that another process owns', async () => {
    const owner = namespace.spawn('nft', '-i');
    children.push(owner);
    owner.stdin?.write('add table inet namewall { flags owner; }\n');
    await becomes('table', 'fail');
    expect((await look('table')).found).toMatch(/belongs to one process/);
  });

  test('a table without an agent warns', async () => {
    await intercept('10.0.1.7');
    expect(await look('table')).toMatchObject({ status: 'warn' });
  });

  test('settings of connection tracking and forwarding', async () => {
    await namespace.script(`
      sysctl -qw net.ipv4.ip_forward=0
      sysctl -qw net.netfilter.nf_conntrack_acct=0
    `);
    await mends('forwarding', 'warn');
    await mends('conntrack-accounting', 'warn');
  });

  test('the command prints every check of a namespace where nothing is wrong, and leaves nothing behind', async () => {
    await namespace.script('sysctl -qw net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_acct=1');
    const { code, healthy, findings } = parsed(await namespace.execute(...program('-o', 'json')));
    expect(findings.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(findings.map(({ check }) => check)).toEqual(ALL.map(([name]) => name));
    expect({ code, healthy }).toEqual({ code: 0, healthy: true });
    expect(findings.find(({ check }) => check === 'renewal')?.found).toMatch(/elements/);
    expect(await namespace.execute('nft', 'list', 'ruleset')).toBe('');
  });
});

describeKernel('namewall doctor beside an agent', () => {
  let lab: Lab;
  let config: string;

  beforeEach(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    config = lab.configure({ policies: [POLICY], overrides: { health: 'health.sock' } });
    await lab.startAgent();
  });
  afterEach(() => lab.remove());

  const doctor = async () => parsed(await lab.onNode(program('--config', config, '-o', 'json')));
  const wrong = (findings: readonly Finding[]) =>
    findings.filter(({ status }) => status !== 'ok').map(({ check, status }) => `${check} ${status}`);

  test('knows it by its lock, its sockets and its health, and finds nothing wrong', async () => {
    const { code, findings } = await doctor();
    // What the agent itself warns of, readiness repeats.
    const expected = ['conntrack-accounting warn', 'readiness warn'];
    expect(wrong(findings).filter((each) => !expected.includes(each))).toEqual([]);
    expect(code).toBe(0);
    const found = (name: string) => findings.find(({ check }) => check === name)?.found;
    expect(found('one-agent')).toContain(`process ${lab.agentPid} (`);
    expect(found('readiness')).toMatch(/ready|conntrack-accounting/);
  });

  test('says that nobody answers DNS once it is dead', async () => {
    await lab.killAgent('SIGKILL');
    expect(wrong((await doctor()).findings)).toContain('table warn');
  });

  test('says that its table is gone', async () => {
    process.kill(lab.agentPid ?? 0, 'SIGSTOP'); // else it puts it back before anybody can look
    await lab.onNode(['nft', 'delete', 'table', 'inet', 'namewall']);
    const { code, findings } = await doctor();
    expect(wrong(findings)).toContain('table fail');
    expect(code).toBe(1);
  });
});

/** The command, as main.ts calls it; prints its exit code and its output. */
function program(...argv: string[]): [string, ...string[]] {
  const code = `import { run } from '${new URL('../../src/cli/doctor.ts', import.meta.url).href}';
    let out = '';
    const code = await run(${JSON.stringify(argv)}, { out: (text) => (out += text), err: console.error });
    console.log(JSON.stringify({ code, ...JSON.parse(out) }));`;
  return [process.execPath, '--input-type=module', '-e', code];
}

function parsed(printed: string): { code: number; healthy: boolean; findings: readonly Finding[] } {
  return JSON.parse(printed) as { code: number; healthy: boolean; findings: readonly Finding[] }; // written by program
}

const DROPPING_TABLE = `table inet fw {
  chain in {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
  }
}
`;
