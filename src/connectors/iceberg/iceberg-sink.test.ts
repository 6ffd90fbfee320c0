/*
 * Goal: a checkpoint is in the table once, whatever becomes of requests and answers, and whoever else
 * writes to the table; and a job and a table that do not fit are told apart from a repeated commit.
 * Method: a simulated disk as the catalog, with commits that fail as planned.
 */
import { describe, expect, test } from 'vitest';
import { orphansOf, rowsOf } from '../../../test/support/iceberg-rows.ts';
import {
  committer,
  flakyCatalog,
  inSimulation,
  loaded,
  numbersSink,
  TABLE,
  WAREHOUSE,
  written,
  type CommitFault,
} from '../../../test/support/iceberg-world.ts';
import type { World } from '../../contracts/source.ts';
import { day, hadoop, identity, icebergSchema, icebergSink, t } from './index.ts';
import { stampOf } from './job-stamp.ts';
import { listSnapshots, rollBackTable, snapshotOfCheckpoint } from './table-operations.ts';
import { ancestry, currentSnapshot } from './table-metadata.ts';

const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;
const reference = { catalog: hadoop({ warehouse: WAREHOUSE }), table: TABLE };

async function numbers(world: World): Promise<number[]> {
  const rows = (await rowsOf(world, WAREHOUSE, TABLE)) as { n: number }[];
  return rows.map(({ n }) => n).sort((a, b) => a - b);
}

