// What the demo shows, in order. Each step asks and connects as a pod would and gives what it saw; later steps use what
// earlier ones opened (step 5 needs the lookup of step 1), so their order matters.
import { setTimeout as sleep } from 'node:timers/promises';
import { asks, connects, fact, holds } from './acts.ts';
import type { Lab } from './lab.ts';
import { answersWith, isConnected, isDeniedWithReason, isRejected, isUnanswered, type Observation } from './observe.ts';
import { API, BRIEF, DENIED, LATER, STRANGER, TRAP, WWW } from './stage.ts';
import { CLUSTER_DNS, METADATA_ADDRESS } from './topology.ts';

export interface Step {
  readonly title: string;
  play(lab: Lab): Promise<readonly Observation[]>;
}

const EXPIRY_DEADLINE_MS = 6000; // TTL 1 s + grace 1 s, and room for a loaded machine
const EXPIRY_POLL_MS = 100;
const DEAD_TIMEOUT_MS = 500; // an answer takes about a millisecond

/** Before the agent runs: without it nothing of what follows is closed. */
export const openWorld: Step = {
  title: 'Without namewall everything is open',
  play: async (lab) => {
    const cart = lab.pod('cart');
    return [
      await asks(cart, { name: DENIED.name, type: 'A' }, answersWith(DENIED.v4)),
      await connects(cart, API.v4, 22, isConnected),
      await connects(cart, STRANGER, 443, isConnected),
      await connects(cart, METADATA_ADDRESS, 80, isConnected),
      await connects(cart, API.v6, 443, isConnected),
    ];
  },
};

const allowedName: Step = {
  title: 'An allowed name resolves, and its address opens',
  play: async (lab) => {
    const cart = lab.pod('cart');
    return [
      await connects(cart, API.v4, 443, isRejected),
      await asks(cart, { name: API.name, type: 'A' }, answersWith(API.v4)),
      await connects(cart, API.v4, 443, isConnected),
    ];
  },
};

const otherPort: Step = {
  title: 'The same address on another port is rejected',
  play: async (lab) => [await connects(lab.pod('cart'), API.v4, 22, isRejected)],
};

const deniedName: Step = {
  title: 'A denied name gets NXDOMAIN and the reason; the query goes no further',
  play: async (lab) => {
    const before = await lab.world.asked(DENIED.name);
    const asked = await asks(lab.pod('cart'), { name: DENIED.name, type: 'A' }, isDeniedWithReason);
    const reached = (await lab.world.asked(DENIED.name)) - before;
    return [asked, fact('queries for it that reached the upstream', String(reached), reached === 0 ? null : '0')];
  },
};

const neverResolved: Step = {
  title: 'An address that no name gave is rejected',
  play: async (lab) => [await connects(lab.pod('cart'), STRANGER, 443, isRejected)],
};

const otherPod: Step = {
  title: "Another pod of the same policy cannot use the first pod's lookup",
  play: async (lab) => {
    const mail = lab.pod('mail');
    return [
      await connects(mail, API.v4, 443, isRejected),
      await asks(mail, { name: API.name, type: 'A' }, answersWith(API.v4)),
      await connects(mail, API.v4, 443, isConnected),
    ];
  },
};

const aliases: Step = {
  title: 'A chain of CNAMEs opens the address at its end',
  play: async (lab) => {
    const cart = lab.pod('cart');
    return [
      await asks(cart, { name: WWW.name, type: 'A' }, answersWith(WWW.v4)),
      await connects(cart, WWW.v4, 443, isConnected),
      await asks(cart, { name: WWW.edge, type: 'A' }, isDeniedWithReason),
    ];
  },
};

const metadata: Step = {
  title: 'An allowed name that points to cloud metadata opens nothing',
  play: async (lab) => {
    const cart = lab.pod('cart');
    return [
      await asks(cart, { name: TRAP.name, type: 'A' }, answersWith()),
      await connects(cart, METADATA_ADDRESS, 443, isRejected),
      await connects(cart, METADATA_ADDRESS, 80, isRejected),
    ];
  },
};

const ipv6: Step = {
  title: 'The same over IPv6',
  play: async (lab) => {
    const cart = lab.pod('cart');
    return [
      await connects(cart, API.v6, 443, isRejected),
      await asks(cart, { name: API.name, type: 'AAAA', server: CLUSTER_DNS.v6 }, answersWith(API.v6)),
      await connects(cart, API.v6, 443, isConnected),
      await connects(cart, API.v6, 22, isRejected),
    ];
  },
};

const expiry: Step = {
  title: 'After TTL and grace new connections are rejected; an established one lives on',
  play: async (lab) => {
    const cart = lab.pod('cart');
    const asked = await asks(cart, { name: BRIEF.name, type: 'A' }, answersWith(BRIEF.v4));
    const held = await holds(cart, BRIEF.v4, 443, isConnected);
    const start = performance.now();
    let latest = await connects(cart, BRIEF.v4, 443, isRejected);
    while (latest.problem !== null && performance.now() - start < EXPIRY_DEADLINE_MS) {
      await sleep(EXPIRY_POLL_MS);
      latest = await connects(cart, BRIEF.v4, 443, isRejected);
    }
    const waited = ((performance.now() - start) / 1000).toFixed(1);
    return [asked, held.observation, { ...latest, did: `${latest.did}, ${waited} s later` }, await held.flows()];
  },
};

const killed: Step = {
  title: 'The agent is killed with -9: what is open stays open, nothing new opens',
  play: async (lab) => {
    const cart = lab.pod('cart');
    const held = await holds(cart, API.v4, 443, isConnected);
    const pid = lab.agentPid;
    await lab.killAgent('SIGKILL');
    return [
      held.observation,
      fact(`kill -9 ${pid}`, lab.isAgentRunning() ? 'still running' : 'gone', lab.isAgentRunning() ? 'it gone' : null),
      await held.flows(),
      await connects(cart, API.v4, 443, isConnected),
      await asks(cart, { name: LATER.name, type: 'A', timeoutMs: DEAD_TIMEOUT_MS }, isUnanswered),
      await connects(cart, LATER.v4, 443, isRejected),
      await connects(cart, STRANGER, 443, isRejected),
    ];
  },
};

const restarted: Step = {
  title: 'Started again it goes on where it was',
  play: async (lab) => {
    const cart = lab.pod('cart');
    await lab.startAgent();
    return [
      await connects(cart, API.v4, 443, isConnected),
      await connects(cart, LATER.v4, 443, isRejected),
      await asks(cart, { name: LATER.name, type: 'A' }, answersWith(LATER.v4)),
      await connects(cart, LATER.v4, 443, isConnected),
    ];
  },
};

export const STEPS: readonly Step[] = [
  allowedName,
  otherPort,
  deniedName,
  neverResolved,
  otherPod,
  aliases,
  metadata,
  ipv6,
  expiry,
  killed,
  restarted,
];
