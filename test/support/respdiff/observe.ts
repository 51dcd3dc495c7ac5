// Asks every question of the authoritative server and of the three forwarders, and answers where they differ.
import type { Lab } from '../../../src/cli/demo/lab.ts';
import { CLUSTER_DNS } from '../../../src/cli/demo/topology.ts';
import { Asker } from './ask.ts';
import { differences } from './compare.ts';
import type { Got } from './compare.ts';
import { DNSMASQ, NSD, UNBOUND } from './peers.ts';
import { ODD_QUESTIONS, QUESTIONS } from './questions.ts';
import type { Question } from './questions.ts';
import { readReply } from './reply.ts';

export type Forwarder = 'namewall' | 'unbound' | 'dnsmasq';

export interface Difference {
  readonly who: Forwarder;
  /** The question's words, and `first` or `again`. */
  readonly words: readonly string[];
  readonly what: string;
}

export interface Observed {
  readonly differences: readonly Difference[];
  /** The authoritative server's replies to QUESTIONS. */
  readonly direct: readonly Got[];
}

const SLACK_SECONDS = 2; // a TTL counts whole seconds, at both ends

interface Direct {
  readonly questions: readonly Got[];
  readonly odd: readonly Got[];
}

/** `pod` names the pod that asks through namewall; the others are asked on the node. */
export async function observe(lab: Lab, pod: string): Promise<Observed> {
  const onNode = new Asker(lab.nodeNamespace);
  const inPod = new Asker(lab.pod(pod).address.namespace);
  const begunMs = performance.now();
  const direct = {
    questions: (await onNode.askInTurn(NSD, QUESTIONS)).map(read),
    odd: (await onNode.askTogether(NSD, ODD_QUESTIONS)).map(read),
  };
  const compared = await Promise.all([
    compare('namewall', inPod, CLUSTER_DNS.v4, direct, begunMs),
    compare('unbound', onNode, UNBOUND, direct, begunMs),
    compare('dnsmasq', onNode, DNSMASQ, direct, begunMs),
  ]);
  await Promise.all([onNode.end(), inPod.end()]);
  return { differences: compared.flat(), direct: direct.questions };
}

/** Twice, so that whoever keeps answers gives them out of its cache the second time; odd questions once. */
async function compare(
  who: Forwarder,
  asker: Asker,
  server: string,
  direct: Direct,
  begunMs: number,
): Promise<Difference[]> {
  const found: Difference[] = [];
  const note = (
    questions: readonly Question[],
    round: string,
    expected: readonly Got[],
    replies: readonly Got[],
  ): void => {
    const ageSeconds = (performance.now() - begunMs) / 1000 + SLACK_SECONDS;
    questions.forEach(({ words }, i) => {
      for (const what of differences(expected[i], replies[i], ageSeconds))
        found.push({ who, words: [...words, round], what });
    });
  };
  for (const round of ['first', 'again']) {
    note(QUESTIONS, round, direct.questions, (await asker.askInTurn(server, QUESTIONS)).map(read));
  }
  note(ODD_QUESTIONS, 'first', direct.odd, (await asker.askTogether(server, ODD_QUESTIONS)).map(read));
  return found;
}

function read(reply: Buffer | undefined): Got {
  try {
    return reply && readReply(reply);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
