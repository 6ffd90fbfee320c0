/*
 * Goal: whatever others do to a table while a job writes to it, the rows come into it as they are, or the job
 * says what is wrong; never does a commit make a table that readers fail on, or undo what others did.
 * Method: a writer that has written, a change by another program, then the commit.
 */
import { describe, expect, test } from 'vitest';
import { rowsOf } from '../../../test/support/iceberg-rows.ts';
import {
  byOthers,
  committer,
  inSimulation,
  loaded,
  TABLE,
  WAREHOUSE,
  written,
} from '../../../test/support/iceberg-world.ts';
import type { World } from '../../contracts/source.ts';
import { hadoop, icebergSchema, icebergSink, identity, t } from './index.ts';
import type { StructField } from './iceberg-type.ts';
import type { JsonObject } from './lossless-json.ts';
import { manifestsOf } from './read-manifests.ts';
import { currentSchema, currentSnapshot, type TableMetadata } from './table-metadata.ts';

const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;
const reference = { catalog: hadoop({ warehouse: WAREHOUSE }), table: TABLE };

async function numbers(world: World): Promise<number[]> {
  const rows = (await rowsOf(world, WAREHOUSE, TABLE)) as { n: number }[];
  return rows.map(({ n }) => n).sort((a, b) => a - b);
}

/** A new current schema with these fields. */
function columns(change: (fields: readonly StructField[]) => readonly JsonObject[]) {
  return (metadata: TableMetadata): object => {
    const schema = currentSchema(metadata);
    const next = { ...schema, 'schema-id': 9, fields: change(schema.fields) };
    return {
      ...metadata,
      schemas: [...metadata.schemas, next],
      'current-schema-id': 9,
      'last-column-id': 20,
    };
  };
}

const added = (required: boolean): JsonObject => ({ id: 20, name: 'more', required, type: 'int' });

describe('columns', () => {
  test.each<[string, (fields: readonly StructField[]) => readonly JsonObject[]]>([
    ['is added', (fields) => [...fields, added(false)]],
    ['is renamed', ([n, text]) => [{ ...n, name: 'number' }, text ?? {}]],
    ['is moved', (fields) => fields.toReversed()],
    ['is widened', ([n, text]) => [{ ...n, type: 'long' }, text ?? {}]],
    ['is dropped', ([n]) => [n ?? {}]],
    ['may be null', (fields) => fields.map((field) => ({ ...field, required: false }))],
  ])('one that %s is no hindrance', (_what, change) =>
    inSimulation(async (world) => {
      await committer(world).commit(await written(world, 1, [1]));
      const pending = await written(world, 2, [2]);
      await byOthers(world, columns(change));
      expect(await committer(world).commit(pending)).toEqual(['done']);
      expect(await numbers(world)).toEqual([1, 2]);
      // What others have made of it stays.
      const { metadata } = await loaded(world);
      expect(currentSchema(metadata)).toMatchObject({ 'schema-id': 9 });
      expect(currentSnapshot(metadata)).toMatchObject({ 'schema-id': 9 });
    }),
  );

  test('one that is added and required is an error until it is not', () =>
    inSimulation(async (world) => {
      await committer(world).commit(await written(world, 1, [1]));
      const pending = await written(world, 2, [2]);
      const schemaBefore = (await loaded(world)).metadata['current-schema-id'];
      await byOthers(
        world,
        columns((fields) => [...fields, added(true)]),
      );
      const error = await committer(world)
        .commit(pending)
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'ICE-015', details: { column: 'more' } });
      // A start is refused, too.
      await expect(written(world, 3, [3], { writerId: 'abc-2-0' })).rejects.toThrow(
        code('ICE-004'),
      );
      await byOthers(world, (metadata) => ({ ...metadata, 'current-schema-id': schemaBefore }));
      expect(await committer(world).commit(pending)).toEqual(['done']);
      expect(await numbers(world)).toEqual([1, 2]);
    }));

  test.each([
    ['has no nulls', 'x', 'done'],
    ['has some', null, 'ICE-015'],
  ])('one that becomes required, and of which what is written %s', (_what, text, expected) =>
    inSimulation(async (world) => {
      const schema = icebergSchema({ n: t.int(), text: t.string().optional() });
      const sink = icebergSink({ ...reference, schema, toRow: (n: number) => ({ n, text }) });
      const writer = sink.writer({
        world,
        uid: 's',
        subtask: 0,
        parallelism: 1,
        writerId: 'abc-1',
      });
      await writer.open?.();
      await writer.write(1, undefined);
      const [committable] = await writer.prepareCommit(1, 'checkpoint');
      if (committable === undefined) expect.unreachable();
      await byOthers(
        world,
        columns((fields) => fields.map((field) => ({ ...field, required: true }))),
      );
      const context = { world, uid: 's', lineage: 'abc', isLeftover: () => false };
      const outcome = sink
        .committer?.(context)
        .commit([{ checkpointId: 1, subtask: 0, committable }]);
      if (expected === 'done') expect(await outcome).toEqual(['done']);
      else await expect(outcome).rejects.toThrow(code(expected));
    }),
  );
});

