// Branded integers: numbers that must not be mixed up carry their meaning in their type and cost nothing at run time.

declare const brand: unique symbol;

/** `T` that only a function which knows its meaning may produce. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
