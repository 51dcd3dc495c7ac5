// Who there is, what policies say and whom pods ask: from files, or from the agent's configuration.
import { readConfig } from '../../agent/config.ts';
import type { Parsed } from '../../base/errors.ts';
import { loadClients, type Clients } from '../../pods/sources/file.ts';
import { enforced } from '../../policy/enforced.ts';
import type { Policy } from '../../policy/policy.ts';
import { loadPolicies } from '../../policy/sources/files.ts';
import { readPolicyFiles } from '../policy-files.ts';

export interface Sources {
  readonly config: string | undefined;
  readonly servers: readonly string[];
  readonly paths: readonly string[];
}

export interface Setting {
  readonly clients: Clients;
  readonly policies: readonly Policy[];
  /** As `protect:` has them. */
  readonly protect: readonly string[];
  readonly dnsServers: readonly string[];
}

export async function readSetting({ config: file, paths, servers }: Sources): Promise<Parsed<Setting>> {
  if (file !== undefined) return readConfigured(file);
  const { policies, clients, problems } = await readPolicyFiles(paths);
  if (problems.length > 0 || !policies.ok) return { ok: false, problems };
  if (clients?.ok !== true) {
    const message = 'Cannot find the pod: none of the files is a clients file, which begins with "clients:"';
    return { ok: false, problems: [{ code: 'no-clients', at: paths[0] ?? '', message }] };
  }
  return { ok: true, value: { clients: clients.value, policies: policies.value, protect: [], dnsServers: servers } };
}

async function readConfigured(file: string): Promise<Parsed<Setting>> {
  const config = readConfig(file);
  if (!config.ok) return config;
  if (config.value.mode === 'node') {
    const message =
      'Cannot explain with "mode: node": pods come from the API server; write PATHs of policies and clients instead';
    return { ok: false, problems: [{ code: 'wrong-mode', at: `${file}:1:1`, message }] };
  }
  const { clients: clientsFile, policies: policyPaths, protect, dnsServers, enforce } = config.value;
  const [clients, policies] = await Promise.all([loadClients(clientsFile), loadPolicies(policyPaths)]);
  if (!clients.ok || !policies.ok) {
    return { ok: false, problems: [clients, policies].flatMap((read) => (read.ok ? [] : read.problems)) };
  }
  const ranges = [...protect.ranges, ...protect.cidrs];
  const inForce = enforced(policies.value, enforce).policies;
  return { ok: true, value: { clients: clients.value, policies: inForce, protect: ranges, dnsServers } };
}