describe('partitions', () => {
  test('another spec is for the next start; what is written keeps its own', () =>
    inSimulation(async (world) => {
      await committer(world).commit(await written(world, 1, [1]));
      const pending = await written(world, 2, [2]);
      const field = { name: 'text', transform: 'identity', 'source-id': 2, 'field-id': 1000 };
      await byOthers(world, (metadata) => ({
        ...metadata,
        'partition-specs': [...metadata['partition-specs'], { 'spec-id': 1, fields: [field] }],
        'default-spec-id': 1,
        'last-partition-id': 1000,
      }));
      expect(await committer(world).commit(pending)).toEqual(['done']);
      const third = await written(world, 3, [3], { writerId: 'abc-2-0' });
      expect(third[0]?.committable).toMatchObject({ specId: 1, partitionCount: 1 });
      expect(await committer(world).commit(third)).toEqual(['done']);
      expect(await numbers(world)).toEqual([1, 2, 3]);
    }));

  test('a spec that is gone is an error', () =>
    inSimulation(async (world) => {
      const pending = await written(world, 1, [1]);
      await byOthers(world, (metadata) => ({
        ...metadata,
        'partition-specs': [{ 'spec-id': 1, fields: [] }],
        'default-spec-id': 1,
      }));
      await expect(committer(world).commit(pending)).rejects.toThrow(code('ICE-015'));
    }));

  const MERGE = { properties: { 'commit.manifest.min-count-to-merge': '2' } };

  test.each([
    ['int', t.int(), t.long(), [-5, 7, 2, -1]],
    ['float', t.float(), t.double(), [-5.5, 7, 2, -1]],
    ['decimal', t.decimal(4, 1), t.decimal(20, 1), ['-5.5', '7', '2', '-1']],
  ])('a column that is widened from %s can be merged', (what, narrow, wide, values) =>
    inSimulation(async (world) => {
      const put = async (column: typeof narrow, checkpointId: number, key: unknown) => {
        const sink = icebergSink({
          ...reference,
          ...MERGE,
          schema: icebergSchema({ n: t.int(), key: column }),
          toRow: (row: object) => row as never,
          partitionBy: [identity('key')],
          evolve: true,
        });
        const writerId = `abc-${checkpointId}`;
        const writer = sink.writer({ world, uid: 's', subtask: 0, parallelism: 1, writerId });
        await writer.open?.();
        await writer.write({ n: checkpointId, key }, undefined);
        const [committable] = await writer.prepareCommit(checkpointId, 'checkpoint');
        if (committable === undefined) expect.unreachable();
        const context = { world, uid: 's', lineage: 'abc', isLeftover: () => false };
        return sink.committer?.(context).commit([{ checkpointId, subtask: 0, committable }]);
      };
      for (const [index, value] of values.entries()) {
        const column = index < 2 ? narrow : (wide as typeof narrow);
        expect(await put(column, index + 1, value)).toEqual(['done']);
      }
      expect(await numbers(world)).toEqual([1, 2, 3, 4]);
      const { metadata, io } = await loaded(world);
      const current = currentSnapshot(metadata);
      if (current === undefined) expect.unreachable();
      const [, merged] = await manifestsOf(io, current);
      const [bounds] = merged?.partitions ?? [];
      const last = await manifestsOf(io, current);
      expect(bounds?.lower?.length).toBe(bounds?.upper?.length ?? 0);
      // As wide as the last one's, and it holds all three that came before.
      if (what !== 'decimal') {
        expect(bounds?.lower?.length).toBe(last[0]?.partitions?.[0]?.lower?.length);
      }
      expect(merged?.files.existing).toBe(3n);
    }),
  );

  test('manifests of partitions that are not known any more are left alone', () =>
    inSimulation(async (world) => {
      const options = { ...MERGE, partitionBy: [identity('text')] };
      for (const n of [1, 2]) await committer(world).commit(await written(world, n, [n], options));
      await byOthers(world, (metadata) => ({
        ...columns(([n]) => [n ?? {}])({
          ...metadata,
          'partition-specs': [...metadata['partition-specs'], { 'spec-id': 1, fields: [] }],
        }),
        'default-spec-id': 1,
      }));
      const sink = icebergSink({
        ...reference,
        schema: icebergSchema({ n: t.int() }),
        toRow: (n: number) => ({ n }),
      });
      for (const n of [3, 4]) {
        const writer = sink.writer({
          ...{ world, uid: 's', subtask: 0, parallelism: 1 },
          writerId: `abc-${n}`,
        });
        await writer.open?.();
        await writer.write(n, undefined);
        const [committable] = await writer.prepareCommit(n, 'checkpoint');
        if (committable === undefined) expect.unreachable();
        const context = { world, uid: 's', lineage: 'abc', isLeftover: () => false };
        const commit = sink
          .committer?.(context)
          .commit([{ checkpointId: n, subtask: 0, committable }]);
        expect(await commit).toEqual(['done']);
      }
      expect(await numbers(world)).toEqual([1, 2, 3, 4]);
    }));
});

describe('the table itself', () => {
  test('that is dropped is an error', () =>
    inSimulation(async (world, simulation) => {
      const pending = await written(world, 1, [1]);
      for (const { path } of simulation.disk.files(`${WAREHOUSE}/db`)) await world.fs.remove(path);
      await expect(committer(world).commit(pending)).rejects.toThrow(code('ICE-002'));
    }));

  test('properties of others are kept, and count from then on', () =>
    inSimulation(async (world) => {
      for (const n of [1, 2, 3]) await committer(world).commit(await written(world, n, [n]));
      const properties = {
        'write.format.default': 'avro',
        'commit.manifest.min-count-to-merge': '2',
        'write.metadata.previous-versions-max': '2',
      };
      await byOthers(world, (metadata) => ({
        ...metadata,
        properties: { ...metadata.properties, ...properties },
      }));
      const pending = await written(world, 4, [4]);
      expect(await committer(world).commit(pending)).toEqual(['done']);
      const { metadata, io } = await loaded(world);
      expect(metadata.properties).toMatchObject(properties);
      const current = currentSnapshot(metadata);
      if (current === undefined) expect.unreachable();
      expect(await manifestsOf(io, current)).toHaveLength(2);
      expect(metadata['metadata-log']).toHaveLength(2);
      // The sink writes Parquet, and says so of each file.
      expect(await numbers(world)).toEqual([1, 2, 3, 4]);
    }));
});
