// `namewall test` from inside pods, with the real agent between them and the world: what it says of a policy is what packets meet.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { CLUSTER_DNS, METADATA_ADDRESS, UDP_ECHO } from '../../src/cli/demo/topology.ts';
import { Namespace } from '../contract/support/namespace.ts';
import { canUseKernel } from '../support/kernel.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const FILES = new URL('../support/netassert/', import.meta.url).pathname;
const PODS = [
  { name: 'cart', namespace: 'demo', labels: { app: 'shop' } },
  { name: 'free', namespace: 'demo', labels: { app: 'free' } },
];

interface Run {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly out: string;
  readonly err: string;
}

describe.skipIf(!canUseKernel)('namewall test', { timeout: 60_000 }, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.build(PODS);
    await lab.world.publish('api.example.org', { A: ['203.0.113.10'], AAAA: ['2001:db8:100::10'], ttlSeconds: 5 });
    await lab.world.publish('www.example.org', { A: ['203.0.113.11'], ttlSeconds: 5 });
    await lab.world.publish('exfil.example.com', { A: ['203.0.113.66'], ttlSeconds: 5 });
    lab.configure({ policies: [`${FILES}policy.yaml`] });
    await lab.startAgent();
  });
  afterAll(() => lab?.remove());

  /** Labs of the same addresses may stand beside this one, so the namespaces are given by hand. */
  const byHand = (): string[] =>
    lab.pods.flatMap(({ spec, address }) => ['--netns', `demo/${spec.name}=/run/netns/${address.namespace}`]);

  async function run(...argv: string[]): Promise<Run> {
    const child = spawn(process.execPath, [MAIN, 'test', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: child.exitCode, out, err, lines: out.split('\n').filter((line) => /^(?:not )?ok /.test(line)) };
  }

  const online = (...argv: string[]): Promise<Run> =>
    run('--config', join(lab.folder, 'namewall.yaml'), ...byHand(), ...argv);

  test('what the policy lets through and what it stops is as both formats say', async () => {
    const { code, out, err } = await online(`${FILES}holds.yaml`, `${FILES}shorthand.yaml`);
    expect({ code, err, out }).toMatchObject({ code: 0, err: '' });
    expect(out).not.toContain('not ok');
    expect(out).toContain('# SKIP ICMP is not probed');
  });

  test('the same files hold offline, where policy alone is asked', async () => {
    const { code, out } = await run('--offline', '--config', join(lab.folder, 'namewall.yaml'), `${FILES}holds.yaml`);
    expect({ code, out }).toMatchObject({ code: 0 });
  });

  test('every claim that is wrong fails, and says what was seen', async () => {
    const { code, out, lines } = await online(`${FILES}fails.yaml`);
    expect(code).toBe(1);
    expect(lines.filter((line) => line.startsWith('ok '))).toEqual([]);
    expect(out).toContain('actual: "denied"');
    expect(out).toContain('actual: "allowed"');
    expect(out).toContain('actual: "answered with 203.0.113.10"');
  });

  test('a pod that no policy selects reaches what the other must not', async () => {
    const tests = [METADATA_ADDRESS, '203.0.113.66', 'exfil.example.com'].map(
      (to, i) => `{name: t${i}, type: k8s, targetPort: 80, dst: {host: {name: ${to}}}, ${src('free')}}`,
    );
    const { code, out } = await online(write('free.yaml', `[${tests.join(',\n')}]`));
    expect({ code, out }).toMatchObject({ code: 0 });
  });

  test('a datagram to an address outside is allowed when it is answered, and unknown when it meets silence', async () => {
    const [echo, mute] = [UDP_ECHO.v4, '198.51.100.9'].map((ip) => `{${ip}: UDP:443}`);
    const echoed = await online(write('udp-echo.yaml', `k8s: {deployment: {"demo:free": ${echo}}}`));
    expect(echoed).toMatchObject({ code: 0 });
    const silent = await online('--timeout', '1', write('udp-mute.yaml', `k8s: {deployment: {"demo:free": ${mute}}}`));
    expect(silent.code).toBe(1);
  });

  test('a widened policy turns "must be blocked" into not ok', async () => {
    const before = await online(write('www.yaml', `[${blocked('www.example.org')}]`));
    expect(before).toMatchObject({ code: 0 });
    const policy = readFileSync(`${FILES}policy.yaml`, 'utf8').replace('api.example.org', 'www.example.org');
    lab.configure({ policies: [write('wide.yaml', policy)] });
    await lab.killAgent('SIGTERM');
    await lab.startAgent();
    const after = await online(join(lab.folder, 'www.yaml'));
    expect(after.lines).toEqual(['not ok 1 - www.example.org is blocked']);
  });

  test('without a way into the namespace a test is not ok, whatever it expects', async () => {
    const file = write('lost.yaml', `[${blocked('www.example.org')}]`);
    const clients = ['--clients', join(lab.folder, 'clients.yaml'), '--server', CLUSTER_DNS.v4];
    const { code, out } = await run(...clients, '--netns', 'demo/cart=/run/netns/namewall-none', file);
    expect(code).toBe(1);
    expect(out).toContain('actual: "unknown"');
  });

  test('a client is found by its address; nobody is found by one that no interface has', async () => {
    const namespace = await Namespace.create('netassert');
    try {
      const address = `10.${(process.pid >> 14) & 255}.${(process.pid >> 7) & 127}.${process.pid & 127}`; // of this run alone
      await namespace.script(`ip addr add ${address}/32 dev lo`);
      const client = (name: string, ip: string) => `{namespace: demo, name: ${name}, addresses: [${ip}]}`;
      const clients = `clients: [${client('near', address)}, ${client('far', '192.0.2.77')}]`;
      const shorthand = `k8s: {deployment: {"demo:near": {${address}: -9}, "demo:far": {${address}: -9}}}`;
      const found = await run('--clients', write('near.yaml', clients), write('near-tests.yaml', shorthand));
      expect(found.lines).toEqual([
        `ok 1 - demo/near to ${address} TCP:9 closed`,
        `not ok 2 - demo/far to ${address} TCP:9 closed`,
      ]);
      expect(found.out).toContain('no network namespace has an address of demo/far');
    } finally {
      await namespace.remove();
    }
  });

  function write(name: string, content: string): string {
    writeFileSync(join(lab.folder, name), content);
    return join(lab.folder, name);
  }
});

function src(pod: string): string {
  return `src: {k8sResource: {kind: pod, name: ${pod}, namespace: demo}}`;
}

function blocked(name: string): string {
  return `{name: ${name} is blocked, type: k8s, targetPort: 443, exitCode: 1, dst: {host: {name: ${name}}}, ${src('cart')}}`;
}
