// A log that remembers its lines.
import { pino } from 'pino';
import type { Logger } from '../../../src/base/log.ts';

export interface RecordedLog {
  readonly log: Logger;
  /** `LEVEL MESSAGE`, in order. */
  readonly lines: string[];
  /** The fields of each line beside level and message. */
  readonly fields: Record<string, unknown>[];
}

export function recordedLog(): RecordedLog {
  const lines: string[] = [];
  const fields: Record<string, unknown>[] = [];
  const write = (text: string): void => {
    const { level, msg, ...rest } = JSON.parse(text) as { level: string; msg: string } & Record<string, unknown>;
    lines.push(`${level} ${msg}`);
    fields.push(rest);
  };
  const formatters = { level: (label: string) => ({ level: label }) };
  return { log: pino({ level: 'debug', base: null, timestamp: false, formatters }, { write }), lines, fields };
}
