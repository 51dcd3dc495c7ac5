// That what deploy/ gives the agent is enough: the JavaScript of the image, run with the capabilities of the DaemonSet, without new ones, on
// a read-only root, as a container runtime would run it. The CNI, the image's own files and seccomp are not part of this.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../../src/cli/demo/lab.ts';
import { ROOT } from '../../repo/tree.ts';
import { eventually } from '../../support/eventually.ts';
import { canUseKernel } from '../../support/kernel.ts';
import { BASE, manifestOf } from '../deploy-manifests.ts';

const POLICY = `${ROOT}test/support/policies/load.yaml`;
const NAME = 'n1.load.example.org';
const ADDRESS = '11.0.0.1';
const OTHER_ADDRESS = '11.0.0.2';
const READY_MS = 15_000;

/** Bits of capabilities(7), for those that the DaemonSet names. */
const BITS: Readonly<Record<string, bigint>> = { NET_BIND_SERVICE: 10n, NET_ADMIN: 12n };
const CAPABILITIES = [...JSON.stringify(manifestOf(BASE, 'DaemonSet')).matchAll(/"(NET_[A-Z_]+)"/g)].map(
  ([, name = '']) => name,
);

/** As a runtime sets up a container: own mounts and processes, everything read-only but /run, then the capabilities, then the program. */
function containerOf(program: readonly string[]): string[] {
  const kept = CAPABILITIES.map((name) => `+${name.toLowerCase()}`).join(',');
  const privileges = `setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,${kept}`;
  const mounts = 'mount -t tmpfs tmpfs /run && mkdir /run/namewall && mount -o remount,ro,bind /';
  // Not exec: the shell is process 1 here, as the pause container is in the pod.
  const script = `${mounts} && ${privileges} "$@"; exit $?`;
  return [
    'unshare',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    'sh',
    '-c',
    script,
    'sh',
    ...program,
  ];
}

describe.skipIf(!canUseKernel)('the agent of the image, with the privileges of the DaemonSet', () => {
  let lab: Lab;
  let image = '';
  let agent: ChildProcess;

  beforeEach(async () => {
    image = mkdtempSync(join(tmpdir(), 'namewall-image-'));
    const build = spawnSync(
      process.execPath,
      [`${ROOT}node_modules/typescript/bin/tsc`, '-p', `${ROOT}deploy/tsconfig.build.json`, '--outDir', image],
      { encoding: 'utf8' },
    );
    expect(build.stdout).toBe('');
    symlinkSync(`${ROOT}node_modules`, join(image, 'node_modules'));
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    const overrides = { audit: 'stdout', health: '/run/namewall/health.sock' };
    const config = lab.configure({ policies: [POLICY], overrides });
    const log = openSync(lab.agentLogFile, 'a');
    const program = [process.execPath, join(image, 'src/main.js'), 'run', '--config', config];
    const argv = ['netns', 'exec', lab.nodeNamespace, ...containerOf(program)];
    agent = spawn('ip', argv, { stdio: ['ignore', log, log] });
    closeSync(log);
    await eventually(() => expect(readFileSync(lab.agentLogFile, 'utf8')).toMatch(/"msg":"ready"/), READY_MS);
  });

  afterEach(async () => {
    const gone = agent.exitCode === null && agent.signalCode === null ? once(agent, 'exit') : undefined;
    agent.kill('SIGKILL');
    await gone;
    await lab.remove();
    rmSync(image, { recursive: true });
  });

  test('answers, grants and rejects', async () => {
    const cart = lab.pod('cart');
    expect(await cart.ask(NAME)).toMatchObject({ outcome: 'answered', addresses: [ADDRESS] });
    expect(await cart.connect(ADDRESS, 443)).toMatchObject({ outcome: 'connected' });
    expect(await cart.connect(OTHER_ADDRESS, 443)).toMatchObject({ outcome: 'rejected' });
  });

  test('has those privileges and no other, and is ready to a probe that has no more', () => {
    const pids = spawnSync('ip', ['netns', 'pids', lab.nodeNamespace], { encoding: 'utf8' }).stdout.split('\n');
    const pid = pids.find(
      (each) => each !== '' && readFileSync(`/proc/${each}/cmdline`, 'utf8').startsWith(process.execPath),
    );
    const status = readFileSync(`/proc/${pid ?? expect.fail('no agent')}/status`, 'utf8');
    const mask = CAPABILITIES.reduce((sum, name) => sum | (1n << (BITS[name] ?? 0n)), 0n);
    expect(status).toContain(`CapEff:\t${mask.toString(16).padStart(16, '0')}\n`);
    expect(status).toContain('NoNewPrivs:\t1\n');

    const mounts = ['nsenter', '--target', pid ?? '', '--mount'];
    const within = ['netns', 'exec', lab.nodeNamespace, ...mounts, 'setpriv', '--no-new-privs', '--bounding-set=-all'];
    const probe = [process.execPath, join(image, 'src/main.js'), 'probe', 'ready'];
    // It may say what it warns of: that conntrack counts no bytes here, for one.
    expect(spawnSync('ip', [...within, ...probe], { encoding: 'utf8' }).status).toBe(0);
  });
});
