// Whom the agent asks, on the real kernel: a zone's names go to the zone's servers, all others to those of a resolv.conf, and another file
// means other servers at the next lookup, without a restart and without an open connection less.
import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { CLUSTER_DNS } from '../../src/cli/demo/topology.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';
import { StandInUpstreams } from '../support/netns-upstreams.ts';

/** Each server, and the address that it gives whatever it is asked for. All are the world's. */
const [FIRST, SECOND, CORP, LAB] = ['198.51.100.61', '198.51.100.62', '198.51.100.63', '198.51.100.64'];
const saysOf = (server: string): string => server.replace('198.51.100', '203.0.113');

describe.skipIf(!canUseKernel)('upstreams of a resolv.conf, and of zones', () => {
  let lab: Lab;
  let upstreams: StandInUpstreams;
  let resolvConf: string;

  beforeEach(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    upstreams = new StandInUpstreams(lab.worldNamespace);
    await Promise.all([FIRST, SECOND, CORP, LAB].map((server) => upstreams.serve(server, saysOf(server))));
    resolvConf = join(lab.folder, 'resolv.conf');
    write(resolvConf, FIRST);
    const policy = join(lab.folder, 'policy.yaml');
    writeFileSync(policy, POLICY);
    const zones = { 'corp.example': CORP, 'Lab.Corp.Example.': [LAB] };
    lab.configure({
      policies: [policy],
      lifetimes: { grace: '60s' },
      overrides: { dns: { upstreams: resolvConf, zones } },
    });
  });

  afterEach(async () => {
    await upstreams.end();
    await lab.remove();
  });

  test('the longest zone decides, and every other name goes to the server of the file', async () => {
    await lab.startAgent();
    for (const [name, server] of [
      ['www.example.org', FIRST],
      ['corp.example', CORP],
      ['www.corp.example', CORP],
      ['a.b.corp.example', CORP],
      ['www.lab.corp.example', LAB],
      ['xcorp.example', FIRST],
    ] as const) {
      expect(await lab.pod('cart').ask(name), name).toMatchObject({ rcode: 'NOERROR', addresses: [saysOf(server)] });
    }
    expect(await upstreams.asked(FIRST)).toEqual(['www.example.org', 'xcorp.example']);
    expect(await upstreams.asked(CORP)).toEqual(['corp.example', 'www.corp.example', 'a.b.corp.example']);
    expect(await upstreams.asked(LAB)).toEqual(['www.lab.corp.example']);
  });

  test('a file that is replaced by another means other servers at the next lookup; zones and connections stay', async () => {
    await lab.startAgent();
    const cart = lab.pod('cart');
    expect(await cart.ask('before.example.org')).toMatchObject({ addresses: [saysOf(FIRST)] });
    const made = await cart.connect(saysOf(FIRST), 443);
    const connection = made.outcome === 'connected' ? made.connection : expect.fail(made.outcome);
    const pid = lab.agentPid;

    write(`${resolvConf}.new`, SECOND);
    renameSync(`${resolvConf}.new`, resolvConf);
    await eventually(() => expect(log()).toContain('other upstreams'), 1_500);
    expect(await cart.ask('after.example.org')).toMatchObject({ addresses: [saysOf(SECOND)] });
    expect(await cart.connect(saysOf(SECOND), 443)).toMatchObject({ outcome: 'connected' });
    expect(await cart.ask('after.corp.example')).toMatchObject({ addresses: [saysOf(CORP)] });
    expect(await cart.echo(connection)).toMatchObject({ outcome: 'echoed' });
    expect(await upstreams.asked(FIRST)).toEqual(['before.example.org']);
    expect([lab.agentPid, lab.isAgentRunning()]).toEqual([pid, true]);
  });

  test('so does a link that leads to another file', async () => {
    const [one, other] = [join(lab.folder, 'one'), join(lab.folder, 'other')];
    write(one, FIRST);
    write(other, SECOND);
    rmSync(resolvConf);
    symlinkSync(one, resolvConf);
    await lab.startAgent();
    expect(await lab.pod('cart').ask('before.example.org')).toMatchObject({ addresses: [saysOf(FIRST)] });
    symlinkSync(other, `${resolvConf}.new`);
    renameSync(`${resolvConf}.new`, resolvConf);
    await eventually(() => expect(log()).toContain('other upstreams'), 1_500);
    expect(await lab.pod('cart').ask('after.example.org')).toMatchObject({ addresses: [saysOf(SECOND)] });
  });

  test('a file that names nobody leaves its last servers in force, and that is said once', async () => {
    await lab.startAgent();
    const cart = lab.pod('cart');
    for (const text of ['', '# nobody\n', 'search example.org\n']) {
      writeFileSync(resolvConf, text);
      await eventually(() => expect(log()).toContain('its last servers are asked'), 1_500);
      expect(await cart.ask(`n${text.length}.example.org`)).toMatchObject({ addresses: [saysOf(FIRST)] });
    }
    write(resolvConf, SECOND);
    await eventually(() => expect(log()).toContain('Mended: '), 1_500);
    expect(await cart.ask('after.example.org')).toMatchObject({ addresses: [saysOf(SECOND)] });
    const said = log()
      .split('\n')
      .filter((line) => line.includes('its last servers are asked') && !line.includes('Mended: '));
    expect(said).toHaveLength(1);
  });

  test.each([
    ['its only server is where we answer', `nameserver ${CLUSTER_DNS.v4}\n`, 'the question would come back to it'],
    ['it has none', '# nobody\n', 'has no nameserver that can be asked'],
  ])('a file that cannot be used from the start ends it, with the reason: %s', async (_why, text, reason) => {
    writeFileSync(resolvConf, text);
    await expect(lab.startAgent()).rejects.toThrow(new RegExp(`The agent ended[^]*${reason}`));
    expect(log()).toContain(`${resolvConf}:1:1`);
  });

  function write(file: string, ...servers: readonly string[]): void {
    writeFileSync(file, servers.map((server) => `nameserver ${server}\n`).join(''));
  }

  const log = (): string => readFileSync(lab.agentLogFile, 'utf8');
});

const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: any-name, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: shop } }
  egress:
    - toFQDNs: [{ matchPattern: '*.*' }, { matchPattern: '**.example' }, { matchPattern: '**.example.org' }]
      toPorts: [{ ports: [{ port: '443', protocol: TCP }] }]
`;
