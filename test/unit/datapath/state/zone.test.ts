import { expect, test } from 'vitest';
import { NO_SERVER } from '../../../../src/datapath/state/upstream-servers.ts';
import { ServerHealth } from '../../../../src/datapath/state/server-health.ts';
import { Zone } from '../../../../src/datapath/state/zone.ts';

const ROOT = new Uint8Array(1);
const A = 4;
const B = 0;
const C = 7;

function fail(zone: Zone, server: number, times: number): void {
  for (let i = 0; i < times; i++) zone.failed(server);
}

test('first attempts go to the first server, the next attempt to the one after; after the last comes the first', () => {
  const zone = new Zone(ROOT, [A, B], new ServerHealth());
  expect([zone.preferred, zone.after(A), zone.after(B)]).toEqual([A, B, A]);
});

test('one server is all there is: first attempts stay with it', () => {
  const zone = new Zone(ROOT, [A], new ServerHealth());
  fail(zone, A, 9);
  expect([zone.preferred, zone.after(A)]).toEqual([A, A]);
});

test('without servers there is none to ask, first or next', () => {
  const zone = new Zone(ROOT, [], new ServerHealth());
  zone.failed(A);
  expect([zone.preferred, zone.after(A)]).toEqual([NO_SERVER, NO_SERVER]);
});

test('after a server that is none of the zone any more comes the preferred one', () => {
  const zone = new Zone(ROOT, [A, B], new ServerHealth());
  fail(zone, A, 3);
  expect(zone.after(C)).toBe(B);
});

test('first attempts move on when the server fails three times in a row, and not for one slow name', () => {
  const zone = new Zone(ROOT, [A, B], new ServerHealth());
  fail(zone, A, 2);
  zone.succeeded(A);
  fail(zone, A, 2);
  expect(zone.preferred).toBe(A);
  zone.failed(A);
  expect(zone.preferred).toBe(B);
});

test('what another server does neither moves first attempts nor keeps them', () => {
  const zone = new Zone(ROOT, [A, B], new ServerHealth());
  fail(zone, B, 9);
  expect(zone.preferred).toBe(A);
  fail(zone, A, 2);
  zone.succeeded(B);
  zone.failed(A);
  expect(zone.preferred).toBe(B);
});

test('after moving on, failures are counted anew, and a late one of the server before does not count', () => {
  const zone = new Zone(ROOT, [A, B], new ServerHealth());
  fail(zone, A, 6);
  fail(zone, B, 2);
  expect(zone.preferred).toBe(B);
  zone.failed(B);
  expect(zone.preferred).toBe(A);
});

test('first attempts stay with the server that they have moved to when the zone is replaced', () => {
  const before = new Zone(ROOT, [A, B], new ServerHealth());
  fail(before, A, 3);
  expect(new Zone(ROOT, [A, C, B], new ServerHealth(), before).preferred).toBe(B);
});

test('first attempts begin anew when the replaced zone has lost the server, with no failures', () => {
  const before = new Zone(ROOT, [A, B], new ServerHealth());
  fail(before, A, 2);
  const zone = new Zone(ROOT, [C, B], new ServerHealth(), before);
  expect(zone.preferred).toBe(C);
  fail(zone, C, 2);
  expect(zone.preferred).toBe(C);
});

test('failures in a row are counted over a replacement: endpoints may change more often than a dead server is asked', () => {
  const before = new Zone(ROOT, [A, B], new ServerHealth());
  fail(before, A, 2);
  const zone = new Zone(ROOT, [A, C], new ServerHealth(), before);
  zone.failed(A);
  expect(zone.preferred).toBe(C);
});
