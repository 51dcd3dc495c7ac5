// Whether a name is one of some zones or below one: a few of them, looked at for names that a rule grants only.
import { foldName, parseNameText } from '../../dns/name.ts';

export class NameSuffixes {
  readonly #zones: readonly Uint8Array[];

  /** `zones` in text; one that is no name is none. */
  constructor(zones: readonly string[]) {
    this.#zones = zones.flatMap((zone) => {
      const name = parseNameText(zone);
      if (name === undefined) return [];
      foldName(name, 0, name.length);
      return [name];
    });
  }

  /** `names[offset …]` is a folded wire name of `length` bytes. */
  has(names: Uint8Array, offset: number, length: number): boolean {
    for (let z = 0; z < this.#zones.length; z++) {
      const zone = this.#zones[z]!;
      let at = 0;
      while (length - at > zone.length) at += 1 + names[offset + at]!;
      if (length - at === zone.length && isEqual(zone, names, offset + at)) return true;
    }
    return false;
  }
}

function isEqual(zone: Uint8Array, names: Uint8Array, from: number): boolean {
  for (let i = 0; i < zone.length; i++) if (zone[i] !== names[from + i]) return false;
  return true;
}
