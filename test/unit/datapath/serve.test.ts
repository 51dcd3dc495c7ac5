import { expect, test } from 'vitest';
import { AUDIT_FIELD, AUDIT_FLAG, AUDIT_KIND, AUDIT_REASON } from '../../../src/bridge/audit-record.ts';
import { AuditRing } from '../../../src/bridge/audit-ring.ts';
import { Control } from '../../../src/bridge/control.ts';
import { COUNT, Counters } from '../../../src/bridge/counters.ts';
import type { Snapshot } from '../../../src/bridge/snapshot.ts';
import { Loop } from '../../../src/datapath/loop.ts';
import type { DatapathSettings } from '../../../src/datapath/settings.ts';
import { RCODE } from '../../../src/dns/codes.ts';
import { a, message, question, response } from '../dns/message.ts';
import { endpoint, SERVER, SETTINGS, simulate, snapshot, TABLE, UPSTREAM } from './plane-with-pods.ts';

const AUDITED = '10.0.1.7';
const ENFORCED = '10.0.1.8';
const DENIED_NAME = 'api.example.com';
const GRANTED_NAME = 'api.example.org';
const PUBLIC = [192, 0, 2, 1];
const METADATA = [169, 254, 169, 254];

/** Two pods that may reach `pattern`; the first is in audit mode. */
function audited(generation = 1, pattern = '*.example.org'): Snapshot {
  const plain = snapshot(generation, pattern);
  return { ...plain, pods: plain.pods.map((pod) => (pod.id === 1 ? { ...pod, isAudited: true } : pod)) };
}

function setUp(changes: Partial<DatapathSettings> = {}) {
  const { sys, committer, sent, granted } = simulate();
  const counters = new Counters();
  const ring = new AuditRing(new SharedArrayBuffer(64 + (1 << 16)));
  const parts = { control: new Control(), counters, ring, channel: committer.channel };
  const loop = new Loop(sys, { ...SETTINGS, ...changes }, parts, {
    onWake: () => undefined,
    onOpen: () => undefined,
    onKernelTouched: () => undefined,
    onKernelDamage: () => undefined,
    onInternalError: (error) => expect.fail(String(error)),
  });
  loop.adopt(audited());
  const run = (): void => {
    do {
      loop.turn();
      committer.work();
    } while (sys.hasReady());
  };
  let asked = 0;
  const ask = (pod: string, name: string): void => {
    const id = ++asked;
    sys.network.deliver(endpoint(pod, 40_000 + id), SERVER, message({ id, questions: [question(name)] }));
    run();
  };
  /** Answers the question that was sent upstream last. */
  const upstream = (name: string, ...addresses: readonly (readonly number[])[]): void => {
    const out = sent.at(-1) ?? expect.fail('nothing was asked');
    const id = Buffer.from(out.bytes).readUInt16BE(0);
    const answers = addresses.map((bytes) => a(name, [...bytes]));
    const answer = response({ id, questions: [question(name)], answers });
    sys.network.deliver(UPSTREAM, { address: UPSTREAM.address, port: out.from.port }, answer);
    run();
  };
  /** The last reply to a pod, as `RCODE RECORDS`. */
  const reply = (): string => {
    const { bytes } = sent.findLast(({ from }) => from.port === SERVER.port) ?? expect.fail('no reply');
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return `${Object.entries(RCODE).find(([, code]) => code === (view.getUint16(2) & 15))?.[0]} ${view.getUint16(6)}`;
  };
  /** Kind, reason, rule (but for the first) and flag of each record since the last call. */
  const records = (): string[] => {
    const said: string[] = [];
    ring.drain((at) => {
      const byte = (field: keyof typeof AUDIT_FIELD): number => ring.view.getUint8(at + AUDIT_FIELD[field]);
      const kind = Object.entries(AUDIT_KIND).find(([, code]) => code === byte('kind'))?.[0];
      const flag = (byte('flags') & AUDIT_FLAG.WouldDeny) === 0 ? '' : ' would deny';
      const rule = ring.view.getInt32(at + AUDIT_FIELD.rule, true);
      said.push(`${kind} ${AUDIT_REASON[byte('reason')]}${rule > 0 ? ` by ${rule}` : ''}${flag}`);
    }, Infinity);
    return said;
  };
  const count = (word: keyof typeof COUNT): number => counters.words[COUNT[word]] ?? 0;
  return { sys, loop, ask, upstream, reply, records, granted, count };
}

