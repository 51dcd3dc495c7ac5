// What tests of src/kubernetes share: short waits, a log that can be read, a kubeconfig file, a Cluster that is closed with its test.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { Logger } from '../../src/base/log.ts';
import { Cluster, type ClusterOptions } from '../../src/kubernetes/cluster.ts';
import type { Timing } from '../../src/kubernetes/timing.ts';
import { ApiServer } from '../kubernetes/api-server.ts';
import {
  DNS_SERVICE,
  NODE,
  clusterPolicy,
  namespace,
  node,
  pod,
  policy,
  service,
  slice,
} from './kubernetes-objects.ts';

/** Bookmarks must come more often than watchSilenceMs: startServer sees to it. */
export const QUICK: Timing = {
  nowMs: () => performance.now(),
  random: () => 0.5,
  listSilenceMs: 300,
  watchSilenceMs: 300,
  watchSeconds: { least: 60, most: 60 },
  firstWaitMs: 1,
  longestWaitMs: 20,
  settledMs: 1_000,
  missingMs: 50,
  patienceMs: 200,
  gatherMs: 2,
  saveMs: 5,
  staleMs: 10_000,
};

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'namewall-kubernetes-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** The path of a file with `text`. */
export function kubeconfigFile(text: string): string {
  const path = join(temporaryFolder(), 'config');
  writeFileSync(path, text);
  return path;
}

export async function startServer(): Promise<ApiServer> {
  const server = await ApiServer.start();
  server.faults.bookmarkEveryMs = 50;
  onTestFinished(() => server.close());
  return server;
}

export interface ReadableLog {
  readonly log: Logger;
  readonly lines: { readonly level: number; readonly msg: string; readonly resource?: string }[];
}

export function readableLog(): ReadableLog {
  const lines: ReadableLog['lines'] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, lines };
}

export interface Started {
  readonly cluster: Cluster;
  /** How often the view became another one. */
  readonly changes: () => number;
  readonly lines: ReadableLog['lines'];
}

export async function startCluster(
  server: ApiServer,
  options: Partial<ClusterOptions> = {},
  timing: Partial<Timing> = {},
): Promise<Started> {
  const { log, lines } = readableLog();
  let count = 0;
  const cluster = await Cluster.start(
    { kubeconfig: kubeconfigFile(server.kubeconfig()), nodeName: NODE, dnsService: DNS_SERVICE, ...options },
    { changed: () => (count += 1), log },
    undefined,
    { ...QUICK, ...timing },
  );
  onTestFinished(() => cluster.close());
  return { cluster, changes: () => count, lines };
}

/** A server with one pod, two policies and everything that a node asks for besides. */
export async function furnished(): Promise<ApiServer> {
  const server = await startServer();
  server.put(namespace('shop', { team: 'a' }));
  server.put(node(['10.0.1.0/24']));
  server.put(service(['10.96.0.10']));
  server.put(slice('a', [{ addresses: ['10.0.2.5'], conditions: { ready: true } }]));
  server.put(pod('web', { labels: { app: 'web' } }));
  server.put(policy('p', ['a.example.org'], { app: 'web' }));
  server.put(clusterPolicy('q', ['b.example.org']));
  return server;
}
