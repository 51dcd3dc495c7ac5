// Search domains as a kubelet writes them: with ndots:5 an external name is asked under three suffixes first. Those names are denied, and what the
// denial says decides whether the client goes on to the name itself.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import type { DnsEvent } from '../../src/audit/event.ts';
import { CLUSTER_DNS } from '../../src/cli/demo/topology.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';
import { PodFiles } from '../support/pod-files.ts';
import { compileMusl, GETENT, resolve } from '../support/real-clients/clients.ts';
import type { Client, Outcome } from '../support/real-clients/clients.ts';

const NAME = 'n1.load.example.org';
const ADDRESSES = ['11.0.0.1', '2001:db8:1000::1'];
const SUFFIXES = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];
const RESOLV_CONF = [`search ${SUFFIXES.join(' ')}`, `nameserver ${CLUSTER_DNS.v4}`, 'options ndots:5'];
const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const CLIENTS = ['glibc', 'musl'] as const;

describe.skipIf(!canUseKernel)('with search domains and ndots:5', () => {
  describe('when denied names do not exist, which is the default', () => {
    const lab = useLab({});

    test.each(CLIENTS)('%s finds the allowed name behind the denied ones, and connects', async (libc) => {
      const found = await lab.resolve(libc);
      expect(found).toMatchObject({ code: 0 });
      expect(found.addresses.toSorted()).toEqual(ADDRESSES);
      await lab.expectDenied(libc, SUFFIXES);
      await lab.expectConnected(libc);
    });
  });

  // Why it is the default: musl takes every rcode but NXDOMAIN for a failing server, and gives up (name_from_dns_search in lookup_name.c).
  describe('when denied names are refused', () => {
    const lab = useLab({ denied: 'refused' });

    test('glibc leaves the search list, asks the name itself, and connects', async () => {
      expect((await lab.resolve('glibc')).addresses.toSorted()).toEqual(ADDRESSES);
      await lab.expectDenied('glibc', SUFFIXES.slice(0, 1));
      await lab.expectConnected('glibc');
    });

    test('musl ends at the first suffix, without an address', async () => {
      const found = await lab.resolve('musl');
      expect(found).toMatchObject({ code: 1, addresses: [] });
      expect(found.output).toMatch(/^Try again$/m);
      await lab.expectDenied('musl', SUFFIXES.slice(0, 1));
      for (const address of ADDRESSES) {
        expect(await lab.pod('musl').connect(address, 443)).toMatchObject({ outcome: 'rejected' });
      }
    });
  });
});

/** A lab with a pod for each libc. */
function useLab(dns: { readonly denied?: string }) {
  let lab: Lab;
  let files: PodFiles;
  let musl: Client;

  beforeAll(async () => {
    lab = await Lab.build(CLIENTS.map((name) => ({ name, namespace: 'shop', labels: { app: 'shop' } })));
    files = new PodFiles();
    for (const { address } of lab.pods) files.write(address.namespace, RESOLV_CONF);
    lab.configure({ policies: [POLICY], overrides: { dns } });
    await lab.startAgent();
    musl = await compileMusl(lab.folder);
  });

  afterAll(async () => {
    files.remove();
    await lab.remove();
  });

  return {
    pod: (libc: (typeof CLIENTS)[number]) => lab.pod(libc),

    resolve: (libc: (typeof CLIENTS)[number]): Promise<Outcome> =>
      resolve(lab.pod(libc).address.namespace, libc === 'musl' ? musl : GETENT, NAME),

    /** The pod was denied the name under these suffixes, and nothing else. */
    expectDenied: (libc: string, suffixes: readonly string[]): Promise<void> =>
      eventually(() => {
        const lines = readFileSync(join(lab.folder, 'audit.jsonl'), 'utf8').split('\n').filter(Boolean);
        const events = lines.map((line) => JSON.parse(line) as DnsEvent); // the agent wrote one object a line
        const denied = events.filter(({ event, pod }) => event === 'dns.denied' && pod?.name === libc);
        expect(new Set(denied.map(({ qname }) => qname))).toEqual(
          new Set(suffixes.map((suffix) => `${NAME}.${suffix}`)),
        );
        expect(new Set(denied.map(({ qtype }) => qtype))).toEqual(new Set(['A', 'AAAA']));
      }, 2_000),

    expectConnected: async (libc: (typeof CLIENTS)[number]): Promise<void> => {
      for (const address of ADDRESSES) {
        expect(await lab.pod(libc).connect(address, 443)).toMatchObject({ outcome: 'connected' });
      }
    },
  };
}
