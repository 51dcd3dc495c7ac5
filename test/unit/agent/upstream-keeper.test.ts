import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UpstreamKeeper } from '../../../src/agent/upstream-keeper.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import type { UpstreamZone } from '../../../src/datapath/settings.ts';
import { recordedLog } from './recorded-log.ts';

function zone(name: string, ...addresses: readonly string[]): UpstreamZone {
  return {
    zone: name,
    servers: addresses.map((text) => ({ address: parseAddress(text) ?? expect.fail(text), port: 53 })),
  };
}

const FIRST = [zone('.', '192.0.2.53')];
const OTHER = [zone('.', '192.0.2.53', '192.0.2.54')];

/** A data plane that answers what `answers` holds, in turn, and then that all are reachable. */
function keeper(...answers: readonly (readonly string[] | Error)[]) {
  const sent: (readonly UpstreamZone[])[] = [];
  const left = [...answers];
  const datapath = {
    setUpstreams: (zones: readonly UpstreamZone[]) => {
      sent.push(zones);
      const answer = left.shift() ?? [];
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ unreachable: answer });
    },
  };
  const recorded = recordedLog();
  const make = (unreachable: readonly string[] = []) => new UpstreamKeeper(datapath, recorded.log, FIRST, unreachable);
  return { sent, make, lines: recorded.lines };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('the zones that it was started with are not sent again', async () => {
  const { sent, make } = keeper();
  await make().use([zone('.', '192.0.2.53')]);
  expect(sent).toEqual([]);
});

test.each([
  ['another server', [zone('.', '192.0.2.54')]],
  ['one server more', OTHER],
  ['another zone', [zone('cluster.local', '192.0.2.53')]],
  ['no server', [zone('.')]],
])('%s is sent, once', async (_why, zones) => {
  const { sent, make } = keeper();
  const kept = make();
  await kept.use(zones);
  await kept.use(structuredClone(zones));
  expect(sent).toEqual([zones]);
});

test('what had no route is tried again every ten seconds until it has one, and said once', async () => {
  const none = ['192.0.2.54 port 53: ENETUNREACH'];
  const { sent, make, lines } = keeper(none, none, []);
  await make().use(OTHER);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sent).toEqual([OTHER, OTHER, OTHER]);
  expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
    'warn No route to these upstreams: they are left out until there is one',
  ]);
});

test('what had no route at the start is tried again, too', async () => {
  const { sent, make } = keeper([]);
  make(['192.0.2.53 port 53: ENETUNREACH']);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent).toEqual([FIRST]);
});

test('zones that the data plane refuses are tried again', async () => {
  const { sent, make, lines } = keeper(new Error('too many'));
  await make().use(OTHER);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent).toEqual([OTHER, OTHER]);
  expect(lines.join()).toContain('error Cannot use other upstreams: the last ones stay; trying again');
});

test('nothing is tried once it is closed', async () => {
  const { sent, make } = keeper();
  make(['192.0.2.53 port 53: ENETUNREACH']).close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sent).toEqual([]);
});
