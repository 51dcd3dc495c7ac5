import { expect, test } from 'vitest';
import { oneAgent, readiness, table } from '../../../../src/agent/doctor/agents.ts';
import type { HealthStatus } from '../../../../src/agent/health.ts';
import { contextOf, lockListing, processFiles, socketLine, UDP_HEADER } from './context.ts';

const LOCK = { '/proc/net/unix': lockListing(1), ...processFiles(7, 'node src/main.ts run', 1, 100) };
const SERVES = { '/proc/net/udp': UDP_HEADER + socketLine('0A00600A:0035', 100) };
const OTHER = { '/proc/net/udp': UDP_HEADER + socketLine('0A00600A:0035', 200) };
const TABLE = `table inet namewall {
	chain intercept {
		type filter hook prerouting priority raw - 10; policy accept;
	}

	chain egress {
		type filter hook forward priority filter; policy accept;
	}
}`;
const STATUS: HealthStatus = { live: true, ready: true, reasons: [], warnings: [] };

test.each([
  ['nobody holds the lock', {}, {}, 'ok'],
  ['who holds it serves', { ...LOCK, ...SERVES }, {}, 'ok'],
  ['who holds it does not serve', LOCK, {}, 'fail'],
  [
    'who holds it does not serve, and another does',
    { ...LOCK, ...processFiles(9, 'dnsmasq', 200), ...OTHER },
    {},
    'fail',
  ],
  [
    'a connection to it is none',
    { ...LOCK, '/proc/net/unix': lockListing(1).replace('00010000', '00000000') },
    {},
    'ok',
  ],
  ['who holds it cannot be seen', { '/proc/net/unix': lockListing(1) }, {}, 'ok'],
  ['an agent that holds it itself', LOCK, { ownPid: 7 }, 'ok'],
  ['an agent whose lock another has', LOCK, { ownPid: 8 }, 'fail'],
])('one agent: %s', async (_why, files: Record<string, string>, options, status) => {
  expect((await oneAgent(contextOf({ files, options: { dnsServers: ['10.96.0.10'], ...options } }))).status).toBe(
    status,
  );
});

test.each([
  ['neither table nor agent', '', {}, 'ok'],
  ['both', TABLE, LOCK, 'ok'],
  ['a table without an agent', TABLE, {}, 'warn'],
  ['an agent without a table', '', LOCK, 'fail'],
  ['a table whose chains are gone', 'table inet namewall {\n}', LOCK, 'fail'],
  ['a table without its forward chain', TABLE.replace('hook forward', 'hook output'), LOCK, 'fail'],
  ['a table that belongs to another process', TABLE.replace('{\n', '{ # progname nft\n\tflags owner\n'), {}, 'fail'],
])('the table: %s', async (_why, ruleset, files: Record<string, string>, status) => {
  expect((await table(contextOf({ ruleset, files }))).status).toBe(status);
});

test.each([
  ['ready', () => Promise.resolve(STATUS), 'ok', 'ready'],
  [
    'not ready',
    () => Promise.resolve({ ...STATUS, ready: false, reasons: ['starting'] as const }),
    'fail',
    'not ready: starting',
  ],
  ['a warning', () => Promise.resolve({ ...STATUS, warnings: ['stale'] }), 'warn', 'stale'],
  ['no answer', () => Promise.reject(new Error('ENOENT')), 'warn', 'the agent does not answer: Error: ENOENT'],
])('what the agent says: %s', async (_why, health, status, found) => {
  expect(await readiness(contextOf({ files: LOCK, options: { health } }))).toMatchObject({ status, found });
});

test('without an agent nobody is asked', async () => {
  const health = () => Promise.reject(new Error('asked'));
  expect((await readiness(contextOf({ options: { health } }))).status).toBe('ok');
});
