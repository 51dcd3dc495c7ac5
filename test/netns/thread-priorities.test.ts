// Who runs first where the agent's threads share a core (src/agent/priority.ts), as the kernel tells it. Run with: npm test -- --project kernel FILE
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../src/cli/demo/lab.ts';

const POLICY = new URL('../support/policies/load.yaml', import.meta.url).pathname;
/** Of /proc/PID/task/TID/stat, counted behind the name in parentheses (proc_pid_stat(5): field 19). */
const NICE_FIELD = 16;

describe('the threads of an agent that may raise some of them', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.build([{ name: 'cart', namespace: 'shop', labels: { app: 'shop' } }]);
    lab.configure({ policies: [POLICY] });
    await lab.startAgent();
  });
  afterAll(() => lab.remove());

  test('queries come first, then the engine, then all else', () => {
    const tasks = `/proc/${lab.agentPid}/task`;
    const nices = new Map<string, Set<number>>();
    for (const task of readdirSync(tasks)) {
      const stat = readFileSync(`${tasks}/${task}/stat`, 'utf8');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      const nice = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[NICE_FIELD]);
      const kind = /^(datapath|committer)$|V8Worker/.exec(name)?.[0] ?? 'others';
      nices.set(kind, (nices.get(kind) ?? new Set()).add(nice));
    }
    expect(Object.fromEntries([...nices].map(([kind, found]) => [kind, [...found]]))).toEqual({
      datapath: [-10],
      committer: [-10],
      V8Worker: [0],
      others: [14],
    });
  });
});
