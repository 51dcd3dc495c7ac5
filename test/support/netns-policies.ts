// Policies and clients of a lab as files that change while the agent runs, and what it says when it has taken a change up.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Lab } from '../../src/cli/demo/lab.ts';
import { eventually } from './eventually.ts';

const APPLIED = 'change applied';

export interface Allowed {
  readonly name?: string;
  /** Label `app` of the pods. */
  readonly app?: string;
  readonly patterns: readonly string[];
  readonly port?: number;
  readonly protocols?: readonly ('TCP' | 'UDP')[];
}

export class LabFiles {
  readonly folder: string;
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
    this.folder = join(lab.folder, 'policies');
    mkdirSync(this.folder);
  }

  allow(allowed: Allowed): void {
    this.#replace(join(this.folder, `${allowed.name ?? 'names'}.yaml`), policyText(allowed));
  }

  /** A document of any dialect. */
  put(name: string, text: string): void {
    this.#replace(join(this.folder, `${name}.yaml`), text);
  }

  remove(name = 'names'): void {
    rmSync(join(this.folder, `${name}.yaml`));
  }

  /** Rewrites clients.yaml. */
  editClients(edit: (text: string) => string): void {
    const path = join(this.#lab.folder, 'clients.yaml');
    this.#replace(path, edit(readFileSync(path, 'utf8')));
  }

  /** Makes the change, and resolves when the agent says that it is in force. */
  async applied(change: () => void): Promise<void> {
    const before = this.#count();
    change();
    await eventually(() => expect(this.#count()).toBeGreaterThan(before), 5_000);
  }

  /** What the audit log has of this event. */
  audited(event: string): Record<string, unknown>[] {
    const lines = readFileSync(join(this.#lab.folder, 'audit.jsonl'), 'utf8').split('\n').filter(Boolean);
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>); // the agent wrote one object a line
    return events.filter((each) => each['event'] === event);
  }

  #count(): number {
    return readFileSync(this.#lab.agentLogFile, 'utf8').split(APPLIED).length;
  }

  /** Whole or not at all, as an operator's editor does it; the agent must never read half a file. */
  #replace(path: string, text: string): void {
    const temporary = join(this.#lab.folder, 'replacement');
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  }
}

export function policyText({
  name = 'names',
  app = 'shop',
  patterns,
  port = 7000,
  protocols = ['TCP', 'UDP'],
}: Allowed): string {
  const names = patterns.map((pattern) => `{ matchPattern: '${pattern}' }`).join(', ');
  const ports = protocols.map((protocol) => `{ port: '${port}', protocol: ${protocol} }`).join(', ');
  return `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: ${app} } }
  egress:
    - toFQDNs: [${names}]
      toPorts: [{ ports: [${ports}] }]
`;
}
