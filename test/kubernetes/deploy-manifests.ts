// The files of deploy/ as data, and what kubectl makes of them. Reads only; judges nothing.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
export const BASE = 'base';
export const OVERLAYS = readdirSync(`${DEPLOY}overlays`).map((name) => `overlays/${name}`);

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [key: string]: unknown;
}

export interface Kustomization {
  readonly resources: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
}

export function readDeployed(path: string): string {
  return readFileSync(`${DEPLOY}${path}`, 'utf8');
}

export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0] ?? new Error('not reached');
    return document.toJS() as Manifest; // files of ours, whose form the tests check
  });
}

export function kustomizationOf(folder: string): Kustomization {
  return parseManifests(readDeployed(`${folder}/kustomization.yaml`))[0] as unknown as Kustomization;
}

/** The files that stand beside a kustomization. */
export function filesOf(folder: string): string[] {
  return readdirSync(`${DEPLOY}${folder}`).filter((name) => name !== 'kustomization.yaml');
}

/** The objects of the files that a kustomization lists; those of another kustomization are not among them. */
export function manifestsOf(folder: string): Manifest[] {
  const files = kustomizationOf(folder).resources.filter((path) => path.endsWith('.yaml'));
  return files.flatMap((path) => parseManifests(readDeployed(`${folder}/${path}`)));
}

export function manifestOf(folder: string, kind: string): Manifest {
  const found = manifestsOf(folder).filter((each) => each.kind === kind);
  if (found.length !== 1)
    throw new Error(`deploy/${folder} has ${found.length} objects of kind ${kind}, one was expected`);
  return found[0] as Manifest;
}

const KUBECTL = 'kubectl';
/** Bare machines have none: what can be told without it is tested without it. */
export const hasKubectl = spawnSync(KUBECTL, ['version', '--client'], { stdio: 'ignore' }).status === 0;

/** What `kubectl kustomize` prints for a folder, which is an absolute path. Asks no cluster. */
export function render(folder: string): string {
  const { stdout, stderr, status } = spawnSync(KUBECTL, ['kustomize', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`Cannot render ${folder}: ${stderr}`);
  return stdout;
}
