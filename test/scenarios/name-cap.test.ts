// A name that answers with ever others, through the loop: what would be hundreds of lines as a .scn file.
import { describe, test } from 'vitest';
import { playScenario } from '../support/scenario.ts';

const PER_ANSWER = 70; // as many as fit a UDP reply
const ANSWERS = 16;
const MOST = 1_000;

const BEGIN = `# a rule
policy   test/scenarios/policies/any-below.yaml
pod      10.0.1.7 shop/cart app=cart
pod      10.0.1.8 shop/bill app=billing
ignore   kernel
ask      10.0.1.8 A flux.example.org
upstream A flux.example.org → 198.18.0.0 ttl 1
reply    NOERROR 198.18.0.0
ask      10.0.1.7 A other.example.org
upstream A other.example.org → 198.18.0.1 ttl 300
reply    NOERROR 198.18.0.1
wait     2s
`;

const answer = (n: number): string => `
ask      10.0.1.7 A flux.example.org edns=1232
upstream A flux.example.org → 198.18.${n}.0-${PER_ANSWER - 1} ttl 1
reply    NOERROR 198.18.${n}.0-${PER_ANSWER - 1} ttl 1
wait     2s
`;
const answers = (count: number): string => Array.from({ length: count }, (_, n) => answer(n)).join('');

describe.each(['update', 'replace'] as const)('renewed by %s', (strategy) => {
  describe.each(['loop', 'thread'] as const)('committed by the %s', (commits) => {
    test('A11: of 1,000 addresses of a name a pod loses none', async () => {
      const kept = Math.floor(MOST / PER_ANSWER);
      const end = `
kernel   count grants4_tcp443 ${kept * PER_ANSWER + 1}
kernel   has grants4_tcp443 10.0.1.7 . 198.18.0.2
count    names_capped 0
`;
      await playScenario(BEGIN + answers(kept) + end, 'a.scn', strategy, commits);
    });

    test('A11: beyond that it loses the oldest, which other names and other pods keep', async () => {
      const end = `
kernel   has grants4_tcp443 10.0.1.7 . 198.18.${ANSWERS - 1}.69
kernel   has grants4_tcp443 10.0.1.7 . 198.18.0.1
kernel   has grants4_tcp443 10.0.1.8 . 198.18.0.0
kernel   removed grants4_tcp443 10.0.1.7 . 198.18.0.0
kernel   removed grants4_tcp443 10.0.1.7 . 198.18.0.2
kernel   removed grants4_tcp443 10.0.1.7 . 198.18.1.${ANSWERS * PER_ANSWER - MOST - PER_ANSWER - 1}
kernel   has grants4_tcp443 10.0.1.7 . 198.18.1.${ANSWERS * PER_ANSWER - MOST - PER_ANSWER}
kernel   count grants4_tcp443 ${MOST + 2}
count    commits_failed 0
`;
      await playScenario(BEGIN + answers(ANSWERS) + end, 'a.scn', strategy, commits);
    });
  });
});
