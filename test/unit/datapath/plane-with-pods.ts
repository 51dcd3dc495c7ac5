// A data plane on a simulated system, with two pods that a rule of one port class lets reach every name, and a committer that works when it
// is told to.
import { expect } from 'vitest';
import { parseAddress } from '../../../src/base/ip.ts';
import type { Snapshot } from '../../../src/bridge/snapshot.ts';
import type { DatapathSettings } from '../../../src/datapath/settings.ts';
import { SimulatedSys } from '../../../src/sys/simulated.ts';
import type { SentDatagram } from '../../../src/sys/simulated-udp.ts';
import { Committer } from '../../support/committer.ts';

export const TABLE = 'namewall';
export const SERVER = endpoint('10.96.0.10');
export const UPSTREAM = endpoint('198.51.100.53');
const PODS = ['10.0.1.7', '10.0.1.8'];
const SET_SIZE = 262_144;

export const SETTINGS: DatapathSettings = {
  listen: [SERVER],
  transparent: true,
  upstreams: [{ zone: '.', servers: [UPSTREAM] }],
  denial: 'nxdomain',
  lifetimes: { minTtlMs: 5_000, maxTtlMs: 3_600_000, graceMs: 60_000 },
  table: TABLE,
  strategy: 'update',
  protect: { protect: [], cidrs: [] },
};

/** Pods 1 and 2, which may reach *.example.org, or only `pattern`. */
export function snapshot(generation: number, pattern = '*.example.org'): Snapshot {
  return {
    generation,
    pods: PODS.map((address, i) => ({ id: i + 1, addresses: [bytesOf(address)], program: 0 })),
    programs: [
      {
        id: pattern,
        names: [{ match: 'pattern', text: pattern, askUdp: true, askTcp: true, classes: [0], rule: 0 }],
      },
    ],
    classIds: ['web'],
    shield: '',
  };
}

export function simulate() {
  const sent: SentDatagram[] = [];
  const sys = new SimulatedSys({ observer: { sent: (datagram) => void sent.push(datagram) } });
  const committer = new Committer(sys);
  const addSets = (): void => {
    sys.nftables.addSet(TABLE, 'grants4_web', { keyBytes: 8, size: SET_SIZE });
    sys.nftables.addSet(TABLE, 'grants6_web', { keyBytes: 32, size: SET_SIZE });
  };
  addSets();
  /** The elements that live in the kernel, as `POD ADDRESS`. */
  const granted = (): string[] =>
    (sys.nftables.set(TABLE, 'grants4_web')?.liveKeys(sys.nowMs()) ?? []).map((key) => {
      const bytes = Buffer.from(key, 'hex');
      return [0, 4].map((at) => bytes.subarray(at, at + 4).join('.')).join(' ');
    });
  return { sys, committer, sent, granted, addSets };
}

export function bytesOf(address: string): Uint8Array {
  return parseAddress(address) ?? expect.fail(address);
}

export function endpoint(address: string, port = 53) {
  return { address: bytesOf(address), port };
}
