// How the demo looks in a terminal. Text in, lines out; it decides nothing.
import type { Observation } from './observe.ts';

export interface Report {
  heading(text: string): void;
  line(text: string): void;
  step(number: number, title: string, observations: readonly Observation[]): void;
  summary(expected: number, total: number, seconds: number): void;
}

const SGR = { bold: '1', dim: '2', red: '31', green: '32' } as const;
const DID_WIDTH = 54;

/** Colour is asked for by the caller, who knows the terminal. */
export function createReport(out: (text: string) => void, style: 'colour' | 'plain'): Report {
  const paint = (code: keyof typeof SGR, text: string): string =>
    style === 'colour' ? `\u001b[${SGR[code]}m${text}\u001b[0m` : text;
  const mark = (good: boolean): string => (good ? paint('green', '✓') : paint('red', '✗'));

  return {
    heading: (text) => out(`${paint('bold', text)}\n`),
    line: (text) => out(`${text}\n`),
    step(number, title, observations) {
      const good = observations.every((observation) => observation.problem === null);
      out(`\n${mark(good)} ${String(number).padStart(2)}  ${paint('bold', title)}\n`);
      for (const { did, saw, problem } of observations) {
        const wanted = problem === null ? '' : paint('red', `   ✗ expected ${problem}`);
        out(`      ${did.padEnd(DID_WIDTH)} ${paint('dim', '→')} ${saw}${wanted}\n`);
      }
    },
    summary(expected, total, seconds) {
      const text = `${expected} of ${total} steps as expected, ${seconds.toFixed(1)} s`;
      out(`\n${mark(expected === total)} ${paint('bold', text)}\n`);
    },
  };
}
