import { describe, expect, test } from 'vitest';
import { formatAddress } from '../../../src/base/ip.ts';
import { readDnsService, readPodRanges } from '../../../src/kubernetes/dns-service.ts';
import { keepEndpointSlice, keepNode, keepService } from '../../../src/kubernetes/objects.ts';
import { node, service, slice } from '../../support/kubernetes-objects.ts';

const ready = (...addresses: string[]) => ({ addresses, conditions: { ready: true } });

function read(serviceObject: object | undefined, ...slices: object[]) {
  const { servers, endpoints, problem } = readDnsService(
    keepService(serviceObject),
    slices.flatMap((each) => keepEndpointSlice(each) ?? []),
  );
  const shown = endpoints.map(({ address, port }) => `${formatAddress(address)} ${port}`);
  return { servers, endpoints: shown, problem };
}

const one = slice('a', [ready('10.0.2.5')]);

describe('servers', () => {
  test('are the cluster IPs of both families, in canonical text and sorted', () => {
    expect(read(service(['2001:DB8:0::A', '10.96.0.10']), one).servers).toEqual(['10.96.0.10', '2001:db8::a']);
  });

  test.each<[why: string, service: object | undefined, problem: string]>([
    ['the Service is missing', undefined, 'it is missing'],
    ['it is headless', service(['None']), 'it has no cluster IP'],
    [
      'it has no port 53',
      service(['10.96.0.10'], [{ name: 'dns', port: 5353, protocol: 'UDP' }]),
      'it has no UDP port 53',
    ],
    ['port 53 is of TCP alone', service(['10.96.0.10'], [{ name: 'dns', port: 53 }]), 'it has no UDP port 53'],
  ])('none when %s', (_why, object, problem) => {
    const found = read(object, one);
    expect(found).toMatchObject({ servers: [], endpoints: [] });
    expect(found.problem).toContain(problem);
  });
});

describe('endpoints', () => {
  const dns = service(['10.96.0.10']);

  test('come from all slices, once each, sorted', () => {
    const second = slice('b', [ready('10.0.1.4'), ready('10.0.2.5')]);
    expect(read(dns, one, second)).toMatchObject({ endpoints: ['10.0.1.4 53', '10.0.2.5 53'], problem: '' });
  });

  test('of both families', () => {
    const six = { ...slice('six', [ready('2001:db8::5')]), addressType: 'IPv6' };
    expect(read(dns, one, six).endpoints).toEqual(['10.0.2.5 53', '2001:db8::5 53']);
  });

  test('have the port of the pod, not of the Service', () => {
    const other = slice('a', [ready('10.0.2.5')], [{ name: 'dns', port: 5353, protocol: 'UDP' }]);
    expect(read(dns, other).endpoints).toEqual(['10.0.2.5 5353']);
  });

  test('are those behind the port 53 of the Service, whatever its name', () => {
    const named = service(['10.96.0.10'], [{ name: 'udp-53', port: 53, protocol: 'UDP' }]);
    const ports = [
      { name: 'metrics', port: 9153, protocol: 'UDP' },
      { name: 'udp-53', port: 1053, protocol: 'UDP' },
    ];
    expect(read(named, slice('a', [ready('10.0.2.5')], ports)).endpoints).toEqual(['10.0.2.5 1053']);
  });

  test.each<[why: string, slice: object]>([
    ['one that is not ready', slice('a', [{ addresses: ['10.0.2.5'], conditions: { ready: false } }])],
    ['a name', { ...slice('a', [ready('dns.example.org')]), addressType: 'FQDN' }],
    ['one without the port', slice('a', [ready('10.0.2.5')], [{ name: 'dns', port: 53, protocol: 'TCP' }])],
    ['one with every port', slice('a', [ready('10.0.2.5')], [{ name: 'dns', protocol: 'UDP' }])],
  ])('%s is none', (_why, object) => {
    expect(read(dns, object)).toMatchObject({ endpoints: [], problem: 'it has no ready endpoint' });
  });
});

describe('pod ranges', () => {
  test.each<[why: string, given: string[], read: string[]]>([
    ['both families', ['10.0.1.0/24', '2001:DB8:1::/64'], ['10.0.1.0/24', '2001:db8:1::/64']],
    ['a length that the family does not have', ['10.0.1.0/33', '2001:db8::/129'], []],
    ['what is no range', ['10.0.1.0', 'x/24', '10.0.1.0/', '10.0.1.0/1/2', '10.0.1.0/-1'], []],
  ])('%s', (_why, given, ranges) => expect(readPodRanges(keepNode(node(given)))).toEqual(ranges));

  test('none without the Node', () => expect(readPodRanges(undefined)).toEqual([]));
});
