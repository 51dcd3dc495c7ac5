// policies/library does what policies/README.md says of it: each file is explained through the command, for what it opens and for what lies beside that.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { run as check } from '../../src/cli/check.ts';
import { run as explain } from '../../src/cli/explain.ts';
import { ROOT } from './tree.ts';

const FOLDER = `${ROOT}policies/library`;
const METADATA = '169.254.169.254:80';

/** The label is that of the pod, without its prefix; '': a pod without. `ask NAME` is only about DNS. */
type Row = readonly [file: string, label: string, allowed: readonly string[], denied: readonly string[]];

const ROWS: readonly Row[] = [
  [
    'default-deny-with-dns.yaml',
    '',
    ['ask db.default.svc.cluster.local', 'ask api.shop.svc.cluster.local', 'ask 10-0-0-9.default.pod.cluster.local'],
    ['ask github.com', 'ask cluster.local.evil.example', '10.0.0.9:8080', '192.0.2.1:53/udp', METADATA],
  ],
  [
    'github.yaml',
    'github',
    ['github.com:443', 'api.github.com:443', 'release-assets.githubusercontent.com:443'],
    ['github.com:22', 'notgithub.com:443', 'github.com.evil.example:443', 'pages.github.com:443', METADATA],
  ],
  [
    'github.yaml',
    'github-ssh',
    ['github.com:22', 'ssh.github.com:443', 'ask github.com'],
    ['github.com:443', 'ssh.github.com:22', 'gist.github.com:22', METADATA],
  ],
  [
    'github-actions-runner.yaml',
    'github-actions-runner',
    [
      'github.com:443',
      'results-receiver.actions.githubusercontent.com:443',
      'productionresultssa19.blob.core.windows.net:443',
    ],
    [
      'productionresultssa20.blob.core.windows.net:443',
      'productionresultssaevil.blob.core.windows.net:443',
      'raw.githubusercontent.com:443',
      'github.com:22',
    ],
  ],
  [
    'npm.yaml',
    'npm',
    ['registry.npmjs.org:443', 'registry.yarnpkg.com:443', 'nodejs.org:443'],
    ['registry.npmjs.org:80', 'registry.npmjs.org.evil.example:443', 'registry.npmjs.com:443'],
  ],
  [
    'pypi.yaml',
    'pypi',
    ['pypi.org:443', 'files.pythonhosted.org:443', 'FILES.pythonhosted.org.:443'],
    ['upload.pypi.org:443', 'test.pypi.org:443', 'evil.pythonhosted.org:443', 'pypi.org:80'],
  ],
  [
    'crates-io.yaml',
    'crates-io',
    ['index.crates.io:443', 'static.crates.io:443', 'crates.io:443'],
    ['index.crates.io:80', 'evil.crates.io:443', 'mycrates.io:443'],
  ],
  [
    'go-proxy.yaml',
    'go-proxy',
    ['proxy.golang.org:443', 'sum.golang.org:443', 'storage.googleapis.com:443'],
    ['github.com:443', 'bucket.storage.googleapis.com:443', 'proxy.golang.org:80'],
  ],
  [
    'rubygems.yaml',
    'rubygems',
    ['rubygems.org:443', 'index.rubygems.org:443', 'ask index.rubygems.org'],
    ['rubygems.org:80', 'myrubygems.org:443', 'evil.rubygems.org:443'],
  ],
  [
    'maven-central.yaml',
    'maven-central',
    ['repo.maven.apache.org:443', 'repo1.maven.org:443', 'ask repo1.maven.org'],
    ['repo1.maven.org:80', 'repo2.maven.org:443', 'central.sonatype.com:443'],
  ],
  [
    'docker-hub.yaml',
    'docker-hub',
    [
      'registry-1.docker.io:443',
      'production.cloudfront.docker.com:443',
      'docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com:443',
    ],
    [
      'registry-2.docker.io:443',
      'docker-images-prod.evil.r2.cloudflarestorage.com:443',
      'registry-1.docker.io:5000',
      'auth.docker.io:80',
    ],
  ],
  [
    'ghcr.yaml',
    'ghcr',
    ['ghcr.io:443', 'pkg-containers.githubusercontent.com:443', 'ask ghcr.io'],
    ['evil.ghcr.io:443', 'raw.githubusercontent.com:443', 'github.com:443', 'ghcr.io:22'],
  ],
  [
    'quay.yaml',
    'quay',
    ['quay.io:443', 'cdn.quay.io:443', 'cdn06.quay.io:443'],
    ['cdn07.quay.io:443', 'quay.io:80', 'quay.io.evil.example:443'],
  ],
  [
    'registry-k8s-io.yaml',
    'registry-k8s-io',
    [
      'registry.k8s.io:443',
      'europe-west3-docker.pkg.dev:443',
      'prod-registry-k8s-io-eu-central-1.s3.dualstack.eu-central-1.amazonaws.com:443',
    ],
    [
      'prod-registry-k8s-io-evil.s3.dualstack.eu-central-1.amazonaws.com:443',
      'europe-west3-python.pkg.dev:443',
      'k8s.io:443',
    ],
  ],
  [
    'google-artifact-registry.yaml',
    'google-artifact-registry',
    ['europe-west3-docker.pkg.dev:443', 'us-docker.pkg.dev:443', 'gcr.io:443'],
    ['europe-west3-npm.pkg.dev:443', 'evil.gcr.io:443', 'us-docker.pkg.dev.evil.example:443', METADATA],
  ],
  [
    'ecr-public.yaml',
    'ecr-public',
    ['public.ecr.aws:443', 'd5l0dvt14r5h8.cloudfront.net:443', 'd2glxqk2uabbnd.cloudfront.net:443'],
    ['d111111abcdef8.cloudfront.net:443', 'ecr.aws:443', 'public.ecr.aws:80'],
  ],
  [
    'mcr.yaml',
    'mcr',
    ['mcr.microsoft.com:443', 'westeurope.data.mcr.microsoft.com:443', 'eastus.data.mcr.microsoft.com:443'],
    ['data.mcr.microsoft.com:443', 'a.b.data.mcr.microsoft.com:443', 'microsoft.com:443', 'mcr.microsoft.com:80'],
  ],
  [
    'aws.yaml',
    'aws',
    [
      'sts.eu-central-1.amazonaws.com:443',
      'my-bucket.s3.eu-central-1.amazonaws.com:443',
      '123456789012.dkr.ecr.eu-central-1.amazonaws.com:443',
      'secretsmanager.eu-central-1.amazonaws.com:443',
    ],
    [
      'sts.us-east-1.amazonaws.com:443',
      'other-bucket.s3.eu-central-1.amazonaws.com:443',
      's3.eu-central-1.amazonaws.com:443',
      '210987654321.dkr.ecr.eu-central-1.amazonaws.com:443',
      'iam.amazonaws.com:443',
      'logs.eu-central-1.amazonaws.com:80',
      '169.254.170.23:80',
      METADATA,
    ],
  ],
  [
    'ai-apis.yaml',
    'openai',
    ['api.openai.com:443', 'API.OpenAI.com:443', 'ask api.openai.com'],
    ['api.anthropic.com:443', 'chat.openai.com:443', 'api.openai.com.evil.example:443', 'api.openai.com:80'],
  ],
  [
    'ai-apis.yaml',
    'anthropic',
    ['api.anthropic.com:443', 'api.anthropic.com.:443', 'ask api.anthropic.com'],
    ['api.openai.com:443', 'statsig.anthropic.com:443', 'api.anthropic.com:80'],
  ],
  [
    'ai-apis.yaml',
    'google-ai',
    [
      'generativelanguage.googleapis.com:443',
      'europe-west4-aiplatform.googleapis.com:443',
      'aiplatform.googleapis.com:443',
    ],
    ['storage.googleapis.com:443', 'us-east4-aiplatform.googleapis.com:443', 'googleapis.com:443', METADATA],
  ],
  [
    'ai-apis.yaml',
    'mistral',
    ['api.mistral.ai:443', 'codestral.mistral.ai:443', 'ask api.mistral.ai'],
    ['chat.mistral.ai:443', 'mistral.ai:443', 'api.mistral.ai:80'],
  ],
  [
    'hugging-face.yaml',
    'hugging-face',
    ['huggingface.co:443', 'aws.cdn.hf.co:443', 'europe-west4.us.gcp.cdn.hf.co:443', 'cas-bridge.xethub.hf.co:443'],
    ['someone-demo.hf.space:443', 'cdn.hf.co:443', 'evil.hf.co:443', 'huggingface.co:22'],
  ],
  [
    'debian.yaml',
    'debian',
    ['deb.debian.org:80', 'deb.debian.org:443', 'security.debian.org:80'],
    ['ask _http._tcp.deb.debian.org', 'ftp.debian.org:80', 'deb.debian.org:21'],
  ],
  [
    'ubuntu.yaml',
    'ubuntu',
    ['archive.ubuntu.com:80', 'security.ubuntu.com:443', 'ports.ubuntu.com:80'],
    ['de.archive.ubuntu.com:80', 'ppa.launchpadcontent.net:443', 'archive.ubuntu.com:21'],
  ],
  [
    'alpine.yaml',
    'alpine',
    ['dl-cdn.alpinelinux.org:443', 'DL-CDN.alpinelinux.org:443', 'ask dl-cdn.alpinelinux.org'],
    ['dl-cdn.alpinelinux.org:80', 'dl-2.alpinelinux.org:443', 'alpinelinux.org:443'],
  ],
  [
    'fedora.yaml',
    'fedora',
    ['dl.fedoraproject.org:443', 'mirrors.fedoraproject.org:443', 'codecs.fedoraproject.org:443'],
    ['mirror.example.org:443', 'koji.fedoraproject.org:443', 'dl.fedoraproject.org:873'],
  ],
  [
    'rhel.yaml',
    'rhel',
    ['cdn-ubi.redhat.com:443', 'cdn.redhat.com:443', 'subscription.rhsm.redhat.com:443'],
    ['cdn.redhat.com:80', 'redhat.com:443', 'cdn-ubi.redhat.com.evil.example:443'],
  ],
];

