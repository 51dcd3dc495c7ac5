// Reading values of unknown shape, as the API server sends them. Nothing here refuses: what is missing or of another type reads as empty.

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `fieldOf(pod, 'status', 'phase')`; undefined where the path ends early. Own fields only. */
export function fieldOf(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce((found, key) => (isRecord(found) && Object.hasOwn(found, key) ? found[key] : undefined), value);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((item) => typeof item === 'string');
}

/** Labels, annotations: the entries of `value` that are texts. */
export function textMapOf(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {};
  const entries = Object.entries(value).flatMap(([key, text]) =>
    typeof text === 'string' ? [[key, text] as const] : [],
  );
  return Object.fromEntries(entries); // defines own properties, also one called "__proto__"
}
