// Policies that must be refused, with every message and its place: the golden table of what users read.
import { expect, test } from 'vitest';
import { readPolicies } from '../../../../src/policy/dialects/read-policies.ts';

const head = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
`;
const indent = (text: string, by: string) => text.replaceAll(/^/gm, by);
const document = (text: string) => text;
const spec = (text: string) => `${head}spec:\n  endpointSelector: {}\n${indent(text, '  ')}\n`;
const egress = (text: string) => spec(`egress:\n${indent(text, '  ')}`);
const selector = (text: string) => `${head}spec:\n  egress: [{}]\n  endpointSelector:\n${indent(text, '    ')}\n`;

const table: readonly (readonly [why: string, text: string, problems: readonly string[]])[] = [
  [
    'nothing',
    document(''),
    ['p.yaml:1:1: empty-file: Cannot read a policy: the file is empty; write one, or remove the file'],
  ],
  [
    'only a comment',
    document(`# soon
`),
    ['p.yaml:1:1: empty-file: Cannot read a policy: the file is empty; write one, or remove the file'],
  ],
  [
    'a list instead of a document',
    document(`- a
- b
`),
    [
      'p.yaml:1:1: wrong-type: Cannot read a policy: the document must be a mapping that begins with apiVersion and kind',
    ],
  ],
  [
    'a text instead of a document',
    document(`hello
