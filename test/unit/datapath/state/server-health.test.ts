import { describe, expect, test } from 'vitest';
import { ServerHealth } from '../../../../src/datapath/state/server-health.ts';

const A = 0;
const B = 255;

/** Attempts of `sentMs` that are not answered, at `nowMs`. */
function silent(health: ServerHealth, place: number, times: number, nowMs = 1_200, sentMs = 0): void {
  for (let i = 0; i < times; i++) health.silent(place, nowMs, sentMs);
}

function allDue(health: ServerHealth, nowMs: number): number[] {
  const due: number[] = [];
  for (let place = health.takeDue(nowMs); place >= 0; place = health.takeDue(nowMs)) due.push(place);
  return due;
}

describe('whether a server is down', () => {
  test('three silences in a row, not two', () => {
    const health = new ServerHealth();
    silent(health, A, 2);
    expect(health.isDown(A)).toBe(false);
    silent(health, A, 1);
    expect([health.isDown(A), health.isDown(B)]).toEqual([true, false]);
  });

  test('an answer between them begins anew', () => {
    const health = new ServerHealth();
    silent(health, A, 2, 1_200, 0);
    health.answered(A, 1_300);
    silent(health, A, 2, 3_000, 1_800);
    expect(health.isDown(A)).toBe(false);
  });

  test('I6: names that are never answered do not bring down a server that answers others meanwhile', () => {
    const health = new ServerHealth();
    health.answered(A, 500);
    silent(health, A, 100, 1_200, 0);
    expect(health.isDown(A)).toBe(false);
    silent(health, A, 3, 1_701, 501);
    expect(health.isDown(A)).toBe(true);
  });

  test('one answer, whatever it says, brings it back', () => {
    const health = new ServerHealth();
    silent(health, A, 3);
    health.answered(A, 1_300);
    expect([health.isDown(A), allDue(health, 9_999)]).toEqual([false, []]);
    silent(health, A, 2, 9_999, 5_000);
    expect(health.isDown(A)).toBe(false);
  });
});

describe('probes', () => {
  test('who is down is due a second later, and then every second; who is not never is', () => {
    const health = new ServerHealth();
    expect(allDue(health, 99_999)).toEqual([]);
    silent(health, A, 3, 1_000);
    silent(health, B, 3, 1_500);
    expect([1_999, 2_000, 2_400, 2_500, 3_000].map((nowMs) => allDue(health, nowMs))).toEqual([[], [A], [], [B], [A]]);
  });

  test('more silences of who is down do not put its probe off', () => {
    const health = new ServerHealth();
    silent(health, A, 3, 1_000);
    silent(health, A, 9, 1_900);
    expect(allDue(health, 2_000)).toEqual([A]);
  });

  test('the last probe is known by place, socket and id until the server has answered', () => {
    const health = new ServerHealth();
    silent(health, A, 3);
    health.probed(A, 3, 7);
    health.probed(A, 5, 8);
    const known = [
      [A, 5, 8],
      [A, 3, 7],
      [A, 5, 7],
      [A, 3, 8],
      [B, 5, 8],
    ].map(([place = 0, socket = 0, id = 0]) => health.isProbe(place, socket, id));
    expect(known).toEqual([true, false, false, false, false]);
    health.answered(A, 2_000);
    expect(health.isProbe(A, 5, 8)).toBe(false);
  });

  test('nobody was probed at the start: not by socket 0 and id 0 either', () => {
    expect(new ServerHealth().isProbe(A, 0, 0)).toBe(false);
  });
});

test('R13: who refused EDNS is asked without it for half a minute, others with it', () => {
  const health = new ServerHealth();
  health.refusedEdns(A, 1_000);
  expect([30_999, 31_000].map((nowMs) => health.takesEdns(A, nowMs))).toEqual([false, true]);
  expect(health.takesEdns(B, 1_000)).toBe(true);
});

describe('D3: wrong answers', () => {
  const flood = (health: ServerHealth, count: number, nowMs: number): boolean[] =>
    Array.from({ length: count }, () => health.wrong(A, nowMs));

  test('the hundredth in a second is one too many, and is told once', () => {
    const health = new ServerHealth();
    const told = flood(health, 300, 5_000);
    expect([told.indexOf(true), told.filter(Boolean).length]).toEqual([99, 1]);
    expect([health.wantsDatagrams(A, 5_000), health.wantsDatagrams(B, 5_000)]).toEqual([false, true]);
  });

  test('fewer than that each second are none', () => {
    const health = new ServerHealth();
    for (let second = 0; second < 10; second++) expect(flood(health, 99, 5_000 + second * 1_000)).not.toContain(true);
    expect(health.wantsDatagrams(A, 15_000)).toBe(true);
  });

  test('datagrams are wanted again 10 s after the last flood, and the next one is news', () => {
    const health = new ServerHealth();
    flood(health, 100, 5_000);
    expect(flood(health, 100, 6_000)).not.toContain(true);
    expect([15_999, 16_000].map((nowMs) => health.wantsDatagrams(A, nowMs))).toEqual([false, true]);
    expect(flood(health, 100, 16_000)).toContain(true);
  });
});

test('a place that another server gets knows nothing of the one before', () => {
  const health = new ServerHealth();
  silent(health, A, 3, 1_000);
  health.probed(A, 3, 7);
  health.refusedEdns(A, 1_000);
  for (let i = 0; i < 150; i++) health.wrong(A, 1_000);
  health.answered(B, 1_000);
  health.forget(A);
  expect([
    health.isDown(A),
    health.isProbe(A, 3, 7),
    health.takesEdns(A, 1_000),
    health.wantsDatagrams(A, 1_000),
    health.wrong(A, 1_000),
    allDue(health, 9_999),
  ]).toEqual([false, false, true, true, false, []]);
  silent(health, A, 3, 1_500, 500);
  expect(health.isDown(A)).toBe(true);
});
