// Selected pods whose interface nobody told, as all are in mode node: policy knows them by their addresses, but each has a link-local one, too,
// that nobody knows.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { Lab } from '../../src/cli/demo/lab.ts';
import { bridgedLab, DESK } from '../support/attacker-bridge.ts';
import type { BridgedLab } from '../support/attacker-bridge.ts';
import { GRANTED, NODE_ADDRESSES } from '../support/attacker-lab.ts';
import { FLAG, ip, PROTOCOL, tcp } from '../support/attacker-packets.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';
import { Ends } from '../support/netns-ends.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
const PORT = 8080;
const [, , GLOBAL, LINK_LOCAL] = NODE_ADDRESSES;

describe.skipIf(!canUseKernel)('a selected pod without a known interface', () => {
  let lab: Lab;
  let node: Ends;
  let inPod: Ends;

  beforeAll(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    lab.configure({ policies: [POLICY] });
    const clients = lab.pods.map(({ spec, address }) => ({ ...spec, addresses: [address.v4, address.v6] }));
    writeFileSync(join(lab.folder, 'clients.yaml'), stringify({ clients }));
    node = new Ends(lab.nodeNamespace);
    inPod = new Ends(lab.pod('cart').address.namespace);
    await node.listen('tcp', { ip: '::', port: PORT });
    await inPod.listen('tcp', { ip: '::', port: PORT });
    // Without rules the way is open: what is closed below, they close.
    expect(await inPod.open('tcp', { ip: `${LINK_LOCAL}%eth0`, port: PORT })).toMatchObject({ outcome: 'connected' });
    await lab.startAgent();
  });
  afterAll(async () => {
    await Promise.all([node.close(), inPod.close()]);
    await lab.remove();
  });

  test('the links of pods are known, and the uplink of the node is none', async () => {
    const listing = await lab.onNode(['nft', 'list', 'set', 'inet', 'namewall', 'pod_links']);
    expect(listing).toContain('elements = { "veth-cart" }');
  });

  test('E10 reaches no port of the node from its link-local address', async () => {
    const opened = await inPod.open('tcp', { ip: `${LINK_LOCAL}%eth0`, port: PORT });
    expect(opened).toMatchObject({ outcome: 'silent' });
  });

  test('E10 what it opened from there before speaks no more', async () => {
    await inPod.speak(0);
    await inPod.open('tcp', { ip: `${LINK_LOCAL}%eth0`, port: PORT }); // silent: as long as an answer would take
    expect(await inPod.heard(0)).toEqual({ heard: 0 });
  });

  test('E10 reaches no port of the node from its own address', async () => {
    expect(await inPod.open('tcp', { ip: GLOBAL, port: PORT })).toMatchObject({ outcome: 'ECONNREFUSED' });
  });

  test('answers from its link-local address what the node opens', async () => {
    const cart = lab.pod('cart');
    const listing = await lab.onPod(cart, ['cat', '/proc/net/if_inet6']);
    const [hex = ''] = /^fe80[0-9a-f]{28}(?=.* eth0$)/m.exec(listing) ?? [];
    const own = `${hex.replaceAll(/(.{4})(?!$)/g, '$1:')}%${cart.address.interface}`;
    expect(await node.open('tcp', { ip: own, port: PORT })).toMatchObject({ outcome: 'connected' });
    // Nobody listens: an ICMP error, and not silence.
    expect(await node.open('tcp', { ip: own, port: PORT + 1 })).toMatchObject({ outcome: 'ECONNREFUSED' });
  });

  test('finds its gateway, and is found', async () => {
    const cart = lab.pod('cart');
    await lab.onPod(cart, ['ip', '-6', 'neigh', 'flush', 'dev', 'eth0']);
    await lab.onNode(['ip', '-6', 'neigh', 'flush', 'dev', cart.address.interface]);
    // Asks for the gateway from the address that the packet has, which gets no answer itself.
    await inPod.open('tcp', { ip: `${LINK_LOCAL}%eth0`, port: PORT });
    expect(await lab.onPod(cart, ['ip', '-6', 'neigh', 'show', LINK_LOCAL, 'dev', 'eth0'])).toContain('lladdr');
    expect(await cart.ask('n1.load.example.org', 'AAAA')).toMatchObject({ addresses: [GRANTED[6]] });
    expect(await cart.connect(GRANTED[6], 443)).toMatchObject({ outcome: 'connected' });
  });
});

describe.skipIf(!canUseKernel)('selected pods behind one bridge, at ports that nobody told', () => {
  let bridged: BridgedLab;

  beforeAll(async () => {
    bridged = await bridgedLab();
    const { lab } = bridged;
    const clients = lab.pods.map(({ spec, address }) => ({ ...spec, addresses: [address.v4, address.v6] }));
    writeFileSync(join(lab.folder, 'clients.yaml'), stringify({ clients }));
    const known = (): Promise<string> => lab.onNode(['nft', 'list', 'set', 'inet', 'namewall', 'pod_links']);
    await eventually(async () => expect(await known()).toContain('elements = { "br0" }'), 5_000);
  });
  afterAll(async () => {
    await bridged.attacker.end();
    await bridged.lab.remove();
  });

  test('E10 reach each other by no link-local address', async () => {
    const ends = { from: 'fe80::6661:6b65', to: DESK.link };
    const syn = ip(ends, PROTOCOL.tcp, tcp(ends, { source: 50_000, port: PORT }, FLAG.syn));
    const sent = (): Promise<void> => bridged.attacker.send([syn], { to: DESK.mac });
    expect(await bridged.witnesses.desk.count(`ip6 saddr ${ends.from} meta l4proto tcp`, sent)).toBe(0);
  });
});
