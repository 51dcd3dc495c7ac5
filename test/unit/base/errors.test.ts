import { expect, test } from 'vitest';
import { assertNever, CodedError } from '../../../src/base/errors.ts';

class DiskError extends CodedError<'full' | 'gone'> {}

test('a fault carries its code, its cause and the name of its class', () => {
  const cause = new Error('ENOSPC');
  const error = new DiskError('full', 'Cannot write "a": disk is full', { cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'DiskError', code: 'full', message: 'Cannot write "a": disk is full', cause });
});

test('a tag that no case knows is our bug and says which', () => {
  // `as`: what the type system excludes is what the function is for.
  expect(() => assertNever({ kind: 'new' } as never)).toThrow('Unexpected value {"kind":"new"}');
});