/** Wildcards, and who owns what they match. A new one needs a line here. */
const PATTERNS: Readonly<Record<string, string>> = {
  '**.cluster.local': 'the cluster itself',
  '*.actions.githubusercontent.com': 'GitHub, hosts of one service',
  '*-docker.pkg.dev': 'Google, a host for each location',
  '*.data.mcr.microsoft.com': 'Microsoft, a host for each region',
  '**.cdn.hf.co': 'Hugging Face, the hosts of its CDNs',
};

const PREFIX = 'egress.namewall.io/';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'namewall-library-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function said(
  command: typeof check,
  argv: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await command(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

interface Labelled {
  readonly labels: readonly string[];
  readonly namespace?: string;
}

async function clientsFile({ labels, namespace = 'default' }: Labelled): Promise<string> {
  const path = join(folder, `${namespace}-${labels.join('-')}-clients.yaml`);
  const all = labels
    .filter((label) => label !== '')
    .map((label) => `${PREFIX}${label}: "true"`)
    .join(', ');
  await writeFile(
    path,
    `clients:\n  - {namespace: ${namespace}, name: pod, labels: {${all}}, addresses: [10.0.0.1]}\n`,
  );
  return path;
}

/** The answers of those that the pod may not do. */
async function deniedOf(destinations: readonly string[], pod: Labelled, policies: string): Promise<string[]> {
  const clients = await clientsFile(pod);
  const name = `${pod.namespace ?? 'default'}/pod`;
  const answers = await Promise.all(
    destinations.map(async (destination) => {
      const to = destination.startsWith('ask ') ? `${destination.slice('ask '.length)}:443` : destination;
      const { out, err } = await said(explain, ['--pod', name, '--to', to, '-o', 'json', policies, clients]);
      expect(err).toBe('');
      const { verdict, ask } = JSON.parse(out) as { verdict: string; ask: { udp: string; tcp: string } | null };
      if (!destination.startsWith('ask ')) return verdict;
      expect(ask?.tcp).toBe(ask?.udp);
      return ask?.udp;
    }),
  );
  return destinations.filter((_destination, i) => answers[i] !== 'allow');
}

interface Document {
  kind: string;
  metadata: Record<string, unknown>;
  spec: {
    endpointSelector: { matchLabels?: Record<string, string> };
    egress: {
      toFQDNs?: Record<string, string>[];
      toPorts: { ports: { port: string; protocol: string }[]; rules?: { dns: Record<string, string>[] } }[];
    }[];
  };
}

const documentsOf = (file: string): Document[] =>
  parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((document) => document.toJS() as Document);
const labelOf = ({ metadata }: Document): string =>
  metadata['name'] === 'default-deny-with-dns' ? '' : String(metadata['name']).replace(/^egress-/, '');
const files = [...new Set(ROWS.map(([file]) => file))];

test('every policy of the folder is in the table', async () => {
  expect((await readdir(FOLDER)).toSorted()).toEqual(files.toSorted());
  const all = files.flatMap((file) => documentsOf(file).map((document) => [file, labelOf(document)]));
  expect(ROWS.map(([file, label]) => [file, label])).toEqual(all);
});

test('each has at least three destinations that it opens, and three that it does not', () => {
  for (const [file, , allowed, denied] of ROWS) {
    expect([file, allowed.length >= 3, denied.length >= 3]).toEqual([file, true, true]);
  }
});

describe.each(ROWS)('%s, label "%s"', (file, label, allowed, denied) => {
  test('opens what it is for', async () => {
    expect(await deniedOf(allowed, { labels: [label] }, join(FOLDER, file))).toEqual([]);
  });

  test('leaves closed what lies beside it', async () => {
    expect(await deniedOf(denied, { labels: [label] }, join(FOLDER, file))).toEqual(denied);
  });
});

test('the check warns of none', async () => {
  const { code, out, err } = await said(check, [FOLDER]);
  expect([code, err.split('\n').filter((line) => !line.includes(' note['))]).toEqual([0, ['']]);
  expect(out).toMatch(/ policies, no problems(?:, 1 note)?\n$/);
});

test('a pod has what its labels say, added together, and in a closed namespace nothing without one', async () => {
  expect(
    await deniedOf(['github.com:443', 'pypi.org:443', 'crates.io:443'], { labels: ['github', 'pypi'] }, FOLDER),
  ).toEqual(['crates.io:443']);
  expect(
    await deniedOf(['github.com:443', 'ask github.com', 'ask a.b.svc.cluster.local'], { labels: [] }, FOLDER),
  ).toEqual(['github.com:443', 'ask github.com']);
});

test('the region of aws.yaml is one value', async () => {
  const text = readFileSync(join(FOLDER, 'aws.yaml'), 'utf8').replaceAll('eu-central-1', 'us-west-2');
  const path = join(folder, 'aws-elsewhere.yaml');
  await writeFile(path, text);
  const [, , allowed] = ROWS.find(([file]) => file === 'aws.yaml') ?? expect.fail('a row');
  const elsewhere = allowed.map((destination) => destination.replace('eu-central-1', 'us-west-2'));
  expect(await deniedOf([...elsewhere, ...allowed], { labels: ['aws'] }, path)).toEqual(allowed);
});

test('a policy is for its own namespace, or as the clusterwide kind for all', async () => {
  const text = readFileSync(join(FOLDER, 'github.yaml'), 'utf8');
  const path = join(folder, 'github-for-all.yaml');
  await writeFile(path, text.replaceAll('kind: Cilium', 'kind: CiliumClusterwide'));
  const destinations = ['github.com:443', 'github.com:22'];
  const elsewhere = { labels: ['github'], namespace: 'shop' };
  expect(await deniedOf(destinations, elsewhere, path)).toEqual(['github.com:22']);
  expect(await deniedOf(destinations, elsewhere, join(FOLDER, 'github.yaml'))).toEqual([]); // nothing selects it
});

describe.each(files)('%s', (file) => {
  test('keeps to the convention: one label, no namespace, few ports', () => {
    for (const document of documentsOf(file)) {
      const label = labelOf(document);
      const labels = label === '' ? undefined : { [`${PREFIX}${label}`]: 'true' };
      expect(document.kind).toBe('CiliumNetworkPolicy');
      expect(Object.keys(document.metadata)).toEqual(['name']);
      expect(document.spec.endpointSelector.matchLabels).toEqual(labels);
      const ports = document.spec.egress.flatMap(({ toPorts }) => toPorts.flatMap((each) => each.ports));
      const most = { '': ['53'], 'github-ssh': ['22', '443'], debian: ['80', '443'], ubuntu: ['80', '443'] };
      const allowed: readonly string[] = most[label as keyof typeof most] ?? ['443'];
      expect(ports.filter(({ port }) => !allowed.includes(port))).toEqual([]);
    }
  });

  test('has only wildcards whose owner is known', () => {
    const names = documentsOf(file).flatMap(({ spec }) =>
      spec.egress.flatMap(({ toFQDNs = [], toPorts }) => [
        ...toFQDNs,
        ...toPorts.flatMap(({ rules }) => rules?.dns ?? []),
      ]),
    );
    const patterns = names.flatMap(({ matchPattern = [] }) => matchPattern);
    expect(patterns.filter((pattern) => !Object.hasOwn(PATTERNS, pattern))).toEqual([]);
  });

  test('begins with who needs it, for which pods, and as of when', () => {
    const head = readFileSync(join(FOLDER, file), 'utf8').split('\napiVersion:')[0];
    const words = ['Who needs it: ', 'kubectl -n NAMESPACE apply'];
    if (file !== 'default-deny-with-dns.yaml') words.push('as of 2026-11', PREFIX);
    expect(words.filter((word) => !head?.includes(word))).toEqual([]);
  });

  test('is in the table of policies/README.md', () => {
    expect(readFileSync(`${ROOT}policies/README.md`, 'utf8')).toContain(`| \`library/${file}\``);
  });
});

test('every wildcard with an owner is still there', () => {
  const all = files.map((file) => readFileSync(join(FOLDER, file), 'utf8')).join('');
  expect(Object.keys(PATTERNS).filter((pattern) => !all.includes(`'${pattern}'`))).toEqual([]);
});
