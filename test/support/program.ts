// A program as tests write it: one segment, and the defaults of a pod that is isolated.
import type { Program, Segment } from '../../src/policy/compiled.ts';

export function segmentOf(segment: Partial<Segment>): Segment {
  return { tier: 'normal', deny: [], pass: [], classes: [], allow: [], ...segment };
}

export function programOf(id: string, segments: readonly Partial<Segment>[], more: Partial<Program> = {}): Program {
  const whole = segments.map(segmentOf);
  const classes = [...new Set(whole.flatMap((segment) => segment.classes))];
  return {
    id,
    names: [],
    classes,
    segments: whole,
    otherwise: 'deny',
    unlisted: { udp: 'deny', tcp: 'deny' },
    isTold: { udp: false, tcp: false },
    toldBy: { udp: -1, tcp: -1 },
    isolatedBy: [],
    auditedBy: [],
    ...more,
  };
}
