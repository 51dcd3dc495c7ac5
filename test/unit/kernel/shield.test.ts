import { expect, test } from 'vitest';
import { shieldText, standingShieldChange, standingShieldText } from '../../../src/kernel/shield.ts';

const SHIELDED = { addresses: ['10.0.1.7', 'fd00::7', '10.0.1.8'], guardedRanges: ['10.0.1.0/24'] };

test('the standing shield lets pass what our chains have marked, before it drops anything', () => {
  const text = standingShieldText(SHIELDED, 0x100000);
  const chains = text.split('\tchain ').slice(1);
  expect(chains).toHaveLength(2);
  for (const chain of chains) {
    expect(chain.indexOf('meta mark & 0x100000 == 0x100000 accept')).toBeGreaterThan(0);
    expect(chain.indexOf('meta mark & 0x100000 == 0x100000 accept')).toBeLessThan(chain.indexOf(' drop'));
    expect(chain).toContain('priority filter + 1;'); // behind our own, which mark
  }
});

test('the standing shield belongs to its socket, the other to nobody: the next ruleset must take it away', () => {
  expect(standingShieldText(SHIELDED, 1)).toContain('flags owner');
  expect(shieldText(SHIELDED)).not.toContain('flags owner');
});

test('a change empties what is closed no longer and never lists nothing, which nft does not read', () => {
  expect(
    standingShieldChange({ addresses: ['10.0.1.7'], guardedRanges: [] })
      .trim()
      .split('\n')
      .filter(Boolean),
  ).toEqual([
    'flush set inet namewall_standing_shield closed4',
    'add element inet namewall_standing_shield closed4 { 10.0.1.7 }',
    'flush set inet namewall_standing_shield guarded4',
    'flush set inet namewall_standing_shield closed6',
    'flush set inet namewall_standing_shield guarded6',
  ]);
});
