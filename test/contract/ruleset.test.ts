import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyText, listObjects, tableExists } from '../../src/kernel/apply.ts';
import { ruleset, staleSetsText } from '../../src/kernel/ruleset.ts';
import type { RulesetInput, TableObjects } from '../../src/kernel/ruleset.ts';
import { GOLDEN_CASES, goldenText } from '../golden/cases.ts';
import { programOf } from '../support/program.ts';
import { Child } from './support/child.ts';
import { describeKernel, Namespace } from './support/namespace.ts';
import { WRITER_CHILD } from './support/writer-child.ts';
import type { WriterCall } from './support/writer-child.ts';

const TWO_PODS = GOLDEN_CASES['two-pods'];
if (TWO_PODS === undefined) throw new Error('the case two-pods is gone');

describeKernel('the ruleset in the kernel', () => {
  let namespace: Namespace;

  beforeEach(async () => {
    namespace = await Namespace.create('ruleset');
  });
  afterEach(async () => {
    await namespace.remove();
  });

  const apply = async (input: RulesetInput) => {
    await applyText(ruleset({ ...input, existing: await listObjects(namespace.run) }).text, namespace.run);
  };
  const list = () => namespace.execute('nft', '-s', 'list', 'table', 'inet', 'namewall');

  test.each(Object.entries(GOLDEN_CASES))(
    'nft accepts "%s", and applying it twice changes nothing',
    async (name, input) => {
      await applyText(objectsText(input.existing), namespace.run);
      await namespace.run('nft', ['-c', '-f', '-'], goldenText(name));
      await apply(input);
      const once = await list();
      await apply(input);
      expect(await list()).toBe(once);
    },
  );

  test('there is no table before, and its objects are listed after', async () => {
    expect(await tableExists(namespace.run)).toBe(false);
    expect(await listObjects(namespace.run)).toEqual({
      sets: [],
      maps: [],
      chains: [],
      chainTexts: new Map(),
      elements: new Map(),
      hasBridgeGuard: false,
    });
    await apply(TWO_PODS);
    expect(await tableExists(namespace.run)).toBe(true);
    const { sets, maps, chains } = await listObjects(namespace.run);
    expect(sets).toContain('grants6_any');
    expect(maps).toEqual(['policy4', 'node4', 'policy6', 'node6']);
    expect(chains).toContain('policy_0123456789ab');
  });

  test('another ruleset keeps the grants, removes what is stale, and the sets of lost classes only when told', async () => {
    await apply(TWO_PODS);
    const grant = (name: string) => namespace.execute(...addElement(name));
    await grant('grants4_tcp443');
    await grant('grants4_any');
    const fewer = { ...TWO_PODS, classes: TWO_PODS.classes.slice(0, 1), programs: [PROGRAM], pods: [POD] };
    await apply(fewer);
    const objects = await listObjects(namespace.run);
    expect(objects.chains).not.toContain('policy_ba9876543210');
    expect(objects.sets).toContain('grants4_any');
    await applyText(staleSetsText(objects, fewer.classes), namespace.run);
    expect((await listObjects(namespace.run)).sets).not.toContain('grants4_any');
    expect(await list()).toContain('10.0.1.7 . 192.0.2.1');
  });

  test.each(Object.entries(GOLDEN_CASES))(
    'what "%s" leaves in the table is known without asking',
    async (_name, input) => {
      await applyText(objectsText(input.existing), namespace.run);
      await applyText(ruleset(input).text, namespace.run);
      expect(sorted(ruleset(input).objects)).toEqual(sorted(await listObjects(namespace.run)));
    },
  );

  test('a pod changes its program, and its old program goes, in one transaction', async () => {
    await apply({ ...TWO_PODS, pods: [POD], programs: [PROGRAM] });
    const changed = { ...PROGRAM, id: 'cccccccccccc' };
    await apply({ ...TWO_PODS, pods: [{ ...POD, programId: changed.id }], programs: [changed] });
    expect(await list()).toContain('10.0.1.7 : jump policy_cccccccccccc');
    expect(await list()).not.toContain(PROGRAM.id);
  });

  test('a ruleset that the kernel refuses leaves the one before in force and says where it went wrong', async () => {
    await apply(TWO_PODS);
    const before = await list();
    const wrong = `${ruleset(TWO_PODS).text}add rule inet namewall egress jump nowhere\n`;
    await expect(applyText(wrong, namespace.run)).rejects.toThrow(/Cannot apply the ruleset: .*jump nowhere/);
    expect(await list()).toBe(before);
  });

  test('it can be applied while grants are committed as fast as possible, and neither fails', async () => {
    await apply(TWO_PODS);
    const child = new Child<WriterCall>(namespace, WRITER_CHILD);
    await child.call({ do: 'open', strategy: 'update' }, { do: 'define', classIds: ['tcp443'] });
    const commits = child.last({ do: 'commit for', durationMs: 1_500 });
    for (let i = 0; i < 10; i++) await apply(TWO_PODS);
    const counts = await commits;
    await child.end();
    expect(counts).toMatchObject({ failed: 0 });
    expect(await list()).toContain('10.0.0.1 . 192.0.2.1');
  });
});

const PROGRAM = programOf('0123456789ab', [{ classes: [0] }]);
const POD = { owner: 'a1', addresses: ['10.0.1.7'], programId: PROGRAM.id };

function addElement(set: string): [string, ...string[]] {
  return ['nft', 'add', 'element', 'inet', 'namewall', set, '{ 10.0.1.7 . 192.0.2.1 timeout 60s }'];
}

function sorted({ sets, maps, chains }: TableObjects): string[][] {
  return [sets, maps, chains].map((names) => names.toSorted());
}

/** Objects with these names, of whatever content an older version may have given them. */
function objectsText({ sets, maps, chains }: TableObjects): string {
  return [
    'table inet namewall {',
    ...chains.filter((name) => !['intercept', 'egress'].includes(name)).map((name) => `chain ${name} { accept; }`),
    ...sets.map((name) => `set ${name} { ${setType(name)} }`),
    ...maps.map((name) => {
      const type = name.includes('6') ? 'ipv6_addr' : 'ipv4_addr';
      const elements = name === 'policy4' ? 'elements = { 10.0.1.7 : jump policy_ffffffffffff };' : '';
      return `map ${name} { type ${type} : verdict; ${elements} }`;
    }),
    ...chains
      .filter((name) => ['intercept', 'egress'].includes(name))
      .map((name) => `chain ${name} { ${chainOf(name)}; }`),
    '}',
    '',
  ].join('\n');
}

function setType(name: string): string {
  const address = name.includes('6') ? 'ipv6_addr' : 'ipv4_addr';
  return name.startsWith('grants') ? `type ${address} . ${address}; flags timeout; size 262144;` : `type ${address};`;
}

function chainOf(name: string): string {
  if (name === 'intercept') return 'type filter hook prerouting priority raw - 10; policy accept; jump deny';
  if (name === 'egress') return 'type filter hook forward priority filter; policy accept; ip saddr vmap @policy4';
  return 'accept';
}
