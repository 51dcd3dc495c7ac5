// What a step does as a pod: ask, connect, use a connection. Each act gives the observation that the report prints.
import {
  describeAsked,
  describeConnected,
  describeEchoed,
  isEchoed,
  observe,
  type Expectation,
  type Observation,
} from './observe.ts';
import type { AskOptions, Asked, Connected, LabPod } from './pod.ts';

export interface AskSpec extends AskOptions {
  readonly name: string;
  readonly type: 'A' | 'AAAA';
}

export async function asks(pod: LabPod, spec: AskSpec, expects: Expectation<Asked>): Promise<Observation> {
  const { name, type, ...options } = spec;
  const at = spec.server === undefined ? '' : ` at ${spec.server}`;
  return observe(
    `${pod.spec.name} asks ${type} ${name}${at}`,
    describeAsked,
    await pod.ask(name, type, options),
    expects,
  );
}

/** Tries to connect, and closes what it opened, so that no later step meets it. */
export async function connects(
  pod: LabPod,
  ip: string,
  port: number,
  expects: Expectation<Connected>,
): Promise<Observation> {
  const seen = await pod.connect(ip, port);
  if (seen.outcome === 'connected') await pod.close(seen.connection);
  return observe(connectText(pod, ip, port), describeConnected, seen, expects);
}

export interface Held {
  readonly observation: Observation;
  /** Sends data over the connection, whatever has happened since it was opened. */
  flows(): Promise<Observation>;
}

/** Connects and holds the connection open. */
export async function holds(pod: LabPod, ip: string, port: number, expects: Expectation<Connected>): Promise<Held> {
  const seen = await pod.connect(ip, port);
  const did = `${pod.spec.name} sends data over its open connection`;
  const flows = async (): Promise<Observation> => {
    if (seen.outcome !== 'connected') return fact(did, 'there is none', 'the same data back');
    return observe(did, describeEchoed, await pod.echo(seen.connection), isEchoed);
  };
  return { observation: observe(`${connectText(pod, ip, port)}, holds it`, describeConnected, seen, expects), flows };
}

/** Something that is neither asked nor connected. */
export function fact(did: string, saw: string, problem: string | null): Observation {
  return { did, saw, problem };
}

function connectText(pod: LabPod, ip: string, port: number): string {
  const host = ip.includes(':') ? `[${ip}]` : ip;
  return `${pod.spec.name} connects to ${host}:${port}`;
}
