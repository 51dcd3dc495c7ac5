// Where the entry of a thread stands: beside its source, or, in a build, under the name that tsc gave it.

/** `entry` is a URL of a `.ts` file, `importer` the import.meta.url of who starts it: tsc renames imports, but not URLs. */
export function threadEntry(entry: URL, importer: string): URL {
  return importer.endsWith('.js') ? new URL(entry.href.replace(/\.ts$/, '.js')) : entry;
}