test('a denied name of a pod in audit mode is answered, said and counted; another pod is denied', () => {
  const { ask, upstream, reply, records, granted, count } = setUp();
  ask(AUDITED, DENIED_NAME);
  upstream(DENIED_NAME, PUBLIC);
  expect([reply(), records(), granted()]).toEqual(['NoError 1', ['Allowed none would deny'], []]);
  ask(AUDITED, DENIED_NAME);
  expect([reply(), records()]).toEqual(['NoError 1', ['Allowed none would deny']]);
  ask(ENFORCED, DENIED_NAME);
  expect([reply(), records()]).toEqual(['NXDomain 0', ['Denied no-rule']]);
  expect([count('queries_would_deny'), count('queries_denied')]).toEqual([2, 1]);
});

test('what policy allows is granted as ever', () => {
  const { ask, upstream, reply, records, granted } = setUp();
  ask(AUDITED, GRANTED_NAME);
  upstream(GRANTED_NAME, PUBLIC);
  expect([reply(), records(), granted()]).toEqual([
    'NoError 1',
    ['Grant none', 'Allowed none'],
    [`${AUDITED} 192.0.2.1`],
  ]);
});

test('a denied name is remembered, so that a policy which allows it finds what was looked up', () => {
  const { loop, ask, upstream, granted } = setUp();
  ask(AUDITED, DENIED_NAME);
  upstream(DENIED_NAME, PUBLIC);
  loop.adopt(snapshot(2, '*.example.com'));
  expect(granted()).toEqual([`${AUDITED} 192.0.2.1`]);
});

test('the pod is judged by what holds when the answer comes', () => {
  const { loop, ask, upstream, reply, records } = setUp();
  ask(AUDITED, DENIED_NAME);
  loop.adopt(snapshot(2));
  upstream(DENIED_NAME, PUBLIC);
  expect([reply(), records()]).toEqual(['NXDomain 0', ['Denied no-rule']]);
});

test('a granted name is answered even when the kernel refuses the grant', () => {
  const { sys, ask, upstream, reply, records } = setUp();
  sys.nftables.deleteTable(TABLE);
  ask(AUDITED, GRANTED_NAME);
  upstream(GRANTED_NAME, PUBLIC);
  expect([reply(), records()]).toEqual(['NoError 1', ['Allowed kernel-refused would deny']]);
  ask(ENFORCED, GRANTED_NAME);
  expect([reply(), records()]).toEqual(['ServFail 0', ['Failed kernel-refused']]);
});

test('a protected address of a granted name is shown', () => {
  const { ask, upstream, reply, records } = setUp();
  ask(AUDITED, GRANTED_NAME);
  upstream(GRANTED_NAME, METADATA);
  expect([reply(), records()]).toEqual(['NoError 1', ['Allowed protected-address would deny']]);
  ask(ENFORCED, GRANTED_NAME);
  expect([reply(), records()]).toEqual(['NoError 0', ['Allowed protected-address']]);
});

test('so is one of a pod that only policies that audit isolate, and they are named; who may not ask is denied all the same', () => {
  const { loop, ask, upstream, reply, records } = setUp();
  const plain = snapshot(2);
  const toldBy = { udp: 7, tcp: 7 };
  const programs = plain.programs.map((program) => ({ ...program, isAudited: true, toldBy }));
  loop.adopt({ ...plain, programs });
  ask(ENFORCED, GRANTED_NAME);
  upstream(GRANTED_NAME, METADATA);
  expect([reply(), records()]).toEqual(['NoError 1', ['Allowed protected-address would deny']]);
  ask(ENFORCED, DENIED_NAME);
  expect([reply(), records()]).toEqual(['NXDomain 0', ['Denied no-rule']]);
  loop.adopt({
    ...plain,
    generation: 3,
    programs: programs.map((program) => ({ ...program, unlisted: { udp: 'would-deny', tcp: 'would-deny' } })),
  });
  ask(ENFORCED, DENIED_NAME);
  upstream(DENIED_NAME, PUBLIC);
  expect([reply(), records()]).toEqual(['NoError 1', ['Allowed none by 7 would deny']]);
});

test('more addresses of a granted name than an answer may have are shown', () => {
  const { ask, upstream, reply, records, granted, count } = setUp({ maxAddresses: 2 });
  ask(AUDITED, GRANTED_NAME);
  upstream(GRANTED_NAME, PUBLIC, [192, 0, 2, 2], [192, 0, 2, 3]);
  expect([reply(), records()]).toEqual(['NoError 3', ['Grant none', 'Allowed address-cap would deny']]);
  ask(ENFORCED, GRANTED_NAME);
  expect([reply(), records()]).toEqual(['NoError 2', ['Grant none', 'Allowed none']]);
  expect([granted().length, count('answers_capped')]).toEqual([4, 1]);
});
