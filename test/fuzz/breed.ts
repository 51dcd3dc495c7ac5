// New cases out of those that are kept: steps and bytes are changed, and two cases become one.
import type { Case, Step } from './case.ts';
import { HOW, mutate, spliceMessages } from './mutate.ts';
import { CLIENTS } from './oracle/node.ts';
import type { Random } from './random.ts';

const MOST_STEPS = 40;
const MOST_BYTES = 16_384;
const clients = [...CLIENTS.keys()];
const MOODS: readonly Step[] = [
  { verb: 'hold' },
  { verb: 'release' },
  { verb: 'lock' },
  { verb: 'unlock' },
  { verb: 'overflow' },
  { verb: 'busy' },
  { verb: 'damage' },
  { verb: 'restore' },
  { verb: 'leave', pod: 'cart' },
  { verb: 'join', pod: 'twin' },
  { verb: 'settle' },
  { verb: 'refuse', times: 1 },
  { verb: 'wait', milliseconds: 400 },
  { verb: 'wait', milliseconds: 1_300 },
  { verb: 'wait', milliseconds: 21_000 },
];

/** One child of `parent`; `other` is any case. */
export function breed(parent: Case, other: Case, random: Random): Case {
  let steps = [...parent];
  const changes = 1 + random.below(3);
  for (let i = 0; i < changes; i++) steps = change(steps, other, random);
  return steps.slice(0, MOST_STEPS);
}

function change(steps: Step[], other: Case, random: Random): Step[] {
  if (steps.length === 0) return [...other];
  const at = random.below(steps.length);
  switch (random.below(12)) {
    case 0:
      return steps.toSpliced(at, 1);
    case 1:
      return steps.toSpliced(at, 0, steps[random.below(steps.length)] ?? { verb: 'settle' });
    case 2:
      return steps.toSpliced(at, 0, random.pick(MOODS));
    case 3:
      return steps.toSpliced(at, 0, ...other.slice(random.below(other.length)));
    case 4:
      return steps.toSpliced(at, 1, ...(steps[at] === undefined ? [] : [moved(steps[at], random)]));
    case 5:
      return steps.with(at, spliced(steps[at], other[random.below(other.length)], random));
    default:
      return steps.with(at, mutated(steps[at], random));
  }
}

/** Another client asks, another question is answered. */
function moved(step: Step, random: Random): Step {
  if (step.verb === 'ask') return { ...step, client: random.pick(clients) };
  return step.verb === 'answer' || step.verb === 'stray' ? { ...step, which: random.below(3) } : step;
}

function mutated(step: Step | undefined, random: Random): Step {
  if (step === undefined || !('bytes' in step)) return random.pick(MOODS);
  const mutations = Array.from({ length: 1 + random.below(3) }, () => ({
    how: random.pick(HOW),
    where: random.below(0x1_0000),
    what: random.below(0x1_0000),
  }));
  const bytes = mutate(step.bytes, mutations);
  return bytes.length > MOST_BYTES ? step : { ...step, bytes };
}

function spliced(step: Step | undefined, other: Step | undefined, random: Random): Step {
  if (step === undefined || other === undefined || !('bytes' in step) || !('bytes' in other)) {
    return step ?? { verb: 'settle' };
  }
  return { ...step, bytes: spliceMessages(step.bytes, other.bytes, random.below(0x1_0000)) };
}
