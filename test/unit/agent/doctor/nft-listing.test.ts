import { expect, test } from 'vitest';
import { bareRule, parseListing } from '../../../../src/agent/doctor/nft-listing.ts';

const LISTING = `table inet fw { # handle 3
	flags dormant

	set s { # handle 1
		type ipv4_addr
		flags interval
	}

	flowtable ft { # handle 2
		hook ingress priority filter
		devices = { eth0 }
	}

	chain in { # handle 4
		type filter hook input priority filter - 1; policy drop;
		udp dport 53 counter packets 3 bytes 99 drop comment "chain x { # handle 9" # handle 7
		jump own # handle 8
	}

	chain own { # handle 5
		counter name hits accept # handle 10
	}
}
table ip nat { # handle 4
}
`;

test('tables, chains, rules and what stands beside them', () => {
  const { tables, chains, objects } = parseListing(LISTING);
  expect(tables).toEqual([
    { family: 'inet', name: 'fw', flags: 'dormant' },
    { family: 'ip', name: 'nat', flags: '' },
  ]);
  expect(objects).toEqual([
    { kind: 'set', family: 'inet', table: 'fw', name: 's' },
    { kind: 'flowtable', family: 'inet', table: 'fw', name: 'ft' },
  ]);
  expect(chains.map(({ name, hook, policy, rules }) => [name, hook, policy, rules.length])).toEqual([
    ['in', 'input', 'drop', 2],
    ['own', undefined, undefined, 1],
  ]);
});

test('a comment that looks like a block is none, and counters are not what a rule does', () => {
  const { chains } = parseListing(LISTING);
  expect(chains.flatMap(({ rules }) => rules.map((rule) => [bareRule(rule), rule.handle]))).toEqual([
    ['udp dport 53 drop', 7],
    ['jump own', 8],
    ['accept', 10],
  ]);
});

test('a kernel without rules', () => {
  expect(parseListing('')).toEqual({ tables: [], chains: [], objects: [] });
});
