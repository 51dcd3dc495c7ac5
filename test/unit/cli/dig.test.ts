import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControlSocket, controlPath } from '../../../src/agent/control-socket.ts';
import type { DigReply, DigRequest } from '../../../src/agent/digger.ts';
import { run } from '../../../src/cli/dig.ts';
import { parseQuery, Query, QUERY } from '../../../src/dns/query.ts';
import { formatName } from '../../../src/dns/name.ts';
import { denied, failed, NAME, reply, report } from './dig/report.ts';

let folder = '';
let socket: ControlSocket | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'namewall-dig-'));
});
afterEach(() => {
  socket?.close();
  rmSync(folder, { recursive: true });
});

/** An agent that answers this; what it was asked. */
async function agent(answer: DigReply = { ok: true, report: report() }): Promise<DigRequest[]> {
  const requests: DigRequest[] = [];
  socket = await ControlSocket.open(controlPath(folder), (request) => {
    requests.push(request as DigRequest); // the command sends nothing else
    return Promise.resolve(answer);
  });
  return requests;
}

async function said(...argv: string[]) {
  let out = '';
  let err = '';
  const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text) };
  const code = await run([...argv, '--state', folder], io);
  return { code, out, err };
}

/** What a pod's query with these bytes means to the data plane. */
function read({ query }: DigRequest): string {
  const bytes = new Uint8Array(Buffer.from(query, 'base64'));
  const found = new Query();
  expect(parseQuery(bytes, 0, bytes.length, found)).toBe(QUERY.Ok);
  expect([found.hasOpt, found.recursionDesired, found.payloadBytes, found.qclass]).toEqual([true, true, 1_232, 1]);
  const flags = [found.dnssecOk ? ' do' : '', found.checkingDisabled ? ' cd' : '', found.authenticData ? ' ad' : ''];
  return `${formatName(found.qname)} ${found.qtype}${flags.join('')}`;
}

const V6 = '8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa';

test.each([
  ['a name, its address', ['shop/cart', NAME], 'shop/cart', `${NAME} 1 ad`],
  ['a last dot and capitals', ['shop/cart', 'API.example.org.'], 'shop/cart', 'API.example.org 1 ad'],
  ['the root', ['shop/cart', '.', 'NS'], 'shop/cart', '. 2 ad'],
  ['a type in small letters', ['shop/cart', NAME, 'aaaa'], 'shop/cart', `${NAME} 28 ad`],
  ['a type by its number', ['shop/cart', NAME, 'TYPE65280'], 'shop/cart', `${NAME} 65280 ad`],
  ['a pod by its address', ['2001:db8::7', NAME], '2001:db8::7', `${NAME} 1 ad`],
  ['DNSSEC records', ['--dnssec', 'shop/cart', NAME], 'shop/cart', `${NAME} 1 do ad`],
  ['checking disabled', ['shop/cart', NAME, '--cd'], 'shop/cart', `${NAME} 1 cd ad`],
  ['bytes that are no letters', ['shop/cart', 'a\\000\\046b.org'], 'shop/cart', 'a\\000\\046b.org 1 ad'],
  ['the name of an address', ['shop/cart', '-x', '192.0.2.8'], 'shop/cart', '8.2.0.192.in-addr.arpa 12 ad'],
  ['the name of an IPv6 address', ['shop/cart', '-x', '2001:db8::8'], 'shop/cart', `${V6} 12 ad`],
])('asks the agent for %s', async (_why, argv, pod, question) => {
  const requests = await agent();
  expect(await said(...argv)).toMatchObject({ err: '' });
  expect(requests).toMatchObject([{ kind: 'dig', pod }]);
  expect(requests.map(read)).toEqual([question]);
});

test.each([
  ['answered', report(), 0],
  ['denied', denied(), 1],
  ['without records', report({ reply: reply([]) }), 1],
  ['failed', failed('upstream-timeout'), 1],
])('the exit code of what is %s', async (result, told, code) => {
  await agent({ ok: true, report: told });
  const { out, ...rest } = await said('shop/cart', NAME);
  expect(rest).toEqual({ code, err: '' });
  if (result !== 'without records') expect(out).toMatch(new RegExp(`^result {6}${result}: `, 'm'));
});

test('as JSON: one object on one line', async () => {
  await agent({ ok: true, report: denied() });
  const { code, out } = await said('-o', 'json', 'shop/cart', NAME);
  expect([code, out.indexOf('\n')]).toEqual([1, out.length - 1]);
  expect(JSON.parse(out)).toMatchObject({ result: 'denied', asked: { name: NAME }, matched: { verdict: 'denied' } });
});

test('what the agent says no to is an error, and nothing was asked', async () => {
  await agent({ ok: false, error: 'Cannot find a client shop/carts on this node' });
  const err = 'namewall dig: Cannot find a client shop/carts on this node\n';
  expect(await said('shop/carts', NAME)).toEqual({ code: 2, out: '', err });
});

test('without an agent it says where it looked', async () => {
  const { code, out, err } = await said('shop/cart', NAME);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(`no answer from ${controlPath(folder)}: connect ENOENT`);
  expect(err).toContain('no agent runs in this network namespace, or its "state" is "off" or another folder');
});

test('an agent that cuts the connection', async () => {
  await agent();
  socket?.close();
  socket = await ControlSocket.open(controlPath(folder), async () => {
    socket?.close();
    return Promise.resolve({});
  });
  const { code, err } = await said('shop/cart', NAME);
  expect(code).toBe(2);
  expect(err).toMatch(/^no answer from .*\nthe agent is starting, stopping or overloaded/);
});

test.each([
  ['nothing', [], 'POD is'],
  ['a pod without its namespace', ['cart', NAME], 'POD is NAMESPACE/NAME or an address, not "cart"'],
  ['a pod of three parts', ['a/b/c', NAME], 'POD is'],
  ['no name', ['shop/cart'], 'write a name'],
  ['an empty label', ['shop/cart', 'a..b'], '"a..b" is no name'],
  ['letters outside ASCII', ['shop/cart', 'bücher.example'], 'xn--'],
  ['a type that there is not', ['shop/cart', NAME, 'AAAAA'], '"AAAAA" is no type'],
  ['a word too many', ['shop/cart', NAME, 'A', 'IN'], '"IN" is too many'],
  ['-x beside a name', ['shop/cart', NAME, '-x', '192.0.2.8'], '-x stands alone'],
  ['-x without an address', ['shop/cart', '-x', NAME], 'is no address'],
  ['an unknown option', ['shop/cart', NAME, '--tcp'], '--tcp'],
  ['another output', ['shop/cart', NAME, '-o', 'yaml'], 'output is'],
])('wrong usage: %s', async (_why, argv, message) => {
  const requests = await agent();
  const { code, out, err } = await said(...argv);
  expect([code, out, requests]).toEqual([2, '', []]);
  expect(err).toMatch(/^namewall dig: .*; see namewall dig --help\n$/s);
  expect(err).toContain(message);
});

test('--help tells of every option, and that it is no rehearsal', async () => {
  const { code, out } = await said('--help');
  expect([code, out.startsWith('Usage: namewall dig')]).toEqual([0, true]);
  for (const word of ['-x', '--dnssec', '--cd', '--output', '--state', 'Exit codes', 'no rehearsal']) {
    expect(out).toContain(word);
  }
});
