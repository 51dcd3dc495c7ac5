// Whether this process may do what the agent must.
import type { Check } from './finding.ts';
import { ok, worst } from './finding.ts';

/** Bits of linux/capability.h, and what each is for. */
const NEEDED: readonly (readonly [name: string, bit: bigint, use: string])[] = [
  ['CAP_NET_ADMIN', 12n, 'nftables, routes and transparent sockets'],
  ['CAP_NET_BIND_SERVICE', 10n, 'port 53'],
];

export const privileges: Check = async ({ files }) => {
  const status = (await files.read('/proc/self/status')) ?? '';
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (digits === undefined) return ok('privileges', 'not known: /proc/self/status has no CapEff');
  const effective = BigInt(`0x${digits}`);
  const missing = NEEDED.filter(([, bit]) => ((effective >> bit) & 1n) === 0n);
  const faults = missing.map(([name, , use]) => ({
    status: 'fail' as const,
    found: `${name} is missing`,
    why: `the agent needs it for ${use}; without it the checks below may not see all either`,
    mend: `run as root, or add ${missing.map(([each]) => each).join(' and ')} (securityContext.capabilities.add)`,
  }));
  return worst('privileges', faults, NEEDED.map(([name]) => name).join(', '));
};
