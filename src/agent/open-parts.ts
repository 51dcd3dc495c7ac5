// Parts of the agent that are made from the configuration alone: where its inputs come from, where its audit log goes, what the data plane is set to.
import { StreamSink } from '../audit/sinks/stream.ts';
import { parseAddress } from '../base/ip.ts';
import type { Logger } from '../base/log.ts';
import type { DatapathSettings } from '../datapath/settings.ts';
import type { RefreshStrategy } from '../kernel/set-writer.ts';
import { TABLE } from './config.ts';
import type { Config } from './config.ts';
import { DNS_PORT } from './config-dns.ts';
import { FileSource } from './inputs-files.ts';
import { extraRanges } from './inputs.ts';
import type { Inputs, InputSource } from './inputs.ts';

/** Rejects with WatchError or KubernetesError; `signal` gives it up. */
export async function openSource(
  config: Config,
  log: Logger,
  signal: AbortSignal,
  changed: () => void,
): Promise<InputSource> {
  if (config.mode === 'host') return FileSource.open(config, changed, log);
  // Loaded here only: the client of the API server takes a third of a second and 90 MB, and a host has none.
  const { ClusterSource } = await import('./inputs-cluster.ts');
  return ClusterSource.open(config, changed, log, signal);
}

/** Throws SinkError. */
export function openSink(config: Config, log: Logger): StreamSink {
  const onError = (error: Error): void =>
    log.error({ error: error.message, audit: config.audit }, 'Cannot write the audit log: events are lost and counted');
  return config.audit === 'stdout' ? StreamSink.toStdout(onError) : StreamSink.toFile(config.audit, onError);
}

export function settingsOf(config: Config, strategy: RefreshStrategy, inputs: Inputs): DatapathSettings {
  return {
    listen: inputs.dnsServers.flatMap((text) => {
      const address = parseAddress(text);
      return address === undefined ? [] : [{ address, port: DNS_PORT }];
    }),
    transparent: true,
    upstreams: inputs.zones,
    clusterZones: config.mode === 'node' ? config.kubernetes.clusterZones : [],
    denial: config.denial,
    lifetimes: config.lifetimes,
    table: TABLE,
    strategy,
    protect: extraRanges(config, inputs),
    internalZones: config.internalZones,
    queriesPerSecond: config.queriesPerSecond,
    newNamesPerSecond: config.newNamesPerSecond,
    hints: config.hints,
    maxAddresses: config.maxAddresses,
  };
}
