// `namewall test` as a process of its own.
import { run } from '../../../src/cli/test.ts';

process.exitCode = await run(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
});
