// Who the clients are, what their policies say and whom they ask: from the agent's configuration, or from the command line.
import { readConfig } from '../../agent/config.ts';
import type { Parsed } from '../../base/errors.ts';
import { extraRanges, protectedRanges, type ProtectedRange } from '../../kernel/protected.ts';
import type { Node, Pod, Service } from '../../pods/pod.ts';
import { loadClients } from '../../pods/sources/file.ts';
import type { Policy } from '../../policy/policy.ts';
import { loadPolicies } from '../../policy/sources/files.ts';
import type { TestOptions } from './command-line.ts';

export interface Setting {
  readonly clients: readonly Pod[];
  readonly nodes: readonly Node[];
  readonly services: readonly Service[];
  /** Read only where they are what is asked. */
  readonly policies: readonly Policy[];
  /** Never granted. */
  readonly protectedRanges: readonly ProtectedRange[];
  /** Canonical text. */
  readonly dnsServers: readonly string[];
}

/** All problems of all files at once. */
export async function readSetting(options: TestOptions): Promise<Parsed<Setting>> {
  const sources = readSources(options);
  if (!sources.ok) return sources;
  const { clientsFile, policyPaths, protect, dnsServers } = sources.value;
  const clients = await loadClients(clientsFile);
  const policies = options.offline ? await loadPolicies(policyPaths) : ({ ok: true, value: [] } as const);
  if (!clients.ok || !policies.ok) {
    return { ok: false, problems: [clients, policies].flatMap((read) => (read.ok ? [] : read.problems)) };
  }
  return {
    ok: true,
    value: {
      clients: clients.value.pods,
      nodes: clients.value.nodes,
      services: clients.value.services,
      policies: policies.value,
      protectedRanges: protectedRanges(extraRanges(protect)),
      dnsServers,
    },
  };
}

interface Sources {
  readonly clientsFile: string;
  readonly policyPaths: readonly string[];
  /** As `protect:` has them. */
  readonly protect: readonly string[];
  readonly dnsServers: readonly string[];
}

function readSources({ config: file, clients = '', policies, servers }: TestOptions): Parsed<Sources> {
  if (file === undefined) {
    return { ok: true, value: { clientsFile: clients, policyPaths: policies, protect: [], dnsServers: servers } };
  }
  const config = readConfig(file);
  if (!config.ok) return config;
  if (config.value.mode === 'node') {
    const message = 'Cannot test with "mode: node": pods come from the API server; write --clients FILE instead';
    return { ok: false, problems: [{ code: 'wrong-mode', at: `${file}:1:1`, message }] };
  }
  const { clients: clientsFile, policies: policyPaths, protect, dnsServers } = config.value;
  return {
    ok: true,
    value: { clientsFile, policyPaths, protect: [...protect.ranges, ...protect.cidrs], dnsServers },
  };
}
