import { expect, test } from 'vitest';
import { readResolvConf } from '../../../src/agent/resolv-conf.ts';
import { formatAddress } from '../../../src/base/ip.ts';

const FILE = '/etc/resolv.conf';

function read(text: string, own: readonly string[] = []) {
  const found = readResolvConf(text, FILE, own);
  const linesOf = (problems: typeof found.skipped): string[] => problems.map(({ at, code }) => `${at} ${code}`);
  return {
    servers: found.servers.map(({ address, port }) => `${formatAddress(address)} ${port}`),
    own: linesOf(found.own),
    skipped: linesOf(found.skipped),
  };
}

const eight = Array.from({ length: 8 }, (_, i) => `192.0.2.${i + 1}`);
const linesOf = (addresses: readonly string[]): string => addresses.map((each) => `nameserver ${each}\n`).join('');

test.each([
  ['one', 'nameserver 192.0.2.53\n', ['192.0.2.53 53']],
  [
    'both families, in their order',
    'nameserver 2001:db8::53\nnameserver 192.0.2.53\n',
    ['2001:db8::53 53', '192.0.2.53 53'],
  ],
  ['the last line without an end', 'nameserver 192.0.2.53', ['192.0.2.53 53']],
  [
    'lines that end as on Windows',
    'nameserver 192.0.2.53\r\nnameserver 192.0.2.54\r\n',
    ['192.0.2.53 53', '192.0.2.54 53'],
  ],
  ['tabs and many spaces', 'nameserver \t  192.0.2.53 \t\n', ['192.0.2.53 53']],
  ['another spelling', 'nameserver 2001:DB8:0::53\n', ['2001:db8::53 53']],
  ['IPv4 inside IPv6', 'nameserver ::ffff:192.0.2.53\n', ['192.0.2.53 53']],
  ['the stub of systemd-resolved', 'nameserver 127.0.0.53\n', ['127.0.0.53 53']],
  ['a resolver of this machine', 'nameserver ::1\n', ['::1 53']],
  ['the resolver of a cloud, link-local', 'nameserver 169.254.169.253\n', ['169.254.169.253 53']],
  [
    'comments',
    '# nameserver 192.0.2.1\n; nameserver 192.0.2.2\n#nameserver 192.0.2.3\nnameserver 192.0.2.53\n',
    ['192.0.2.53 53'],
  ],
  [
    'what follows an address',
    'nameserver 192.0.2.53 # main\nnameserver 192.0.2.54;old\n',
    ['192.0.2.53 53', '192.0.2.54 53'],
  ],
  [
    'options, search and sortlist are not ours',
    'search example.org\noptions ndots:5 use-vc\nsortlist 192.0.2.0/24\ndomain x\n',
    [],
  ],
  ['the keyword begins the line', ' nameserver 192.0.2.53\n', []],
  ['the keyword is a word', 'nameservers 192.0.2.53\nnameserver192.0.2.53\nNAMESERVER 192.0.2.53\n', []],
  ['no address', 'nameserver\nnameserver \nnameserver # none\n', []],
  ['the same twice', linesOf(['192.0.2.53', '192.0.2.54', '192.0.2.53']), ['192.0.2.53 53', '192.0.2.54 53']],
  ['more than the three of the C library', linesOf(eight), eight.map((each) => `${each} 53`)],
  ['nothing', '', []],
  ['no text at all', '\u0000\u00ff\u0000', []],
])('%s', (_why, text, servers) => {
  expect(read(text)).toEqual({ servers, own: [], skipped: [] });
});

test.each([
  ['an address with its interface', 'fe80::1%eth0', 'scoped-address'],
  ['a global one with its interface', '2001:db8::1%2', 'scoped-address'],
  ['link-local without its interface', 'fe80::1', 'bad-address'],
  ['a name', 'dns.example.org', 'bad-address'],
  ['a name with a zone', 'dns.example.org%eth0', 'bad-address'],
  ['a port', '192.0.2.53:5353', 'bad-address'],
  ['the unspecified address', '0.0.0.0', 'bad-address'],
  ['the unspecified address of IPv6', '::', 'bad-address'],
  ['multicast', '224.0.0.251', 'bad-address'],
  ['multicast of IPv6', 'ff02::fb', 'bad-address'],
  ['broadcast', '255.255.255.255', 'bad-address'],
])('skipped, with its line: %s', (_why, address, code) => {
  const found = read(`# made by hand\nnameserver ${address}\nnameserver 192.0.2.53\n`);
  expect(found).toEqual({ servers: ['192.0.2.53 53'], own: [], skipped: [`${FILE}:2:1 ${code}`] });
});

test('the ninth is skipped, one that stands twice is not', () => {
  expect(read(linesOf([...eight, '192.0.2.9', '192.0.2.1']))).toEqual({
    servers: eight.map((each) => `${each} 53`),
    own: [],
    skipped: [`${FILE}:9:1 too-many`],
  });
});

test('one that is ours is not asked, in any spelling, and takes no place', () => {
  const own = ['127.0.0.53', '2001:db8::53'];
  expect(read(linesOf(['127.0.0.53', '2001:db8:0::53', ...eight]), own)).toEqual({
    servers: eight.map((each) => `${each} 53`),
    own: [`${FILE}:1:1 own-listener`, `${FILE}:2:1 own-listener`],
    skipped: [],
  });
});

test('the message of one that is ours says why, and where the others are', () => {
  const [problem] = readResolvConf('nameserver 127.0.0.53\n', FILE, ['127.0.0.53']).own;
  expect(problem?.message).toContain('the question would come back to it');
  expect(problem?.message).toContain('/run/systemd/resolve/resolv.conf');
});
