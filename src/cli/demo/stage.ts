// Who and what the demo's steps speak of: the pods, and the names that the world's DNS knows.
import type { Lab } from './lab.ts';
import { METADATA_ADDRESS } from './topology.ts';

/** Both are selected by policies/demo.yaml. */
export const PODS = [
  { name: 'cart', namespace: 'demo', labels: { app: 'shop' } },
  { name: 'mail', namespace: 'demo', labels: { app: 'shop' } },
] as const;

export const API = { name: 'api.example.org', v4: '203.0.113.10', v6: '2001:db8:100::10' } as const;
export const WWW = { name: 'www.example.org', edge: 'edge7.cdn.example.net', v4: '198.51.100.20' } as const;
export const TRAP = { name: 'trap.shop.example.org' } as const;
export const BRIEF = { name: 'brief.shop.example.org', v4: '203.0.113.30', ttlSeconds: 1 } as const;
export const LATER = { name: 'later.shop.example.org', v4: '203.0.113.40' } as const;
/** No policy allows it. */
export const DENIED = { name: 'exfil.example.com', v4: '198.51.100.66' } as const;
/** No name has it. */
export const STRANGER = '198.51.100.99';

// Grants of these must outlive the demo.
const LONG_SECONDS = 300;

/** Everything that the steps ask for, allowed or not: what a pod does not get is namewall's doing, not the world's. */
export async function publishNames({ world }: Lab): Promise<void> {
  await Promise.all([
    world.publish(API.name, { A: [API.v4], AAAA: [API.v6], ttlSeconds: LONG_SECONDS }),
    world.publish(WWW.name, { CNAME: 'www.cdn.example.net', ttlSeconds: LONG_SECONDS }),
    world.publish('www.cdn.example.net', { CNAME: WWW.edge, ttlSeconds: 60 }),
    world.publish(WWW.edge, { A: [WWW.v4], ttlSeconds: 60 }),
    world.publish(TRAP.name, { A: [METADATA_ADDRESS], ttlSeconds: LONG_SECONDS }),
    world.publish(BRIEF.name, { A: [BRIEF.v4], ttlSeconds: BRIEF.ttlSeconds }),
    world.publish(LATER.name, { A: [LATER.v4], ttlSeconds: LONG_SECONDS }),
    world.publish(DENIED.name, { A: [DENIED.v4], ttlSeconds: LONG_SECONDS }),
  ]);
}