describe('a checkpoint', () => {
  test('is one snapshot, with the marks of its job, and totals', () =>
    inSimulation(async (world) => {
      await committer(world).commit(await written(world, 1, [1, 2]));
      const both = [
        ...(await written(world, 2, [3], { writerId: 'abc-1-0' })),
        ...(await written(world, 2, [4, 5], { writerId: 'abc-1-1' })),
      ];
      expect(await committer(world).commit(both)).toEqual(['done', 'done']);
      const { metadata } = await loaded(world);
      const snapshots = ancestry(metadata).snapshots;
      expect(snapshots).toHaveLength(2);
      expect(snapshots[0]?.summary).toMatchObject({
        operation: 'append',
        'flink.job-id': 'abc',
        'flink.operator-id': 'sink',
        'flink.max-committed-checkpoint-id': '2',
        'added-data-files': '2',
        'added-records': '3',
        'total-records': '5',
        'total-data-files': '3',
      });
      expect(metadata['last-sequence-number']).toBe(2);
      expect(await numbers(world)).toEqual([1, 2, 3, 4, 5]);
    }));

  test('without rows is none', () =>
    inSimulation(async (world) => {
      expect(await written(world, 1, [])).toEqual([]);
      expect(await committer(world).commit([])).toEqual([]);
      expect((await loaded(world)).metadata.snapshots).toEqual([]);
    }));

  test('that is committed again adds nothing, by this committer or another', () =>
    inSimulation(async (world) => {
      const first = await written(world, 1, [1]);
      const second = await written(world, 2, [2]);
      const sink = committer(world);
      await sink.commit([...first, ...second]);
      for (const again of [sink, committer(world)]) {
        expect(await again.commit([...first, ...second])).toEqual(['already', 'already']);
        expect(await again.commit(first)).toEqual(['already']);
      }
      expect((await loaded(world)).metadata.snapshots).toHaveLength(2);
    }));

  test('of two sinks in one job and one table are two', () =>
    inSimulation(async (world) => {
      const a = await written(world, 1, [1], { uid: 'a' });
      const b = await written(world, 1, [2], { uid: 'b' });
      expect(await committer(world, { uid: 'a' }).commit(a)).toEqual(['done']);
      expect(await committer(world, { uid: 'b' }).commit(b)).toEqual(['done']);
      expect(await numbers(world)).toEqual([1, 2]);
    }));

  test('of a fork does not go into a table of the original', () =>
    inSimulation(async (world) => {
      const fork = { lineage: 'fork', forkedFrom: 'abc' };
      await committer(world, fork).abortLeftovers?.();
      await committer(world).commit(await written(world, 1, [1]));
      await expect(committer(world, fork).abortLeftovers?.()).rejects.toThrow(code('ICE-013'));
      await committer(world, { ...fork, forkedFrom: 'another' }).abortLeftovers?.();
      expect(await numbers(world)).toEqual([1]);
    }));

  test.each<[string, readonly CommitFault[]]>([
    ['of a conflict', ['conflict']],
    ['of many', ['conflict', 'conflict', 'conflict', 'conflict']],
    ['of a request that got lost', ['lost-request']],
    ['of an answer that got lost', ['lost-answer']],
    ['of a request that came late', ['late']],
    ['of all of them', ['late', 'conflict', 'lost-request', 'late', 'lost-answer']],
  ])('is there once, in spite %s', (_what, faults) =>
    inSimulation(async (world) => {
      const catalog = flakyCatalog(['none', ...faults]);
      const sink = committer(world, { catalog });
      await sink.commit(await written(world, 1, [1]));
      expect(await sink.commit(await written(world, 2, [2]))).toEqual(
        expect.arrayContaining([expect.stringMatching(/done|already/)]),
      );
      await sink.commit(await written(world, 3, [3]));
      expect(await numbers(world)).toEqual([1, 2, 3]);
      expect((await loaded(world)).metadata.snapshots).toHaveLength(3);
    }),
  );

  test('that others are always before is kept, and so are later ones', () =>
    inSimulation(async (world) => {
      const catalog = flakyCatalog(Array.from({ length: 3 }, () => 'conflict' as const));
      const sink = committer(world, { catalog, commitAttemptsMax: 3 });
      const all = [...(await written(world, 1, [1])), ...(await written(world, 2, [2]))];
      await expect(sink.commit(all)).rejects.toThrow(code('ICE-010'));
      expect(await numbers(world)).toEqual([]);
      expect(await sink.commit(all)).toEqual(['done', 'done']);
      expect(await numbers(world)).toEqual([1, 2]);
      expect(await orphansOf(world, WAREHOUSE, TABLE)).toEqual([]);
    }));

  test('whose answers are lost each time is kept, and the error says that it may be there', () =>
    inSimulation(async (world) => {
      const catalog = flakyCatalog(['late', 'conflict', 'conflict']);
      const sink = committer(world, { catalog, commitAttemptsMax: 3 });
      const pending = await written(world, 1, [1]);
      // The late one is made by the request behind it, and found by the next look.
      expect(await sink.commit(pending)).toEqual(['done']);
      const lost = flakyCatalog(['lost-request', 'conflict']);
      const other = committer(world, { catalog: lost, commitAttemptsMax: 2 });
      const next = await written(world, 2, [2]);
      await expect(other.commit(next)).rejects.toThrow(code('ICE-008'));
      expect(await other.commit(next)).toEqual(['done']);
      expect(await numbers(world)).toEqual([1, 2]);
    }));

  test('before one that cannot be committed is told, and that one is kept', () =>
    inSimulation(async (world) => {
      const catalog = flakyCatalog(['none', 'conflict']);
      const sink = committer(world, { catalog, commitAttemptsMax: 1 });
      const all = [
        ...(await written(world, 1, [1])),
        ...(await written(world, 2, [2])),
        ...(await written(world, 3, [3])),
      ];
      // A mark of 3 without 2 would say that 2 is in the table.
      expect(await sink.commit(all)).toEqual(['done', 'retry', 'retry']);
      expect(await numbers(world)).toEqual([1]);
    }));

  test('of many sinks at once are all there', () =>
    inSimulation(async (world) => {
      const uids = ['a', 'b', 'c', 'd'];
      const all = await Promise.all(uids.map((uid, index) => written(world, 1, [index], { uid })));
      const results = await Promise.all(
        uids.map((uid, index) => committer(world, { uid }).commit(all[index] ?? [])),
      );
      expect(results.flat()).toEqual(['done', 'done', 'done', 'done']);
      expect(await numbers(world)).toEqual([0, 1, 2, 3]);
      expect((await loaded(world)).metadata['last-sequence-number']).toBe(4);
      expect(await orphansOf(world, WAREHOUSE, TABLE)).toEqual([]);
    }));
});

