// Threats.md 2E, E9: a flow that never ends does not stay open for ever, where lifetimes.maxConnection says so.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UDP_ECHO } from '../../src/cli/demo/topology.ts';
import { attackedLab } from '../support/attacker-lab.ts';
import type { AttackedLab } from '../support/attacker-lab.ts';
import { ip, PROTOCOL, udp } from '../support/attacker-packets.ts';
import { eventually } from '../support/eventually.ts';
import { canUseKernel } from '../support/kernel.ts';

const POLICY = new URL('../support/policies/static.yaml', import.meta.url).pathname;
const PORTS = { source: 5_555, port: UDP_ECHO.port };
const CART = { 4: '10.0.1.7', 6: 'fd00:10:1::7' } as const;

describe.skipIf(!canUseKernel)('with lifetimes.maxConnection: 2s', () => {
  let attacked: AttackedLab;

  beforeAll(async () => {
    const lifetimes = { minTtl: '1s', grace: '10m', maxConnection: '2s' };
    attacked = await attackedLab({ policies: [POLICY], overrides: { lifetimes } });
  });
  afterAll(() => attacked.end());

  test('E9 UDP that goes on and on is cut, although policy still allows it', async () => {
    const ends = { from: CART[4], to: UDP_ECHO.v4 };
    const arriving = (source: number): Promise<number> => {
      const packet = ip(ends, PROTOCOL.udp, udp(ends, { ...PORTS, source }));
      return attacked.world.count(`ip saddr ${ends.from} udp sport ${source}`, () => attacked.attacker.send([packet]));
    };
    expect(await arriving(PORTS.source)).toBe(1);
    await eventually(async () => expect(await arriving(PORTS.source)).toBe(0), 6_000);
    expect(await arriving(PORTS.source)).toBe(0);
    expect(await arriving(PORTS.source + 1)).toBe(1);
  });

  test('E9 TCP, too, which is told; the audit says why, and a new connection is allowed', async () => {
    const { cart } = attacked;
    const connected = await cart.connect(UDP_ECHO.v4, 443);
    if (connected.outcome !== 'connected') throw new Error(connected.outcome);
    expect(await cart.echo(connected.connection)).toMatchObject({ outcome: 'echoed' });
    await eventually(async () => {
      expect(await cart.echo(connected.connection, 300)).toMatchObject({ outcome: 'rejected' });
    }, 6_000);
    const audit = readFileSync(join(attacked.lab.folder, 'audit.jsonl'), 'utf8');
    expect(audit).toMatch(/"event":"connection.cut".*maxConnection/);
    expect(await cart.connect(UDP_ECHO.v4, 443)).toMatchObject({ outcome: 'connected' });
  });
});
