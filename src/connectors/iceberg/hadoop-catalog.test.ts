import { describe, expect, test } from 'vitest';
import {
  committer,
  inSimulation,
  loaded,
  TABLE,
  WAREHOUSE,
  written,
} from '../../../test/support/iceberg-world.ts';
import { rowsOf } from '../../../test/support/iceberg-rows.ts';
import type { World } from '../../contracts/source.ts';
import { hadoop } from './hadoop-catalog.ts';
import { parseJson } from './lossless-json.ts';
import { tableName } from './table-name.ts';

const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;
const FOLDER = `${WAREHOUSE}/db/numbers/metadata`;
const name = tableName(TABLE);

async function readText(world: World, file: string): Promise<string> {
  return new TextDecoder().decode(await world.fs.readFile(`${FOLDER}/${file}`));
}

async function writeText(world: World, file: string, text: string): Promise<void> {
  await world.fs.remove(`${FOLDER}/${file}`);
  const writer = await world.fs.openWrite(`${FOLDER}/${file}`, 'create');
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
}

async function threeCheckpoints(world: World, properties = {}): Promise<void> {
  for (const n of [1, 2, 3]) {
    await committer(world).commit(await written(world, n, [n], { properties }));
  }
}

describe('the highest version', () => {
  test.each<[string, string | undefined]>([
    ['is missing', undefined],
    ['is old', '1'],
    ['is no number', 'x'],
    ['names a version that is not there', '77'],
  ])('is found when the hint %s', (_what, hint) =>
    inSimulation(async (world) => {
      await threeCheckpoints(world);
      expect(await readText(world, 'version-hint.text')).toBe('4');
      if (hint === undefined) await world.fs.remove(`${FOLDER}/version-hint.text`);
      else await writeText(world, 'version-hint.text', hint);
      expect((await loaded(world)).version).toBe('4');
      await committer(world).commit(await written(world, 4, [4]));
      expect(await rowsOf(world, WAREHOUSE, TABLE)).toHaveLength(4);
    }),
  );

  test('is found without a hint when the first ones are deleted', () =>
    inSimulation(async (world) => {
      await threeCheckpoints(world);
      for (const gone of ['v1.metadata.json', 'v2.metadata.json', 'version-hint.text'])
        await world.fs.remove(`${FOLDER}/${gone}`);
      expect((await loaded(world)).version).toBe('4');
      await committer(world).commit(await written(world, 4, [4]));
      expect((await loaded(world)).version).toBe('5');
      expect(await rowsOf(world, WAREHOUSE, TABLE)).toHaveLength(4);
    }));

  test('is never written over', () =>
    inSimulation(async (world) => {
      await threeCheckpoints(world);
      const catalog = hadoop({ warehouse: WAREHOUSE }).connect(world);
      const base = await catalog.load(name);
      if (base === undefined) expect.unreachable();
      const before = await readText(world, 'v4.metadata.json');
      const change = { requirements: [], updates: [] };
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, () => catalog.commit(name, base, change)),
      );
      expect(outcomes.filter(({ kind }) => kind === 'done')).toHaveLength(1);
      expect(outcomes.filter(({ kind }) => kind === 'conflict')).toHaveLength(7);
      expect(await readText(world, 'v4.metadata.json')).toBe(before);
    }));

  test('is not made again from a base whose successors are deleted', () =>
    inSimulation(async (world) => {
      const properties = {
        'write.metadata.delete-after-commit.enabled': 'true',
        'write.metadata.previous-versions-max': '1',
      };
      await threeCheckpoints(world, properties);
      const catalog = hadoop({ warehouse: WAREHOUSE }).connect(world);
      const base = await catalog.load(name);
      if (base === undefined) expect.unreachable();
      for (const n of [4, 5, 6, 7]) await committer(world).commit(await written(world, n, [n]));
      const stale = await catalog.commit(name, base, { requirements: [], updates: [] });
      expect(stale).toEqual({ kind: 'conflict' });
      expect((await loaded(world)).version).toBe('8');
      expect(await world.fs.stat(`${FOLDER}/v5.metadata.json`)).toBeUndefined();
    }));
});

test('a disk that does not answer leaves open whether a commit was made', () =>
  inSimulation(async (world, simulation) => {
    await threeCheckpoints(world);
    const pending = await written(world, 4, [4]);
    simulation.disk.fail({ operations: ['syncFolder'], path: 'metadata', skip: 1, errno: 'EIO' });
    expect(await committer(world).commit(pending)).toEqual(['done']);
    expect((await loaded(world)).metadata.snapshots).toHaveLength(4);
  }));

test('what others have written into the metadata stays', () =>
  inSimulation(async (world) => {
    await threeCheckpoints(world);
    const metadata = parseJson(await readText(world, 'v4.metadata.json')) as object;
    const more = {
      ...metadata,
      'encryption-keys': [{ 'key-id': 'x' }],
      unknown: { deep: [1, 2.5] },
    };
    await writeText(
      world,
      'v4.metadata.json',
      JSON.stringify(more, (_key, value: unknown) =>
        typeof value === 'bigint'
          ? (JSON as unknown as { rawJSON(t: string): unknown }).rawJSON(String(value))
          : value,
      ),
    );
    await committer(world).commit(await written(world, 4, [4]));
    const after = parseJson(await readText(world, 'v5.metadata.json'));
    expect(after).toMatchObject({
      'encryption-keys': [{ 'key-id': 'x' }],
      unknown: { deep: [1, 2.5] },
    });
  }));

test.each<[string, string]>([
  ['{"format-version":3}', 'ICE-003'],
  ['{"format-version":2}', 'ICE-007'],
  ['[]', 'ICE-007'],
  ['{"format', 'ICE-007'],
])('%s is refused', (text, expected) =>
  inSimulation(async (world) => {
    await threeCheckpoints(world);
    await writeText(world, 'v4.metadata.json', text);
    await expect(loaded(world)).rejects.toThrow(code(expected));
  }),
);

test.each(['', 'hdfs://node/lake'])('the warehouse %j is refused', (warehouse) => {
  expect(() => hadoop({ warehouse })).toThrow(code('ICE-001'));
});
