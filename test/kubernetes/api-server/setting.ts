// A fault's setting, for all resources or for one by its plural. It must never know what it switches.

/** A value for all resources and others for some. Setting it for all forgets the others. */
export class Setting<T> {
  #forAll: T;
  readonly #forOne = new Map<string, T>();

  constructor(initial: T) {
    this.#forAll = initial;
  }

  set(value: T, resource: string | undefined): void {
    if (resource !== undefined) {
      this.#forOne.set(resource, value);
      return;
    }
    this.#forAll = value;
    this.#forOne.clear();
  }

  of(resource: string): T {
    return this.#forOne.get(resource) ?? this.#forAll;
  }
}

/** Whether what was asked for `wanted`, or for all resources, is for this one. */
export function isFor(wanted: string | undefined, resource: string): boolean {
  return wanted === undefined || wanted === resource;
}

/** Uses up the first that is for this resource. */
export function takeFirst(waiting: (string | undefined)[], resource: string): boolean {
  const index = waiting.findIndex((wanted) => isFor(wanted, resource));
  if (index < 0) return false;
  waiting.splice(index, 1);
  return true;
}
