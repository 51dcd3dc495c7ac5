// The operator's log: JSON lines on standard error. Audit events do not come here (src/audit).
import { pino } from 'pino';

export type Logger = pino.Logger;

/** Written synchronously: the last line before a crash is the one that matters, and lines are few. */
export function openLog(level: string): Logger {
  return pino({ level, base: {}, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
}