`),
    [
      'p.yaml:1:1: wrong-type: Cannot read a policy: the document must be a mapping that begins with apiVersion and kind',
    ],
  ],
  [
    'YAML that is cut off',
    document(`a: [1, 2
`),
    [
      'p.yaml:2:1: yaml-syntax: Cannot read the YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  ],
  [
    'a tab as indentation',
    document(`a:
	b: 1
`),
    ['p.yaml:2:1: yaml-syntax: Cannot read the YAML: Tabs are not allowed as indentation'],
  ],
  [
    'an unknown tag',
    document(`a: !!python/object x
`),
    ['p.yaml:1:4: yaml-syntax: Cannot read the YAML: Unresolved tag: tag:yaml.org,2002:python/object'],
  ],
  [
    'an anchor that is missing',
    document(`a: *b
`),
    [
      'p.yaml:1:1: missing-field: Add "apiVersion" to the document: it is missing; write apiVersion: cilium.io/v2',
      'p.yaml:1:1: missing-field: Add "kind" to the document: it is missing; write kind: CiliumNetworkPolicy',
      'p.yaml:1:4: yaml-syntax: Cannot read the YAML: there is no anchor "&b"',
    ],
  ],
  [
    'a mapping as a key',
    document(`{a: 1}: 2
`),
    ['p.yaml:1:1: yaml-syntax: Cannot read the YAML: With stringKeys, all keys must be strings'],
  ],
  [
    'a duplicate key',
    document(
      head +
        `spec: {}
metadata: {}
`,
    ),
    [
      'p.yaml:4:7: missing-field: rule must have an EndpointSelector; write endpointSelector: {} for every pod of the namespace',
      'p.yaml:4:7: missing-field: rule must have Egress; write "egress: [{}]" to deny everything',
      'p.yaml:5:1: duplicate-key: Remove the second "metadata": a key stands once in a mapping',
    ],
  ],
  [
    'no kind',
    document(`apiVersion: cilium.io/v2
`),
    ['p.yaml:1:1: missing-field: Add "kind" to the document: it is missing; write kind: CiliumNetworkPolicy'],
  ],
  [
    'a misspelt kind',
    document(`apiVersion: cilium.io/v2
kind: CiliumNetworkPolice
`),
    [
      'p.yaml:2:7: unknown-kind: Cannot read a document of kind "CiliumNetworkPolice": not supported yet; did you mean "CiliumNetworkPolicy"?',
    ],
  ],
  [
    'a kind of another language',
    document(`apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
`),
    [
      'p.yaml:2:7: unknown-kind: Cannot read a document of kind "NetworkPolicy": not supported yet; write one of CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy',
    ],
  ],
  [
    'an old apiVersion',
    document(`apiVersion: cilium.io/v1
kind: CiliumNetworkPolicy
`),
    ['p.yaml:1:13: unknown-kind: Cannot read a CiliumNetworkPolicy of apiVersion "cilium.io/v1": write "cilium.io/v2"'],
  ],
  [
    'no metadata and no spec',
    document(`apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
`),
    [
      'p.yaml:1:1: missing-field: Add "metadata" to the policy: it is missing; write metadata: {name: my-policy}',
      'p.yaml:1:1: missing-field: spec or specs must be provided',
    ],
  ],
  [
    'a bad name and a number as namespace',
    document(`apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: My Policy
  namespace: 7
spec: {endpointSelector: {}, egress: [{}]}
`),
    [
      `p.yaml:4:9: bad-value: Cannot use "My Policy" as a policy's name: lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit`,
      'p.yaml:5:14: wrong-type: Cannot use number 7 for metadata.namespace: it must be a text; write "7"',
    ],
  ],
  [
    'a bad namespace',
    document(`apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: p
  namespace: a.b
spec: {endpointSelector: {}, egress: [{}]}
`),
    [
      'p.yaml:5:14: bad-value: Cannot use "a.b" as a namespace: lower case letters, digits and "-", at most 63, beginning and ending with a letter or digit',
    ],
  ],
  [
    'a namespace on a clusterwide policy',
    document(`apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata:
  name: p
  namespace: shop
spec: {endpointSelector: {}, egress: [{}]}
`),
    ['p.yaml:5:3: bad-value: Remove "namespace": a CiliumClusterwideNetworkPolicy belongs to none'],
  ],
  [
    'an annotation for namewall that it does not know',
    document(`apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: p
  annotations:
    other.example/x: y
    namewall.io/max-ttl: 5s
spec: {endpointSelector: {}, egress: [{}]}
`),
    ['p.yaml:7:5: unknown-field: Remove annotation "namewall.io/max-ttl": namewall knows no such annotation'],
  ],
  [
    'an unknown field at the top',
    document(
      head +
        `sepc: {}
spec: {endpointSelector: {}, egress: [{}]}
`,
    ),
    [
      'p.yaml:4:1: unknown-field: Cannot use field "sepc" in a CiliumNetworkPolicy: it is unknown; did you mean "spec"?',
    ],
  ],
  [
    'specs that are empty',
    document(
      head +
        `specs: []
`,
    ),
    [
      'p.yaml:4:8: empty-list: Cannot use an empty list for specs: it would leave the policy without effect; list at least one rule',
    ],
  ],
  [
    'no selector',
    document(
      head +
        `spec: {egress: [{}]}
`,
    ),
    [
      'p.yaml:4:7: missing-field: rule must have an EndpointSelector; write endpointSelector: {} for every pod of the namespace',
    ],
  ],
  [
    'no egress',
    document(
      head +
        `spec: {endpointSelector: {}}
`,
    ),
    ['p.yaml:4:7: missing-field: rule must have Egress; write "egress: [{}]" to deny everything'],
  ],
  [
    'an empty egress',
    spec('egress: []'),
    [
      'p.yaml:6:11: empty-list: Cannot use an empty list for egress: it would restrict nothing; write "egress: [{}]" to deny everything',
    ],
  ],
  [
    'egress without a value',
    spec('egress:'),
    ['p.yaml:6:10: wrong-type: Cannot use no value for egress: it must be a list'],
  ],
  [
    'ingress',
    spec(`egress: [{}]
ingress: [{}]`),
    [
      'p.yaml:7:3: not-supported: Cannot enforce "ingress" in a spec: not supported yet; namewall judges egress only; write it as a NetworkPolicy for your CNI and remove it here',
    ],
  ],
  [
    'egressDeny',
    spec(`egress: [{}]
egressDeny:
  - toCIDR: [192.0.2.0/24]`),
    [
      'p.yaml:7:3: not-supported: Cannot enforce "egressDeny" in a spec: not supported yet; remove it; what no egress rule allows is denied already',
    ],
  ],
  [
    'a nodeSelector',
    document(
      head +
        `spec:
  nodeSelector: {}
  egress: [{}]
`,
    ),
    [
      `p.yaml:5:3: not-supported: Cannot enforce "nodeSelector" in a spec: not supported yet; remove the rule; the host's own traffic is not judged`,
    ],
  ],
  [
    'no default deny',
    spec(`enableDefaultDeny: {egress: false}
egress: [{}]`),
    [
      'p.yaml:6:23: not-supported: Cannot enforce enableDefaultDeny.egress: false: not supported yet; a policy that is loaded here denies what it does not allow',
    ],
  ],
  [
    'a text as flag',
    spec(`enableDefaultDeny: {egress: "true"}
egress: [{}]`),
    ['p.yaml:6:31: wrong-type: Cannot use the text "true" for enableDefaultDeny.egress: it must be true or false'],
  ],
  [
    'a number as description',
    spec(`description: 12
egress: [{}]`),
    ['p.yaml:6:16: wrong-type: Cannot use number 12 for description: it must be a text; write "12"'],
  ],
  [
    'a misspelt toFQDNs',
    egress(`- toFQDN:
    - matchName: example.org`),
    ['p.yaml:7:7: unknown-field: Cannot use field "toFQDN" in an egress rule: it is unknown; did you mean "toFQDNs"?'],
  ],
  [
    'an unknown field that resembles none',
    egress('- destinations: []'),
    [
      'p.yaml:7:7: unknown-field: Cannot use field "destinations" in an egress rule: it is unknown; write one of "toFQDNs", "toPorts", "toEndpoints"',
    ],
  ],
  [
    'toCIDR',
    egress(`- toCIDR: [192.0.2.0/24]
  toPorts: [{ports: [{port: "443"}]}]`),
    [
      'p.yaml:7:7: not-supported: Cannot enforce "toCIDR" in an egress rule: not supported yet; allow these destinations by name with toFQDNs, or remove the rule',
    ],
  ],
  [
    'toEntities',
    egress('- toEntities: [world]'),
    [
      'p.yaml:7:7: not-supported: Cannot enforce "toEntities" in an egress rule: not supported yet; allow these destinations by name with toFQDNs, or remove the rule',
    ],
  ],
  [
    'toFQDNs beside toEndpoints',
    egress(`- toFQDNs: [{matchName: example.org}]
  toEndpoints: [{}]`),
    ['p.yaml:8:7: bad-rule: combining ToFQDNs and ToEndpoints is not supported yet; write two egress rules'],
  ],
  [
    'toFQDNs beside toCIDRSet',
    egress(`- toFQDNs: [{matchName: example.org}]
  toCIDRSet: [{cidr: 192.0.2.0/24}]`),
    ['p.yaml:8:7: bad-rule: combining ToFQDNs and ToCIDRSet is not supported yet; write two egress rules'],
  ],
  [
    'an empty toFQDNs, which Cilium takes for every destination',
    egress(`- toFQDNs: []
  toPorts: [{ports: [{port: "443"}]}]`),
    [
      'p.yaml:7:16: empty-list: Cannot use an empty list for toFQDNs: it selects nothing; remove the rule, or write "- {}" to deny everything',
    ],
  ],
  [
    'toFQDNs without a value',
    egress(`- toFQDNs:
  toPorts: [{ports: [{port: "443"}]}]`),
    ['p.yaml:7:15: wrong-type: Cannot use no value for toFQDNs: it must be a list'],
  ],
  [
    'both matchName and matchPattern',
    egress(`- toFQDNs:
    - matchName: a.org
      matchPattern: "*.a.org"`),
    [
      'p.yaml:9:11: bad-rule: only one of MatchName or MatchPattern is allowed in an FQDNSelector; write two items to allow both',
    ],
  ],
  [
    'neither matchName nor matchPattern',
    egress('- toFQDNs: [{}]'),
    [
      'p.yaml:7:17: missing-field: Add matchName or matchPattern to an item of toFQDNs: it has neither, so it would match nothing',
    ],
  ],
  [
    'a star in matchName',
    egress(`- toFQDNs:
    - matchName: "*.example.org"`),
    [
      'p.yaml:8:22: bad-name: Invalid characters in MatchName: "*.example.org". Only 0-9, a-z, A-Z and ., -, _ characters are allowed; write matchPattern: "*.example.org" for a wildcard',
    ],
  ],
  [
    'a name in Unicode',
    egress(`- toFQDNs:
    - matchName: münchen.example`),
    [
      'p.yaml:8:22: bad-name: Invalid characters in MatchName: "münchen.example". Only 0-9, a-z, A-Z and ., -, _ characters are allowed; write "xn--mnchen-3ya.example"',
    ],
  ],
  [
    'a number as name',
    egress(`- toFQDNs:
    - matchName: 12.5`),
    ['p.yaml:8:22: wrong-type: Cannot use number 12.5 for matchName: it must be a text; write "12.5"'],
  ],
  [
    'a bad pattern',
    egress(`- toFQDNs:
    - matchPattern: "*.example..org"`),
    ['p.yaml:8:25: bad-pattern: Invalid MatchPattern: "*.example..org". Labels are joined by single dots'],
  ],
  [
    'a name of 256 characters',
    egress(`- toFQDNs:\n    - matchName: ${'a'.repeat(256)}`),
    [`p.yaml:8:22: bad-name: Invalid MatchName: "${'a'.repeat(256)}". Must be <= 255 characters long`],
  ],
  [
    'an empty toPorts',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: []`),
    [
      'p.yaml:8:16: empty-list: Cannot use an empty list for toPorts: Cilium would open every port; remove toPorts if that is meant',
    ],
  ],
  [
    'empty ports',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: []}]`),
    [
      'p.yaml:8:25: empty-list: Cannot use an empty list for ports: Cilium would open every port; write port: "0" if that is meant',
    ],
  ],
  [
    'no ports',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{}]`),
    [
      'p.yaml:8:17: missing-field: Add "ports" to an item of toPorts: it is missing; write ports: [{port: "443", protocol: TCP}]',
    ],
  ],
  [
    '41 ports',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts:
    - ports: [${Array.from({ length: 41 }, (_, i) => `{port: ${i + 1}}`).join(', ')}]`),
    ['p.yaml:9:18: bad-port: too many ports, the max is 40; 41 are listed: use endPort or split the entry'],
  ],
  [
    'a named port',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{port: https}]}]`),
    [
      'p.yaml:8:33: bad-port: Cannot use port "https": a named port belongs to a pod, and these destinations are none; write its number',
    ],
  ],
  [
    'a port beyond the last',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{port: 65536}]}]`),
    ['p.yaml:8:33: bad-port: Cannot use port "65536": write a decimal number from 0 to 65535'],
  ],
  [
    'a port with a leading zero',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{port: "010"}]}]`),
    ['p.yaml:8:33: bad-port: Cannot use port "010": write a decimal number from 0 to 65535'],
  ],
  [
    'a port in hexadecimal',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{port: 0x50}]}]`),
    ['p.yaml:8:33: bad-port: Cannot use port "0x50": write a decimal number from 0 to 65535'],
  ],
  [
    'no port',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{protocol: TCP}]}]`),
    ['p.yaml:8:26: missing-field: port must be specified; write port: "443", or "0" for every port'],
  ],
  [
    'endPort before port',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{port: 90, endPort: 80}]}]`),
    ['p.yaml:8:46: bad-port: Cannot use endPort 80: it is less than port 90; exchange the two'],
  ],
  [
    'endPort with port 0',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{port: 0, endPort: 80}]}]`),
    ['p.yaml:8:36: bad-port: Remove "endPort": port "0" is every port already'],
  ],
  [
    'a protocol in lower case',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{port: 80, protocol: tcp}]}]`),
    ['p.yaml:8:47: bad-protocol: Cannot use protocol "tcp": did you mean "TCP"?'],
  ],
  [
    'a protocol that has no ports',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts: [{ports: [{port: 80, protocol: ICMP}]}]`),
    ['p.yaml:8:47: bad-protocol: Cannot use protocol "ICMP": write one of TCP, UDP, SCTP, ANY'],
  ],
  [
    'serverNames',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts:
    - ports: [{port: 443}]
      serverNames: [a.org]`),
    [
      'p.yaml:10:11: not-supported: Cannot enforce "serverNames" in an item of toPorts: not supported yet; remove the item; without the check of server names it would open more than it says',
    ],
  ],
  [
    'rules beside toFQDNs',
    egress(`- toFQDNs: [{matchName: a.org}]
  toPorts:
    - ports: [{port: 53}]
      rules: {dns: []}`),
    [
      'p.yaml:10:11: not-supported: Remove "rules" beside toFQDNs: the names of toFQDNs may be asked anyway; write rules.dns in an egress rule of its own, with port "53" and without toFQDNs',
    ],
  ],
  [
    'any destination on a port',
    egress('- toPorts: [{ports: [{port: 443, protocol: TCP}]}]'),
    [
      'p.yaml:7:33: not-supported: Cannot open port "443" to every destination: not supported yet; add toFQDNs with the names that it is for',
    ],
  ],
  [
    'any destination on every port',
    egress('- toPorts: [{ports: [{port: 0}]}]'),
    [
      'p.yaml:7:33: not-supported: Cannot open port "0" to every destination: not supported yet; add toFQDNs with the names that it is for',
    ],
  ],
  [
    'DNS rules on another port',
    egress(`- toPorts:
    - ports: [{port: 5353}]
      rules: {dns: [{matchPattern: "*"}]}`),
    ['p.yaml:8:26: not-supported: Cannot filter DNS on port "5353": only port "53" is proxied'],
  ],
  [
    'DNS rules on a range',
    egress(`- toPorts:
    - ports: [{port: 53, endPort: 54}]
      rules: {dns: [{matchPattern: "*"}]}`),
    ['p.yaml:8:26: not-supported: DNS rules do not support port ranges; write port: "53" instead of ports 53 to 54'],
  ],
  [
    'DNS rules on every port',
    egress(`- toPorts:
    - ports: [{port: "0"}]
      rules: {dns: [{matchPattern: "*"}]}`),
    ['p.yaml:8:26: not-supported: L7 rules can not be used when a port is 0; write port: "53"'],
  ],
  [
    'DNS over SCTP',
    egress(`- toPorts:
    - ports: [{port: 53, protocol: SCTP}]
      rules: {dns: [{matchPattern: "*"}]}`),
    ['p.yaml:8:26: not-supported: Cannot proxy DNS over SCTP; write protocol: UDP, TCP or ANY'],
  ],
  [
    'an item of rules.dns with neither field',
    egress(`- toPorts:
    - ports: [{port: 53}]
      rules: {dns: [{}]}`),
    [
      'p.yaml:9:25: missing-field: Add matchName or matchPattern to an item of rules.dns: it has neither, so it would match nothing',
    ],
  ],
  [
    'an empty rules',
    egress(`- toPorts:
    - ports: [{port: 53}]
      rules: {}`),
    ['p.yaml:9:18: missing-field: Add "dns" to rules: it is empty; remove rules to allow every name'],
  ],
  [
    'rules.dns without a value',
    egress(`- toPorts:
    - ports: [{port: 53}]
      rules:
        dns:`),
    ['p.yaml:10:17: wrong-type: Cannot use no value for rules.dns: it must be a list'],
  ],
  [
    'HTTP rules',
    egress(`- toPorts:
    - ports: [{port: 80}]
      rules: {http: [{method: GET}]}`),
    [
      'p.yaml:8:26: not-supported: Cannot open port "80" to every destination: not supported yet; add toFQDNs with the names that it is for',
      'p.yaml:9:19: not-supported: Cannot enforce "http" in rules: not supported yet; remove the item; namewall never reads inside connections',
    ],
  ],
  [
    'pods as destination',
    egress(`- toEndpoints:
    - matchLabels: {app: db}
  toPorts: [{ports: [{port: 53}]}]`),
    [
      'p.yaml:8:11: not-supported: Cannot enforce this toEndpoints selector: only the cluster DNS is supported yet, as matchLabels "k8s:io.kubernetes.pod.namespace": kube-system and "k8s-app": kube-dns',
    ],
  ],
  [
    'every pod as destination',
    egress(`- toEndpoints: [{}]
  toPorts: [{ports: [{port: 53}]}]`),
    [
      'p.yaml:7:21: not-supported: Cannot enforce this toEndpoints selector: only the cluster DNS is supported yet, as matchLabels "k8s:io.kubernetes.pod.namespace": kube-system and "k8s-app": kube-dns',
    ],
  ],
  [
    'no pod as destination',
    egress(`- toEndpoints: []
  toPorts: [{ports: [{port: 53}]}]`),
    [
      'p.yaml:7:20: empty-list: Cannot use an empty list for toEndpoints: it selects nothing; remove the rule, or write "- {}" as the egress rule',
    ],
  ],
  [
    'kube-dns of the own namespace',
    egress(`- toEndpoints:
    - matchLabels: {k8s-app: kube-dns}
  toPorts: [{ports: [{port: 53}]}]`),
    [
      'p.yaml:8:11: not-supported: Cannot enforce this toEndpoints selector: only the cluster DNS is supported yet, as matchLabels "k8s:io.kubernetes.pod.namespace": kube-system and "k8s-app": kube-dns',
    ],
  ],
  [
    'the cluster DNS on every port',
    egress(`- toEndpoints:
    - matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}`),
    [
      'p.yaml:7:7: missing-field: Add "toPorts" with port "53" to this egress rule: only DNS to the cluster DNS is supported yet, not all of its ports',
    ],
  ],
  [
    'the cluster DNS on its metrics port',
    egress(`- toEndpoints:
    - matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}
  toPorts: [{ports: [{port: 9153}]}]`),
    ['p.yaml:9:33: not-supported: Cannot open port "9153" of the cluster DNS: not supported yet; only port "53" is'],
  ],
  [
    'pods of another namespace',
    selector(`matchLabels:
  k8s:io.kubernetes.pod.namespace: other`),
    [
      'p.yaml:8:7: bad-selector: Remove the namespace from endpointSelector: a policy of namespace "shop" selects pods of that namespace only; use CiliumClusterwideNetworkPolicy for others',
    ],
  ],
  [
    'a label of another source',
    selector(`matchLabels:
  reserved:host: ""`),
    [
      `p.yaml:8:7: bad-selector: Cannot select by label "reserved:host": only the sources "k8s:" and "any:" are known; write the pod's own label`,
    ],
  ],
  [
    'a label that only Cilium knows',
    selector(`matchLabels:
  io.cilium.k8s.policy.serviceaccount: web`),
    [
      `p.yaml:8:7: not-supported: Cannot select by label "io.cilium.k8s.policy.serviceaccount": namewall does not know it of a pod; select by the pod's own labels`,
    ],
  ],
  [
    'a boolean as label',
    selector(`matchLabels:
  canary: true`),
    ['p.yaml:8:15: wrong-type: Cannot use boolean true for label "canary": it must be a text; write "true"'],
  ],
  [
    'a bad label and a bad value',
    selector(`matchLabels:
  -app: web
  app: a b`),
    [
      'p.yaml:8:7: bad-label: Cannot use "-app" as a label: a key is at most 63 of a-z, A-Z, 0-9, "-", "_", ".", after an optional "prefix/"',
      `p.yaml:9:7: bad-label: Cannot use "a b" as a label's value: it is at most 63 of a-z, A-Z, 0-9, "-", "_", "."`,
    ],
  ],
  [
    'an unknown operator',
    selector(`matchExpressions:
  - {key: app, operator: NotExists}`),
    ['p.yaml:8:30: bad-selector: Cannot use operator "NotExists": did you mean "Exists"?'],
  ],
  [
    'In without values',
    selector(`matchExpressions:
  - {key: app, operator: In}`),
    [
      'p.yaml:8:9: missing-field: Add "values" to a matchExpressions item with operator "In": it is missing; write values: [web]',
    ],
  ],
  [
    'In with empty values',
    selector(`matchExpressions:
  - {key: app, operator: In, values: []}`),
    ['p.yaml:8:42: empty-list: Cannot use an empty list for values: operator "In" needs at least one'],
  ],
  [
    'Exists with values',
    selector(`matchExpressions:
  - {key: app, operator: Exists, values: [web]}`),
    ['p.yaml:8:38: bad-selector: Remove "values": operator "Exists" takes none'],
  ],
  [
    'a selector that is a text',
    document(
      head +
        `spec: {egress: [{}], endpointSelector: web}
`,
    ),
    ['p.yaml:4:40: wrong-type: Cannot use the text "web" for endpointSelector: it must be a mapping'],
  ],
  [
    'several problems, in the order of the lines',
    document(`apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: P}
spec:
  egress:
    - toFQDNs: [{matchNam: a.org}]
      toPort: []
  endpointSelectr: {}
---
apiVersion: v1
kind: Pod
`),
    [
      `p.yaml:3:18: bad-value: Cannot use "P" as a policy's name: lower case letters, digits, "-" and ".", at most 253, beginning and ending with a letter or digit`,
      'p.yaml:5:3: missing-field: rule must have an EndpointSelector; write endpointSelector: {} for every pod of the namespace',
      'p.yaml:6:18: unknown-field: Cannot use field "matchNam" in an item of toFQDNs: it is unknown; did you mean "matchName"?',
      'p.yaml:7:7: unknown-field: Cannot use field "toPort" in an egress rule: it is unknown; did you mean "toPorts"?',
      'p.yaml:8:3: unknown-field: Cannot use field "endpointSelectr" in a spec: it is unknown; did you mean "endpointSelector"?',
      'p.yaml:11:7: unknown-kind: Cannot read a document of kind "Pod": not supported yet; write one of CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy',
    ],
  ],
];

test.each(table)('refuses %s', (_why, text, expected) => {
  const read = readPolicies(text, 'p.yaml');
  expect(read.ok ? ['accepted'] : read.problems.map(({ at, code, message }) => `${at}: ${code}: ${message}`)).toEqual(
    expected,
  );
});

test('messages end without a full stop, and no code is new to the reader of the README', () => {
  for (const [, , expected] of table) for (const line of expected) expect(line).not.toMatch(/\.$/);
});