describe('a job that does not fit the table', () => {
  test('is told when another history had a checkpoint of that number', () =>
    inSimulation(async (world) => {
      await committer(world).commit(await written(world, 4, [1]));
      // The job was started from an older savepoint, and the table was not rolled back.
      const other = await written(world, 4, [2], { writerId: 'abc-2-0' });
      expect(await committer(world).commit(other)).toEqual(['lost']);
    }));

  test('is told when the table has a later one and not this one', () =>
    inSimulation(async (world) => {
      await committer(world).commit(await written(world, 2, [1]));
      await committer(world).commit(await written(world, 9, [1]));
      expect(await committer(world).commit(await written(world, 4, [2]))).toEqual(['lost']);
    }));

  test('is told when the table was made anew', () =>
    inSimulation(async (world, simulation) => {
      const old = await written(world, 1, [1]);
      for (const { path } of simulation.disk.files(`${WAREHOUSE}/db`)) await world.fs.remove(path);
      await written(world, 1, [1], { writerId: 'abc-2-0' });
      await expect(committer(world).commit(old)).rejects.toThrow(code('ICE-014'));
      expect(await numbers(world)).toEqual([]);
    }));
});

describe('a rollback', () => {
  test('takes checkpoints back, and what comes then has the right parent and number', () =>
    inSimulation(async (world) => {
      for (const n of [1, 2, 3]) await committer(world).commit(await written(world, n, [n]));
      const snapshots = await listSnapshots(reference, world);
      const second = snapshotOfCheckpoint(snapshots, { uid: 'sink', checkpointId: 2 });
      if (second === undefined) expect.unreachable();
      const to = { kind: 'snapshot', id: second.id } as const;
      const plan = await rollBackTable(reference, world, to, { dryRun: true });
      expect(await numbers(world)).toEqual([1, 2, 3]);
      expect(plan).toMatchObject({ rows: 1n, jobs: [{ uid: 'sink', from: 3, to: 2 }] });
      expect(await rollBackTable(reference, world, to)).toEqual(plan);
      expect(await numbers(world)).toEqual([1, 2]);
      // Again changes nothing.
      const { version } = await loaded(world);
      await rollBackTable(reference, world, to);
      expect((await loaded(world)).version).toBe(version);

      // The job goes on from checkpoint 2, and its next one is 3 again.
      const again = await written(world, 3, [30], { writerId: 'abc-2-0' });
      expect(await committer(world).commit(again)).toEqual(['done']);
      const { metadata } = await loaded(world);
      const current = currentSnapshot(metadata);
      expect(current?.['parent-snapshot-id']).toBe(second.id);
      // Of the table, not of the parent, which was the second.
      expect(current?.['sequence-number']).toBe(4);
      expect(current?.summary?.['total-records']).toBe('3');
      expect(await numbers(world)).toEqual([1, 2, 30]);
    }));

  test('shows a restored job that its pending checkpoint is not in the table any more', () =>
    inSimulation(async (world) => {
      const first = await written(world, 1, [1]);
      await committer(world).commit(first);
      const second = await written(world, 2, [2]);
      await committer(world).commit(second);
      const [to] = await listSnapshots(reference, world);
      await rollBackTable(reference, world, { kind: 'snapshot', id: to?.id ?? 0n });
      expect(await committer(world).commit(second)).toEqual(['done']);
      expect(await numbers(world)).toEqual([1, 2]);
    }));

  test('can be undone, and goes to no snapshot of another line', () =>
    inSimulation(async (world) => {
      for (const n of [1, 2]) await committer(world).commit(await written(world, n, [n]));
      const [first, second] = await listSnapshots(reference, world);
      const back = { kind: 'snapshot', id: first?.id ?? 0n } as const;
      const forth = { kind: 'snapshot', id: second?.id ?? 0n } as const;
      await rollBackTable(reference, world, back);
      await rollBackTable(reference, world, forth);
      expect(await numbers(world)).toEqual([1, 2]);
      await rollBackTable(reference, world, back);
      await committer(world).commit(await written(world, 2, [3], { writerId: 'abc-3-0' }));
      await expect(rollBackTable(reference, world, forth)).rejects.toThrow(code('ICE-012'));
      await expect(rollBackTable(reference, world, { kind: 'before', timeMs: 0 })).rejects.toThrow(
        code('ICE-012'),
      );
    }));
});

