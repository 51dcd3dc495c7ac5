import { afterAll, beforeAll, expect, test } from 'vitest';
import { Child } from './support/child.ts';
import { describeKernel, eventually, Namespace } from './support/namespace.ts';
import { LISTENER, UPSTREAMS_CHILD } from './support/upstreams-child.ts';
import type { UpstreamsCall, Zones } from './support/upstreams-child.ts';

const A = '127.0.0.53';
const B = '127.0.0.54';
const SOCKETS = 16;

describeKernel('upstreams on the real system', () => {
  let namespace: Namespace;
  let child: Child<UpstreamsCall>;
  const replace = (zones: Zones): Promise<unknown> => child.last({ do: 'replace', zones });
  const sockets = async (address: string): Promise<unknown> => child.last({ do: 'sockets', address });

  beforeAll(async () => {
    namespace = await Namespace.create('upstreams');
    child = new Child(namespace, UPSTREAMS_CHILD);
    await child.call(
      { do: 'serve', address: A },
      { do: 'serve', address: B },
      { do: 'start', zones: { '.': [A], 'corp.example.org': [B] } },
    );
  });
  afterAll(async () => {
    await child.call({ do: 'stop' });
    await child.end();
    await namespace.remove();
  });

  test('each zone has its servers', async () => {
    await child.call({ do: 'ask', name: 'www.corp.example.org' }, { do: 'ask', name: 'www.example.org' });
    await child.call({ do: 'answer', address: A, name: 'www.example.org' });
    expect(await child.last({ do: 'reply' })).toBe('www.example.org 0');
    await child.call({ do: 'answer', address: B, name: 'www.corp.example.org' });
    expect(await child.last({ do: 'reply' })).toBe('www.corp.example.org 0');
  });

  test('a server that is removed answers what it was asked; then its sockets are closed', async () => {
    await child.call({ do: 'ask', name: 'a.corp.example.org' }, { do: 'asked', address: B });
    expect(await replace({ '.': [A] })).toEqual([]);
    expect(await sockets(B)).toBe(SOCKETS);
    expect(await child.last({ do: 'answer', address: B, name: 'a.corp.example.org' }, { do: 'reply' })).toBe(
      'a.corp.example.org 0',
    );
    expect(await eventually(async () => (await sockets(B)) === 0)).toBe(true);
    await child.call(
      { do: 'ask', name: 'b.corp.example.org' },
      { do: 'answer', address: A, name: 'b.corp.example.org' },
    );
    expect(await child.last({ do: 'reply' })).toBe('b.corp.example.org 0');
  });

  test('a new server is read from, at once and on the descriptors of one that is gone', async () => {
    expect(await replace({ '.': [B] })).toEqual([]);
    expect(await eventually(async () => (await sockets(A)) === 0)).toBe(true);
    expect(await replace({ '.': [A] })).toEqual([]);
    await child.call({ do: 'ask', name: 'c.example.org' }, { do: 'answer', address: A, name: 'c.example.org' });
    expect(await child.last({ do: 'reply' })).toBe('c.example.org 0');
  });

  test('one of our own listeners is refused, a server without a route is named, and the zones without servers fail', async () => {
    expect(await replace({ '.': [LISTENER] })).toBe('own-listener');
    expect(await replace({ '.': [A], 'corp.example.org': ['198.51.100.53'] })).toEqual([
      '198.51.100.53 port 53: ENETUNREACH',
    ]);
    expect(await child.last({ do: 'ask', name: 'd.corp.example.org' }, { do: 'reply' })).toBe('d.corp.example.org 2');
    await child.call({ do: 'ask', name: 'd.example.org' }, { do: 'answer', address: A, name: 'd.example.org' });
    expect(await child.last({ do: 'reply' })).toBe('d.example.org 0');
  });
});
