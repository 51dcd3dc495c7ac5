// The reference, by tables of what the suites of Kubernetes check of NetworkPolicy, corner by corner (standards §3.6).
import { describe, expect, test } from 'vitest';
import { cilium, networkPolicy, podOf, verdictOf, WORLD } from './policy-reference/example.ts';
import type { Pod, World } from './policy-reference/world.ts';

type Row = readonly [why: string, policies: string, question: string, verdict: string];

function judge(rows: readonly Row[], pod: Pod, world: World): void {
  test.each(rows)('%s', (_why, policies, question, verdict) =>
    expect(verdictOf(policies, question, pod, world)).toBe(verdict),
  );
}

/** As in the e2e suite: namespaces x, y, z with pods a, b, c; x/a is 10.2.1.1, z/c is 10.2.3.3. */
const NETPOL: World = {
  ...WORLD,
  namespaces: ['x', 'y', 'z'].map((name) => ({ name, labels: { ns: name } })),
  pods: ['x', 'y', 'z'].flatMap((namespace, i) =>
    ['a', 'b', 'c'].map((name, k): Pod => ({
      namespace,
      name,
      labels: { pod: name },
      addresses: [`10.2.${i + 1}.${k + 1}`],
      ports: [
        { name: 'serve-80-tcp', port: 80, protocol: 'TCP' },
        { name: 'serve-81-udp', port: 81, protocol: 'UDP' },
      ],
    })),
  ),
};

