// A flood of names fills the cache; written as text because nobody wants to read a thousand lines of it.
import { test } from 'vitest';
import { playScenario } from '../support/scenario.ts';

const FLOOD = Array.from({ length: 1_000 }, (_, i) => [
  `ask      10.0.1.7 A n${i}.example.org`,
  `upstream A n${i}.example.org → 192.0.2.8 ttl 300`,
]);

test('C13: a pod that fills the cache pushes out its own answers, never those that others ask again', async () => {
  await playScenario(
    [
      '# C13',
      'cache    64KiB',
      'policy   test/scenarios/policies/any-below.yaml',
      'pod      10.0.1.7 shop/cart app=cart',
      'pod      10.0.2.8 shop/billing app=billing',
      'ignore   kernel',
      'ask      10.0.2.8 A hot.example.org',
      'upstream A hot.example.org → 192.0.2.9 ttl 300',
      'reply    to 10.0.2.8 NOERROR 192.0.2.9',
      'ignore   replies',
      ...FLOOD.flat(),
      'ask      10.0.2.8 A hot.example.org',
      'no upstream query',
      'reply    to 10.0.2.8 NOERROR 192.0.2.9',
      'count    cache_hits 1',
    ].join('\n'),
    'cache-share',
    'update',
  );
});
