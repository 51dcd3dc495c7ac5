// Bounded parallelism that keeps the order: outcomes come out one after the other as if nothing ran beside anything.

export interface InOrder<T, R> {
  /** How many run at once, at least one. */
  readonly parallel: number;
  readonly work: (item: T) => Promise<R>;
  /** Called in the order of `items`, as soon as all before are done. */
  readonly emit: (item: T, outcome: R, index: number) => void;
}

export async function runInOrder<T, R>(items: readonly T[], { parallel, work, emit }: InOrder<T, R>): Promise<void> {
  const done = new Map<number, R>();
  let next = 0;
  let emitted = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      done.set(index, await work(items[index] as T)); // index < items.length
      while (done.has(emitted)) {
        emit(items[emitted] as T, done.get(emitted) as R, emitted); // has() has just said so
        done.delete(emitted++);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
}
