import { mkdtemp, rm } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DatapathHost } from '../../../src/agent/datapath-host.ts';
import { readLookups, writeLookups } from '../../../src/agent/grants-file.ts';
import { LookupKeeper } from '../../../src/agent/lookup-keeper.ts';
import { bootId, machineMs } from '../../../src/agent/machine-clock.ts';
import { owners, stateOf } from '../../../src/agent/state.ts';
import type { KeptLookup } from '../../../src/bridge/protocol.ts';
import { formatName, parseNameText } from '../../../src/dns/name.ts';
import { EMPTY_REGISTRY } from '../../../src/pods/registry.ts';
import { inputs } from './inputs.ts';
import { recordedLog } from './recorded-log.ts';

const HOUR_MS = 3_600_000;
const POD = { uid: 'web', namespace: 'shop', name: 'web', labels: {}, addresses: ['10.0.1.7'] };
const made = stateOf(inputs({ pods: [POD] }), EMPTY_REGISTRY, { protect: { ranges: [], cidrs: [] } });
const state = made.ok ? made.value : expect.fail('too many pods');
const id = state.registry.pods[0]?.id ?? expect.fail();

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nw-keeper-'));
  path = join(folder, `lookups-${statSync('/proc/self/ns/net').ino}`);
});
afterEach(() => rm(folder, { recursive: true }));

const wire = (text: string): Uint8Array => parseNameText(text) ?? expect.fail(text);
const keeperOf = (): LookupKeeper => new LookupKeeper(folder, recordedLog().log);

test('lookups are read until a day after they ended, and only of pods that are the same', async () => {
  const owner = owners(state).get('10.0.1.7') ?? expect.fail();
  const saved = [
    ['lives.example.org', 1, owner],
    ['ended.example.org', -23, owner],
    ['old.example.org', -25, owner],
    ['stranger.example.org', 1, '0'.repeat(32)],
  ] as const;
  const nowMs = machineMs();
  const lookups = saved.map(([name, hours, of]) => {
    return { owner: of, name: wire(name), addresses: new Uint8Array(16), untilMs: nowMs + hours * HOUR_MS };
  });
  await writeLookups(path, { bootId: bootId(), generation: 1, savedAtMs: nowMs }, lookups);
  const read = await keeperOf().read(state);
  expect(read.map(({ pod, name, leftMs }) => [pod, formatName(name), Math.round(leftMs / HOUR_MS)])).toEqual([
    [id, 'lives.example.org', 1],
    [id, 'ended.example.org', -23],
  ]);
});

test('those that live stand first in the file: one that is full loses its end', async () => {
  const kept = [-1, 1, -2, 2].map((hours): KeptLookup => {
    return { pod: id, name: wire('a.example.org'), addresses: new Uint8Array(16), leftMs: hours * HOUR_MS };
  });
  const datapath = {
    counters: { read: () => ({ queries_received: 1 }) },
    keptLookups: async () => kept,
  } as unknown as DatapathHost; // what it asks for, and no more
  const keeper = keeperOf();
  keeper.start(datapath, () => state);
  await keeper.stop();
  const read = await readLookups(path, bootId());
  const hours =
    'lookups' in read ? read.lookups.map(({ untilMs }) => Math.round((untilMs - machineMs()) / HOUR_MS)) : [];
  expect(hours).toEqual([1, 2, -1, -2]);
});
