import { expect, test } from 'vitest';
import { foreignSockets } from '../../../../src/agent/doctor/foreign-sockets.ts';
import { contextOf, lockListing, processFiles, socketLine, UDP_HEADER } from './context.ts';

const dnsServers = ['10.96.0.10'];
/** 10.96.0.10:53 */
const OURS = '0A00600A:0035';
const EVERY = '00000000:0035';
const AGENT = {
  '/proc/net/unix': lockListing(1),
  ...processFiles(7, 'node src/main.ts run', 1, 100),
};

async function look(files: Record<string, string>, options = {}) {
  return foreignSockets(contextOf({ files, options: { dnsServers, ...options } }));
}

test.each([
  ['nobody listens', '', 'ok'],
  ["the agent's own", socketLine(OURS, 100), 'ok'],
  ['another process on the same address', socketLine(OURS, 100) + socketLine(OURS, 200), 'fail'],
  ['on every address', socketLine(OURS, 100) + socketLine(EVERY, 200), 'warn'],
  ['on another address', socketLine('0100007F:0035', 200), 'ok'],
  ['on another port', socketLine('0A00600A:1535', 200), 'ok'],
  ['a connection of its own to somewhere', socketLine(OURS, 200, '01'), 'ok'],
])('%s', async (_why, lines, status) => {
  const files = { ...AGENT, ...processFiles(9, '/usr/sbin/dnsmasq -k', 200), '/proc/net/udp': UDP_HEADER + lines };
  expect((await look(files)).status).toBe(status);
});

test('it is named, and how it is stopped', async () => {
  const files = {
    ...AGENT,
    ...processFiles(9, 'dnsmasq -k', 200),
    '/proc/net/udp': UDP_HEADER + socketLine(OURS, 200),
  };
  expect(await look(files)).toMatchObject({
    found: 'process 9 ("dnsmasq -k") listens on 10.96.0.10:53/udp',
    mend: 'kill 9',
  });
});

test('TCP and IPv6, too', async () => {
  const files = {
    ...processFiles(9, 'unbound', 200),
    '/proc/net/tcp6': UDP_HEADER + socketLine('000000FD' + '00000000'.repeat(2) + 'A0000000:0035', 200, '0A'),
  };
  const { found } = await look(files, { dnsServers: ['fd00::a0'] });
  expect(found).toBe('process 9 ("unbound") listens on [fd00::a0]:53/tcp');
});

test('where no owner can be seen, the second of two sockets is another’s', async () => {
  const one = { '/proc/net/unix': lockListing(1), '/proc/net/udp': UDP_HEADER + socketLine(OURS, 100) };
  expect((await look(one)).status).toBe('ok');
  const two = { ...one, '/proc/net/udp': one['/proc/net/udp'] + socketLine(OURS, 200) };
  expect((await look(two)).status).toBe('fail');
});

test('in the agent itself its own sockets are ours without a lock', async () => {
  const files = { ...processFiles(7, 'node', 100), '/proc/net/udp': UDP_HEADER + socketLine(OURS, 100) };
  expect((await look(files, { ownPid: 7 })).status).toBe('ok');
  expect((await look(files)).status).toBe('fail');
});

test('NodeLocal DNSCache is called by its name', async () => {
  const files = {
    ...processFiles(9, '/node-cache -localip', 200),
    '/proc/net/udp': UDP_HEADER + socketLine(OURS, 200),
  };
  expect((await look(files)).found).toMatch('NodeLocal DNSCache');
});

test('servers that no configuration names are those that the kernel routes to us', async () => {
  const files = { ...processFiles(9, 'dnsmasq', 200), '/proc/net/udp': UDP_HEADER + socketLine(OURS, 200) };
  const prints = { 'ip -j -4 route show table 5310': '[{"type":"local","dst":"10.96.0.10","dev":"lo"}]' };
  expect((await foreignSockets(contextOf({ files, prints }))).status).toBe('fail');
});
