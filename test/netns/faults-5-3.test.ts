// Faults.md 5.3 on the real system: what is wrong with the machine under the agent does not reach its pods.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, copyFileSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const NAMES = 3_000;

describe.skipIf(!canUseKernel)('the pods notice nothing', () => {
  let lab: Lab;

  beforeEach(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
  });
  afterEach(() => lab.remove());

  const overrides = { dns: { newNamesPerSecond: 100_000 } }; // NAMES are asked as fast as one client can
  const log = (): string => readFileSync(lab.agentLogFile, 'utf8');
  const burst = (first: number) => lab.pod('cart').burst({ first, count: NAMES, type: 'A', port: null, parallel: 20 });

  test('M92 when the disk of the audit is full: names are answered and granted, and the loss is said', async () => {
    lab.configure({ policies: [POLICY], auditFile: '/dev/full', overrides });
    await lab.startAgent();
    expect(await burst(1)).toMatchObject({ answered: NAMES, failures: {} });
    expect(await lab.pod('cart').connect('11.0.0.1', 443)).toMatchObject({ outcome: 'connected' });
    await lab.killAgent('SIGTERM');
    expect(lab.agentExit()).toEqual({ code: 0, signal: null });
    expect(log()).toMatch(/ENOSPC/);
  });

  test('M93 when nobody reads the audit: nobody waits for it', async () => {
    const pipe = join(lab.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      lab.configure({ policies: [POLICY], auditFile: pipe, overrides });
      await lab.startAgent();
      const { answered, seconds } = await burst(1);
      expect(answered).toBe(NAMES);
      expect(seconds).toBeLessThan(5);
      expect(await lab.pod('cart').ask('exfil.example.com')).toMatchObject({ rcode: 'NXDOMAIN' });
    } finally {
      closeSync(reader);
    }
  });

  test('M95 when no descriptor is left: names are answered and granted; a policy that cannot be taken up leaves the last one in force', async () => {
    const policy = join(lab.folder, 'policy.yaml');
    copyFileSync(POLICY, policy);
    lab.configure({ policies: [policy], overrides });
    await lab.startAgent();
    const agent = `--pid=${lab.agentPid}`;
    const usual = /open files +(\d+)/.exec(readFileSync(`/proc/${lab.agentPid}/limits`, 'utf8'))?.[1];
    execFileSync('prlimit', [agent, '--nofile=1:']);
    expect(await burst(1)).toMatchObject({ answered: NAMES, failures: {} });
    const changed = readFileSync(POLICY, 'utf8').replace("'443'", "'8443'");
    writeFileSync(policy, changed);
    await eventually(() => expect(log()).toMatch(/EMFILE|too many open files/i), 5_000);
    const cart = lab.pod('cart');
    expect(await cart.ask('n7.load.example.org')).toMatchObject({ rcode: 'NOERROR' });
    expect(await cart.connect('11.0.0.7', 443)).toMatchObject({ outcome: 'connected' });
    expect(await cart.connect('203.0.113.9', 443)).toMatchObject({ outcome: 'rejected' });
    execFileSync('prlimit', [agent, `--nofile=${usual}:`]);
    writeFileSync(policy, changed);
    await eventually(async () => {
      expect(await cart.connect('11.0.0.7', 8443)).toMatchObject({ outcome: 'connected' });
    }, 10_000);
  });
});