describe('NetworkPolicy', () => {
  const of = (spec: string): string => networkPolicy(spec).replace('namespace: shop', 'namespace: x');
  const egress = (items: string): string => of(`podSelector: {}, policyTypes: [Egress], egress: [${items}]`);
  const to = (peers: string): string => egress(`{to: [${peers}]}`);
  const denyAll = of('podSelector: {}, policyTypes: [Ingress, Egress]');
  const [XA, XB, YA, YB, ZC] = ['10.2.1.1', '10.2.1.2', '10.2.2.1', '10.2.2.2', '10.2.3.3'];
  judge(
    [
      ['1: deny all, no rules', denyAll, `tcp ${YA} 80`, 'deny'],
      ['1: deny all, an empty list', egress(''), `tcp ${YA} 80`, 'deny'],
      ['1: deny all denies DNS, too', denyAll, 'ask udp example.org', 'deny'],
      ['2: a named port', egress('{ports: [{port: serve-80-tcp}]}'), `tcp ${YA} 80`, 'allow'],
      ['2: the port beside it', egress('{ports: [{port: serve-80-tcp}]}'), `tcp ${YA} 81`, 'deny'],
      ['2: a named port is one of pods', egress('{ports: [{port: serve-80-tcp}]}'), 'tcp 192.0.2.1 80', 'deny'],
      ['2: a named port of the other protocol', egress('{ports: [{port: serve-81-udp}]}'), `udp ${YA} 81`, 'deny'],
      [
        '2: a named port with its protocol',
        egress('{ports: [{port: serve-81-udp, protocol: UDP}]}'),
        `udp ${YA} 81`,
        'allow',
      ],
      [
        '3: other pods are not selected',
        of('podSelector: {matchLabels: {pod: b}}, policyTypes: [Egress]'),
        `tcp ${YA} 80`,
        'allow',
      ],
      [
        '3: this pod is selected',
        of('podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress]'),
        `tcp ${YA} 80`,
        'deny',
      ],
      [
        '3: another namespace is not selected',
        networkPolicy('podSelector: {}, policyTypes: [Egress]'),
        `tcp ${YA} 80`,
        'allow',
      ],
      [
        '4: ingress in the same policy opens nothing',
        of(`podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{to: [{podSelector: {}}]}]`),
        `tcp ${YA} 80`,
        'deny',
      ],
      [
        '5: both selectors, both hold',
        to('{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: a}}}'),
        `tcp ${YA} 80`,
        'allow',
      ],
      [
        '5: both selectors, one holds',
        to('{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: a}}}'),
        `tcp ${YB} 80`,
        'deny',
      ],
      [
        '5: two elements, the first holds',
        to('{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: b}}}'),
        `tcp ${YB} 80`,
        'allow',
      ],
      [
        '5: two elements, the second holds',
        to('{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: b}}}'),
        `tcp ${XB} 80`,
        'allow',
      ],
      [
        '5: two elements, none holds',
        to('{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: b}}}'),
        `tcp ${XA} 80`,
        'deny',
      ],
      ['5: pods without namespaces are of the own', to('{podSelector: {}}'), `tcp ${YA} 80`, 'deny'],
      ['5: every namespace', to('{namespaceSelector: {}}'), `tcp ${ZC} 80`, 'allow'],
      ['5: every namespace is not every address', to('{namespaceSelector: {}}'), 'tcp 192.0.2.1 80', 'deny'],
      ['6: allow all beats deny all', denyAll + egress('{}').replace('name: p', 'name: q'), `tcp ${YA} 80`, 'allow'],
      ['6: whatever their order', egress('{}') + denyAll.replace('name: p', 'name: q'), `tcp ${YA} 80`, 'allow'],
      ["7: ipBlock with a pod's address", to(`{ipBlock: {cidr: ${YA}/32}}`), `tcp ${YA} 80`, 'allow'],
      ['7: except', to(`{ipBlock: {cidr: 10.2.0.0/16, except: [${YA}/32]}}`), `tcp ${YA} 80`, 'deny'],
      ['7: beside except', to(`{ipBlock: {cidr: 10.2.0.0/16, except: [${YA}/32]}}`), `tcp ${YB} 80`, 'allow'],
      [
        '7: in an except and listed beside it',
        to(`{ipBlock: {cidr: 10.2.0.0/16, except: [${YA}/32]}}, {ipBlock: {cidr: ${YA}/32}}`),
        `tcp ${YA} 80`,
        'allow',
      ],
      [
        '7: a broad block leaves the metadata address closed',
        to('{ipBlock: {cidr: 0.0.0.0/0}}'),
        'tcp 169.254.169.254 80',
        'deny',
      ],
      ['7: the node itself is in no block', to('{ipBlock: {cidr: 10.9.0.1/32}}'), 'tcp 10.9.0.1 80', 'deny'],
      [
        '8: types left out, egress is there',
        of(`podSelector: {}, egress: [{to: [{podSelector: {}}]}]`),
        `tcp ${YA} 80`,
        'deny',
      ],
      ['8: types left out, egress is empty', of('podSelector: {}, egress: []'), `tcp ${YA} 80`, 'deny'],
      ['8: types left out, ingress alone', of('podSelector: {}, ingress: []'), `tcp ${YA} 80`, 'allow'],
      ['8: types left out, neither', of('podSelector: {}'), `tcp ${YA} 80`, 'allow'],
      [
        '8: Ingress alone, egress is there all the same',
        of('podSelector: {}, policyTypes: [Ingress], egress: []'),
        `tcp ${YA} 80`,
        'allow',
      ],
      [
        '8: an egress rule of a policy that is not about egress',
        denyAll + of('podSelector: {}, policyTypes: [Ingress], egress: [{}]'),
        `tcp ${YA} 80`,
        'deny',
      ],
      [
        '9: NotIn of a namespace by name',
        to(
          '{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [y]}]}}',
        ),
        `tcp ${YA} 80`,
        'deny',
      ],
      [
        '9: NotIn of another',
        to(
          '{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [y]}]}}',
        ),
        `tcp ${ZC} 80`,
        'allow',
      ],
      ['10: SCTP is not TCP', egress('{ports: [{protocol: SCTP, port: 80}]}'), `tcp ${YA} 80`, 'deny'],
      ['10: SCTP is SCTP', egress('{ports: [{protocol: SCTP, port: 80}]}'), `sctp ${YA} 80`, 'allow'],
      ['10: UDP is not TCP', egress('{ports: [{protocol: UDP, port: 80}]}'), `tcp ${YA} 80`, 'deny'],
      ['10: left out is TCP', egress('{ports: [{port: 80}]}'), `tcp ${YA} 80`, 'allow'],
      ['10: left out is TCP alone', egress('{ports: [{port: 80}]}'), `udp ${YA} 80`, 'deny'],
      ['11: endPort', egress('{ports: [{port: 80, endPort: 90}]}'), `tcp ${YA} 90`, 'allow'],
      ['11: after endPort', egress('{ports: [{port: 80, endPort: 90}]}'), `tcp ${YA} 91`, 'deny'],
      ['11: before port', egress('{ports: [{port: 80, endPort: 90}]}'), `tcp ${YA} 79`, 'deny'],
      ['12: an empty rule is everything', egress('{}'), '47 192.0.2.1 0', 'allow'],
      ['12: everything, but for the metadata address', egress('{}'), 'tcp 169.254.169.254 80', 'deny'],
      ['12: everything, the node itself among it', egress('{}'), 'tcp 10.9.0.1 10250', 'allow'],
      ['12: an empty list of peers is everybody', egress('{to: []}'), 'tcp 192.0.2.1 80', 'allow'],
      ['12: without ports, ICMP too', to('{podSelector: {}}'), `icmp ${XB} 8`, 'allow'],
      [
        '12: an empty list of ports is all of them',
        egress('{to: [{podSelector: {}}], ports: []}'),
        `icmp ${XB} 8`,
        'allow',
      ],
      ['12: with ports, no ICMP', egress('{ports: [{protocol: TCP}]}'), `icmp ${XB} 8`, 'deny'],
      ['12: a protocol alone is all its ports', egress('{ports: [{protocol: UDP}]}'), `udp ${XB} 65535`, 'allow'],
      ['12: no protocol and no port is TCP', egress('{ports: [{}]}'), `tcp ${XB} 1`, 'allow'],
      [
        'beside Cilium: an egressDeny',
        egress('{}') + cilium('egressDeny: [{toEntities: [all]}]').replace('namespace: shop', 'namespace: x'),
        `tcp ${YA} 80`,
        'deny',
      ],
      [
        'beside Cilium: allowed by either',
        denyAll + cilium(`egress: [{toCIDR: [${YA}/32]}]`).replace('namespace: shop', 'namespace: x'),
        `tcp ${YA} 80`,
        'allow',
      ],
    ],
    podOf('x/a', NETPOL),
    NETPOL,
  );

  test('11: labels move pods and namespaces in and out', () => {
    const policy = to('{namespaceSelector: {matchLabels: {moved: yes}}, podSelector: {matchLabels: {moved: yes}}}');
    const yes = policy.replaceAll('moved: yes', "moved: 'yes'");
    const moved = { moved: 'yes' };
    const world = {
      ...NETPOL,
      namespaces: NETPOL.namespaces.map((each) => (each.name === 'y' ? { ...each, labels: moved } : each)),
      pods: NETPOL.pods.map((each) => (each.name === 'a' ? { ...each, labels: moved } : each)),
    };
    const of3 = [YA, YB, XB].map((address) => verdictOf(yes, `tcp ${address} 80`, podOf('x/a', world), world));
    expect(of3).toEqual(['allow', 'deny', 'deny']);
    expect(verdictOf(yes, `tcp ${YA} 80`, podOf('x/a', NETPOL), NETPOL)).toBe('deny');
  });
});
