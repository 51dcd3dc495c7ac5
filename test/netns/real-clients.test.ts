// Clients that others wrote, each in a pod of its own: what they resolve through namewall they can connect to at once, and a denied name is one
// that does not exist.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';
import { CLUSTER_DNS } from '../../src/cli/demo/topology.ts';
import { EDNS_DO } from '../../src/dns/codes.ts';
import { canUseKernel } from '../support/kernel.ts';
import { PodFiles } from '../support/pod-files.ts';
import {
  C_ARES,
  compileMusl,
  DIG,
  DRILL,
  GETENT,
  KDIG,
  resolve,
  withArguments,
} from '../support/real-clients/clients.ts';
import type { Client } from '../support/real-clients/clients.ts';
import { Asker } from '../support/respdiff/ask.ts';
import { readReply } from '../support/respdiff/reply.ts';
import { message, opt, question } from '../unit/dns/message.ts';

const NAME = 'n1.load.example.org';
const DENIED = 'exfil.example.net';
const ADDRESSES = ['11.0.0.1', '2001:db8:1000::1'] as const;
const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;

interface Row {
  readonly what: string;
  readonly pod: string;
  /** `musl` is compiled first. */
  readonly client: Client | 'musl';
  /** Default: all. */
  readonly finds?: readonly string[];
}

const [V4] = ADDRESSES;
const CLIENTS: readonly Row[] = [
  { what: 'kdig', pod: 'kdig', client: KDIG },
  {
    what: 'kdig with DNSSEC, padding, NSID',
    pod: 'kdigmore',
    client: withArguments(KDIG, '+dnssec', '+padding', '+nsid'),
  },
  { what: 'dig, which sends a cookie', pod: 'dig', client: DIG },
  {
    what: 'dig with DNSSEC, a large size and a client subnet',
    pod: 'digmore',
    client: withArguments(DIG, '+dnssec', '+bufsize=4096', '+subnet=198.51.100.0/24'),
  },
  { what: 'dig without EDNS', pod: 'digold', client: withArguments(DIG, '+noedns', '+noad') },
  { what: 'drill', pod: 'drill', client: DRILL, finds: [V4] },
  { what: 'drill with DNSSEC', pod: 'drillds', client: withArguments(DRILL, '-D'), finds: [V4] },
  { what: 'glibc, by getent', pod: 'glibc', client: GETENT },
  { what: 'musl', pod: 'musl', client: 'musl' },
  { what: 'c-ares, by Node.js', pod: 'cares', client: C_ARES },
];
const OVER_TCP: readonly Row[] = [
  { what: 'kdig over TCP', pod: 'kdigtcp', client: withArguments(KDIG, '+tcp') },
  { what: 'dig over TCP', pod: 'digtcp', client: withArguments(DIG, '+tcp') },
  { what: 'drill over TCP', pod: 'drilltcp', client: withArguments(DRILL, '-t'), finds: [V4] },
];
const ALL = [...CLIENTS, ...OVER_TCP];
const TRANSPORTS = ['udp', 'tcp'] as const;

describe.skipIf(!canUseKernel)('a client of others', () => {
  let lab: Lab;
  let musl: Client;
  let files: PodFiles;

  beforeAll(async () => {
    const pods = [...ALL.map(({ pod }) => pod), ...TRANSPORTS.map((transport) => `stub${transport}`)];
    lab = await Lab.build(pods.map((name) => ({ name, namespace: 'shop', labels: { app: 'shop' } })));
    files = new PodFiles();
    for (const { address } of lab.pods) files.write(address.namespace, [`nameserver ${CLUSTER_DNS.v4}`]);
    await lab.world.publish(DENIED, { A: ['198.51.100.9'], AAAA: ['2001:db8:100::9'], ttlSeconds: 60 });
    lab.configure({ policies: [POLICY] });
    await lab.startAgent();
    musl = await compileMusl(lab.folder);
  });

  afterAll(async () => {
    files.remove();
    await lab.remove();
  });

  test.each(ALL)(
    '$what: an allowed name opens its addresses, a denied one does not exist',
    async ({ pod: name, client, finds = ADDRESSES }) => {
      const pod = lab.pod(name);
      const program = client === 'musl' ? musl : client;
      for (const address of finds) expect(await pod.connect(address, 443)).toMatchObject({ outcome: 'rejected' });

      const found = await resolve(pod.address.namespace, program, NAME);
      expect(found).toMatchObject({ code: 0 });
      expect(found.addresses.toSorted()).toEqual(finds);
      for (const address of found.addresses) {
        expect(await pod.connect(address, 443)).toMatchObject({ outcome: 'connected' });
      }

      const denied = await resolve(pod.address.namespace, program, DENIED);
      expect(denied.addresses).toEqual([]);
      expect(denied.output).toMatch(program.notFound);
      expect(await lab.world.asked(DENIED)).toBe(0);
    },
  );

  test.each(TRANSPORTS)(
    'a stub that mixes case and sets DO, over %s, as systemd-resolved and others do: the case comes back',
    async (transport) => {
      const pod = lab.pod(`stub${transport}`);
      const asker = new Asker(pod.address.namespace);
      const bytes = message({
        questions: [question('N1.lOaD.eXaMpLe.oRG')],
        additional: [opt([], { ttl: EDNS_DO, payload: 65_494 })],
      });
      const [reply] = await asker.askInTurn(CLUSTER_DNS.v4, [{ words: [], transport, message: bytes }]);
      await asker.end();
      const read = readReply(reply ?? expect.fail('no reply'));
      expect(read).toMatchObject({ rcode: 'NOERROR', opt: { version: 0, flags: EDNS_DO, options: [] } });
      expect(read.question).toBe(
        Buffer.from('\x02N1\x04lOaD\x07eXaMpLe\x03oRG\0\0\x01\0\x01', 'latin1').toString('hex'),
      );
      expect(read.sections.answer.map(({ type }) => type)).toEqual(['A']);
      expect(await pod.connect('11.0.0.1', 443)).toMatchObject({ outcome: 'connected' });
    },
  );
});
