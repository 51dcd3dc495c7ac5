import { expect, test } from 'vitest';
import { renderFindings, run } from '../../../src/cli/doctor.ts';

async function doctor(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await run(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test.each([
  ['an unknown option', ['--mend']],
  ['an unknown output', ['-o', 'yaml']],
  ['a file that is not an option', ['namewall.yaml']],
])('%s is wrong usage', async (_why, argv) => {
  const { code, out, err } = await doctor(...argv);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(/^namewall doctor: .*; see namewall doctor --help\n$/);
});

test('a configuration that cannot be read is told by its place', async () => {
  const { code, err } = await doctor('--config', '/nonexistent/namewall.yaml');
  expect(code).toBe(2);
  expect(err).toMatch(/^\/nonexistent\/namewall\.yaml:1:1: error\[unreadable\]/);
});

test('the help names every exit code', async () => {
  const { code, out } = await doctor('--help');
  expect(code).toBe(0);
  expect(out).toMatch(/0 {2}no check failed.*\n {2}1 {2}at least one failed\n {2}2 {2}wrong usage/);
});

test('a finding is a line, and what is not ok has why and mend below it', () => {
  const text = renderFindings([
    { check: 'marks', status: 'ok', found: 'none' },
    { check: 'bridges', status: 'fail', found: 'cni0: off', why: 'pods pass', mend: 'sysctl -w x=1' },
  ]);
  expect(text).toBe(
    'ok    marks    none\nfail  bridges  cni0: off\n      why:  pods pass\n      mend: sysctl -w x=1\n',
  );
});
