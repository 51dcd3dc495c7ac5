import { expect, test } from 'vitest';
import { kernelFeatures, renewal } from '../../../../src/agent/doctor/kernel-features.ts';
import { KernelError } from '../../../../src/kernel/kernel-error.ts';
import type { RunProgram } from '../../../../src/kernel/program.ts';
import { contextOf, lockListing } from './context.ts';

const nft =
  (version: string, refused = 'never'): RunProgram =>
  (_program, args, input = '') => {
    if (args[0] === '--version') return Promise.resolve(`nftables ${version} (name)\n`);
    return input.includes(refused)
      ? Promise.reject(new KernelError('nft', '/dev/stdin:3:1-2: Error: Could not process rule\nsource'))
      : Promise.resolve('');
  };

test.each([
  ['a new one', 'v1.0.6', 'ok'],
  ['the oldest', 'v0.9.8', 'ok'],
  ['an older one', 'v0.9.7', 'fail'],
  ['without a third number', 'v1.1', 'ok'],
])('nft: %s', async (_why, version, status) => {
  expect((await kernelFeatures(contextOf({ options: { run: nft(version) } }))).status).toBe(status);
});

test.each([
  ['tproxy', 'tproxy ip to', 'modprobe nft_tproxy; a kernel without CONFIG_NFT_TPROXY cannot be used'],
  ['NFLOG', 'log group', 'modprobe nfnetlink_log; a kernel without CONFIG_NETFILTER_NETLINK_LOG cannot be used'],
])('a kernel without %s is told which module has it', async (name, refused, mend) => {
  const finding = await kernelFeatures(contextOf({ options: { run: nft('v1.0.6', refused) } }));
  expect(finding).toMatchObject({ status: 'fail', mend });
  expect(finding.found).toBe(`the kernel refuses ${name}: /dev/stdin:3:1-2: Error: Could not process rule`);
});

test('what this process may not do says nothing about the kernel', async () => {
  const error = new KernelError('nft', 'netlink: Error: cache initialization failed: Operation not permitted');
  const run: RunProgram = (_program, [first]) => (first === '-c' ? Promise.reject(error) : Promise.resolve('v1.0.6'));
  await expect(kernelFeatures(contextOf({ options: { run } }))).rejects.toBe(error);
});

test('nothing is ever committed', async () => {
  const calls: string[] = [];
  const run: RunProgram = (program, args, input) => {
    calls.push(args.join(' '));
    return nft('v1.0.6')(program, args, input);
  };
  await kernelFeatures(contextOf({ options: { run } }));
  expect(new Set(calls)).toEqual(new Set(['--version', '-c -f -']));
});

test('how lifetimes are renewed is tried where no agent runs', async () => {
  let tried = 0;
  const options = { renewal: () => Promise.resolve(tried++ === 0 ? ('replace' as const) : ('update' as const)) };
  expect(await renewal(contextOf({ options }))).toMatchObject({
    status: 'ok',
    found: expect.stringMatching(/old kernel/) as string,
  });
  await renewal(contextOf({ options, files: { '/proc/net/unix': lockListing(1) } }));
  expect(tried).toBe(1);
});