describe('files of dead attempts', () => {
  test('go at a start, those that the table needs stay', () =>
    inSimulation(async (world) => {
      const options = { properties: { 'commit.manifest.min-count-to-merge': '2' } };
      for (const n of [1, 2, 3])
        await committer(world).commit(await written(world, n, [n], options));
      await written(world, 4, [4], { writerId: 'abc-1-9' });
      await written(world, 4, [5], { writerId: 'other-1-0' });
      expect((await orphansOf(world, WAREHOUSE, TABLE)).length).toBe(4);
      await committer(world).abortLeftovers?.();
      const left = await orphansOf(world, WAREHOUSE, TABLE);
      expect(left.map((location) => location.includes('sink-other-1-0'))).toEqual([true, true]);
      expect(await numbers(world)).toEqual([1, 2, 3]);
    }));

  test('stay while something is not committed', () =>
    inSimulation(async (world) => {
      const catalog = flakyCatalog(['conflict']);
      const sink = committer(world, { catalog, commitAttemptsMax: 1 });
      const pending = await written(world, 1, [1]);
      await expect(sink.commit(pending)).rejects.toThrow(code('ICE-010'));
      await sink.abortLeftovers?.();
      expect(await sink.commit(pending)).toEqual(['done']);
      expect(await numbers(world)).toEqual([1]);
    }));
});

describe('what is refused', () => {
  test.each([
    { table: 'numbers' },
    { table: 'db..t' },
    { table: 'db.a/b' },
    { targetFileSizeBytes: 0 },
    { commitAttemptsMax: Number.NaN },
    { compression: 'lz4' as never },
    { partitionBy: [day('n')] },
    { partitionBy: [day('nowhere')] },
  ])('%o', (options) => {
    expect(() => numbersSink(options)).toThrow(code('ICE-001'));
  });

  test('a value that does not fit, and its file is not begun', () =>
    inSimulation(async (world) => {
      const schema = icebergSchema({ at: t.timestamptz() });
      const sink = icebergSink({
        catalog: hadoop({ warehouse: WAREHOUSE }),
        table: TABLE,
        schema,
        toRow: (at: string) => ({ at }),
        partitionBy: [day('at')],
      });
      const writer = sink.writer({ world, uid: 'u', subtask: 0, parallelism: 1, writerId: 'w' });
      await writer.open?.();
      expect(() => writer.write('today', undefined)).toThrow(code('ICE-006'));
      expect(await writer.prepareCommit(1, 'checkpoint')).toEqual([]);
    }));
});

test('a new table has the partition fields in the order told, with ids from 1000 on', () =>
  inSimulation(async (world) => {
    const sink = icebergSink({
      catalog: hadoop({ warehouse: WAREHOUSE }),
      table: TABLE,
      schema: icebergSchema({ at: t.timestamptz(), name: t.string() }),
      toRow: (name: string) => ({ at: new Date(0), name }),
      partitionBy: [day('at'), identity('name')],
    });
    const writer = sink.writer({ world, uid: 'u', subtask: 0, parallelism: 1, writerId: 'w' });
    await writer.open?.();
    await writer.close();
    const { metadata } = await loaded(world);
    const fields = metadata['partition-specs'][0]?.fields ?? [];
    expect(fields.map((field) => [field.transform, field['field-id']])).toEqual([
      ['day', 1000],
      ['identity', 1001],
    ]);
    expect(metadata['last-partition-id']).toBe(1001);
  }));

test('stamps of others are left alone', () => {
  const snapshot = { 'snapshot-id': 1, 'timestamp-ms': 1, summary: { 'flink.job-id': 'x' } };
  expect(stampOf(snapshot)).toBeUndefined();
});
