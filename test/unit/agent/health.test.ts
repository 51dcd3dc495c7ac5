import { expect, test } from 'vitest';
import { Health } from '../../../src/agent/health.ts';
import { recordedLog } from './recorded-log.ts';

/** A Health that has started, and its clock. */
function started() {
  const clock = { ms: 0, turns: 0 };
  const { log, lines } = recordedLog();
  const health = new Health(() => clock.ms, log);
  health.watch(() => clock.turns);
  health.clear('starting');
  return { clock, health, lines };
}

test('until the start is complete it lives and is not ready, however long that takes', () => {
  const clock = { ms: 0 };
  const health = new Health(() => clock.ms, recordedLog().log);
  clock.ms = 3_600_000;
  expect(health.status()).toEqual({ live: true, ready: false, reasons: ['starting'], warnings: [] });
});

test('ready: no reason is left', () => {
  const { health } = started();
  expect(health.status()).toEqual({ live: true, ready: true, reasons: [], warnings: [] });
  health.hold('no DNS server known');
  health.hold('table deleted');
  expect(health.status()).toMatchObject({
    live: true,
    ready: false,
    reasons: ['no DNS server known', 'table deleted'],
  });
  health.clear('no DNS server known');
  expect(health.status().ready).toBe(false);
  health.clear('table deleted');
  expect(health.status().ready).toBe(true);
});

test('a warning keeps nobody from being ready, and is as new as the probe', () => {
  const { health } = started();
  let isStale = true;
  health.warnOf(() => (isStale ? ['the API server does not answer'] : []));
  expect(health.status()).toMatchObject({ ready: true, warnings: ['the API server does not answer'] });
  isStale = false;
  expect(health.status().warnings).toEqual([]);
});

test('a loop that turned within ten seconds lives', () => {
  const { clock, health } = started();
  for (let i = 1; i <= 5; i++) {
    clock.ms = i * 9_999;
    clock.turns = i;
    expect(health.status().live).toBe(true);
  }
  clock.ms += 9_999;
  expect(health.status().live).toBe(true);
});

test('a loop that has not turned for ten seconds hangs: neither live nor ready, until it turns again', () => {
  const { clock, health } = started();
  clock.ms = 10_000;
  expect(health.status()).toMatchObject({ live: false, ready: false, reasons: ['the data plane hangs'] });
  clock.turns++;
  expect(health.status()).toMatchObject({ live: true, ready: true });
});

test('a hang is known at the first probe, since somebody looks between probes', () => {
  const { clock, health } = started();
  clock.turns = 7; // the last turns, before the first look
  for (clock.ms = 1_000; clock.ms <= 11_000; clock.ms += 1_000) health.look();
  expect(health.status().live).toBe(false);
});

test('readiness is logged when it changes, with its reasons', () => {
  const { health, lines } = started();
  health.tell();
  health.tell();
  health.hold('table deleted');
  health.tell();
  health.hold('last change was refused by the kernel');
  health.tell();
  health.clear('table deleted');
  health.clear('last change was refused by the kernel');
  health.tell();
  expect(lines).toEqual([
    'info ready',
    'warn not ready: table deleted',
    'warn not ready: table deleted, last change was refused by the kernel',
    'info ready',
  ]);
});
