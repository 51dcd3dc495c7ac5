// The schemas of deploy/overlays/crds, and as much of the API server as they ask for: what it would keep of an object, and what it would
// refuse. An imitation for tests; the server's own words are in the Kubernetes documentation.
import { expect } from 'vitest';
import { manifestsOf } from './deploy-manifests.ts';

export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly nullable?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly maxLength?: number;
}

interface CrdSpec {
  readonly group: string;
  readonly scope: string;
  readonly names: object;
  readonly versions: readonly {
    readonly name: string;
    readonly schema: { readonly openAPIV3Schema: Schema };
    readonly [key: string]: unknown;
  }[];
}

export const CRDS = manifestsOf('overlays/crds').map((crd) => crd['spec'] as CrdSpec);
export const schemas = CRDS.map(({ versions }) => versions[0]?.schema.openAPIV3Schema ?? expect.fail('a schema'));
export const [schema = expect.fail('a schema')] = schemas;

/** The server keeps what it knows of metadata, whatever a schema says. */
export const META = ['apiVersion', 'kind', 'metadata'];

export type Json = unknown;
export type JsonObject = Record<string, Json>;
export const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function schemasIn(of: Schema, path = ''): [string, Schema][] {
  const children = [
    ...Object.entries(of.properties ?? {}),
    ...(of.items === undefined ? [] : [['[]', of.items] as const]),
    ...(of.additionalProperties === undefined ? [] : [['*', of.additionalProperties] as const]),
  ];
  const ours = children.filter(([key]) => !(path === '' && META.includes(key)));
  return [[path, of], ...ours.flatMap(([key, child]) => schemasIn(child, `${path}.${key}`))];
}

/**
 * What the API server makes of an object before it stores it or hands it out: structural pruning, then the removal of nulls that are not
 * nullable. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning
 */
export function served(object: JsonObject, of: Schema): Json {
  const meta = META.flatMap((key): [string, Json][] => (Object.hasOwn(object, key) ? [[key, object[key]]] : []));
  const rest = Object.entries(object).filter(([key]) => !META.includes(key));
  return Object.fromEntries([...meta, ...Object.entries(pruned(Object.fromEntries(rest), of) as JsonObject)]);
}

function pruned(value: Json, of: Schema | undefined): Json {
  if (Array.isArray(value)) return value.map((item) => pruned(item, of?.items));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).flatMap(([key, child]): [string, Json][] => {
    const schemaOfChild = of?.properties?.[key] ?? of?.additionalProperties;
    if (schemaOfChild === undefined) return of?.['x-kubernetes-preserve-unknown-fields'] === true ? [[key, child]] : [];
    if (child === null && schemaOfChild.nullable !== true) return [];
    return [[key, pruned(child, schemaOfChild)]];
  });
  return Object.fromEntries(entries);
}

/** The checks of a schema that ours uses, as far as they are needed to tell whether a policy would be taken. */
export function complaints(value: Json, of: Schema | undefined, path = ''): string[] {
  if (of === undefined || (value === null && of.nullable === true)) return [];
  if (of.type !== typeOf(value)) return [`${path}: not ${of.type}`];
  if (of.enum !== undefined && !of.enum.includes(value)) return [`${path}: not one of ${of.enum.join(', ')}`];
  if (typeof value === 'string') {
    const isLong = value.length > (of.maxLength ?? Infinity);
    const isOdd = of.pattern !== undefined && !new RegExp(of.pattern).test(value);
    return isLong || isOdd ? [`${path}: ${isLong ? 'too long' : 'not allowed'}`] : [];
  }
  if (Array.isArray(value)) return value.flatMap((item, i) => complaints(item, of.items, `${path}[${i}]`));
  if (!isObject(value)) return [];
  const missing = (of.required ?? [])
    .filter((key) => !Object.hasOwn(value, key))
    .map((key) => `${path}.${key}: missing`);
  const below = Object.entries(value).flatMap(([key, child]) =>
    complaints(child, of.properties?.[key] ?? of.additionalProperties, `${path}.${key}`),
  );
  return [...missing, ...below];
}

function typeOf(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' ? 'integer' : typeof value;
}
