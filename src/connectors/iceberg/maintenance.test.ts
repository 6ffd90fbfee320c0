/** Manifests in one, snapshots that expire, files that nobody needs: the rows stay the same. */
import { describe, expect, test } from 'vitest';
import { orphansOf, rowsOf } from '../../../test/support/iceberg-rows.ts';
import {
  byOthers,
  committer,
  inSimulation,
  loaded,
  TABLE,
  WAREHOUSE,
  written,
} from '../../../test/support/iceberg-world.ts';
import { sleep } from '../../common/clock.ts';
import type { World } from '../../contracts/source.ts';
import { expiredSnapshots } from './expire-snapshots.ts';
import { hadoop } from './hadoop-catalog.ts';
import { bucket, truncate } from './partition-fields.ts';
import { chooseMerge } from './merge-manifests.ts';
import { manifestsOf } from './read-manifests.ts';
import { currentSnapshot, type Snapshot, type TableMetadata } from './table-metadata.ts';
import {
  expireSnapshots,
  listSnapshots,
  removeOrphans,
  rollBackTable,
} from './table-operations.ts';

const reference = { catalog: hadoop({ warehouse: WAREHOUSE }), table: TABLE };
const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

async function numbers(world: World): Promise<number[]> {
  const rows = (await rowsOf(world, WAREHOUSE, TABLE)) as { n: number }[];
  return rows.map(({ n }) => n).sort((a, b) => a - b);
}

describe('manifests', () => {
  test.each<[string, object]>([
    ['without partitions', {}],
    ['with partitions', { partitionBy: [bucket('n', 2), truncate('text', 7)] }],
  ])('%s are put into one when there are many', (_what, options) =>
    inSimulation(async (world) => {
      const properties = { 'commit.manifest.min-count-to-merge': '3' };
      const table = { ...options, properties };
      for (const n of range(1, 11)) {
        await committer(world, table).commit(await written(world, n, [2 * n, 2 * n + 1], table));
      }
      const { metadata, io } = await loaded(world);
      const current = currentSnapshot(metadata);
      if (current === undefined) expect.unreachable();
      const manifests = await manifestsOf(io, current);
      expect(manifests.length).toBeLessThanOrEqual(3);
      // What a checkpoint adds is its own manifest, by which a repeated commit is known.
      expect(manifests[0]).toMatchObject({ sequenceNumber: 10n, minSequenceNumber: 10n });
      expect(manifests.at(-1)).toMatchObject({ minSequenceNumber: 1n });
      expect(manifests.reduce((sum, { rows }) => sum + rows.added + rows.existing, 0n)).toBe(20n);
      expect(await numbers(world)).toEqual(range(2, 22));
      expect(await orphansOf(world, WAREHOUSE, TABLE)).toEqual([]);
    }),
  );

  test('are left alone as the table says, and if they are few or large', () => {
    const manifest = (sizeBytes: bigint, content = 0) =>
      ({ content, sizeBytes, specId: 0, keyMetadata: undefined }) as never;
    const metadata = (properties: object) => ({ properties }) as unknown as TableMetadata;
    const many = Array.from({ length: 100 }, () => manifest(100n));
    expect(chooseMerge(metadata({}), many)).toHaveLength(100);
    expect(chooseMerge(metadata({}), many.slice(1))).toBeUndefined();
    expect(
      chooseMerge(metadata({ 'commit.manifest-merge.enabled': 'false' }), many),
    ).toBeUndefined();
    const properties = {
      'commit.manifest.min-count-to-merge': '2',
      'commit.manifest.target-size-bytes': '250',
    };
    expect(chooseMerge(metadata(properties), many)).toHaveLength(2);
    expect(chooseMerge(metadata(properties), [manifest(300n), manifest(300n)])).toBeUndefined();
    expect(chooseMerge(metadata(properties), [manifest(1n, 1), manifest(1n, 1)])).toBeUndefined();
  });
});

describe('expiry', () => {
  const properties = {
    'history.expire.max-snapshot-age-ms': '1000',
    'commit.manifest.min-count-to-merge': '2',
  };

  test('forgets old snapshots and their files, and never the newest of a job', () =>
    inSimulation(async (world) => {
      const idle = { uid: 'idle', properties };
      await committer(world, idle).commit(await written(world, 1, [100], idle));
      for (const n of range(1, 6)) {
        await committer(world).commit(await written(world, n, [n]));
        await sleep(world.clock, 600);
      }
      const before = await expireSnapshots(reference, world, { dryRun: true });
      const done = await expireSnapshots(reference, world);
      expect(done.snapshots).toBe(before.snapshots);
      expect(done.snapshots).toBeGreaterThanOrEqual(3);
      expect(done.files).toBeGreaterThan(done.snapshots);
      const left = await listSnapshots(reference, world);
      expect(left.some(({ job }) => job?.uid === 'idle')).toBe(true);
      expect(left.some(({ job }) => job?.uid === 'sink' && job.checkpointId === 5)).toBe(true);
      expect(await numbers(world)).toEqual([1, 2, 3, 4, 5, 100]);
      expect(await orphansOf(world, WAREHOUSE, TABLE)).toEqual([]);
      // The job that stood still comes back with what it had committed.
      expect(await committer(world, idle).commit(await written(world, 2, [200], idle))).toEqual([
        'done',
      ]);
      expect(await expireSnapshots(reference, world, { dryRun: true })).toMatchObject({ files: 0 });
    }));

  test('can follow each commit', () =>
    inSimulation(async (world) => {
      const options = { properties, expireSnapshots: true };
      for (const n of range(1, 8)) {
        await committer(world, options).commit(await written(world, n, [n], options));
        await sleep(world.clock, 600);
      }
      expect((await listSnapshots(reference, world)).length).toBeLessThanOrEqual(3);
      expect(await numbers(world)).toEqual(range(1, 8));
    }));

  test('knows a committed checkpoint when its mark is gone', () =>
    inSimulation(async (world) => {
      const pending = await written(world, 1, [1]);
      await committer(world).commit(pending);
      await committer(world, { uid: 'other' }).commit(
        await written(world, 1, [2], { uid: 'other' }),
      );
      // Somebody else's expiry knows nothing of marks.
      await byOthers(world, (metadata) => ({
        ...metadata,
        snapshots: (metadata.snapshots ?? []).slice(-1),
      }));
      expect(await committer(world).commit(pending)).toEqual(['already']);
      expect(await committer(world).commit(await written(world, 2, [3]))).toEqual(['done']);
      expect(await numbers(world)).toEqual([1, 2, 3]);
    }));

  test('leaves what tags and branches name, and all that is young', () => {
    const snapshot = (id: number, parent?: number): Snapshot => ({
      'snapshot-id': id,
      'timestamp-ms': id * 1000,
      ...(parent === undefined ? {} : { 'parent-snapshot-id': parent }),
    });
    const metadata = {
      'current-snapshot-id': 4,
      refs: { main: { 'snapshot-id': 4, type: 'branch' } },
      snapshots: [snapshot(1), snapshot(2, 1), snapshot(3, 1), snapshot(4, 2)],
      properties: { 'history.expire.max-snapshot-age-ms': '1500' },
    } as unknown as TableMetadata;
    const ids = (of: TableMetadata) =>
      expiredSnapshots(of, 5000).map((each) => each['snapshot-id']);
    expect(ids(metadata)).toEqual([1, 2, 3]);
    const tagged = {
      ...metadata,
      refs: { ...metadata.refs, v1: { 'snapshot-id': 1, type: 'tag' } },
    };
    expect(ids(tagged)).toEqual([2]);
    const keep = { ...metadata.properties, 'history.expire.min-snapshots-to-keep': '2' };
    expect(ids({ ...metadata, properties: keep })).toEqual([1, 3]);
  });
});

describe('a table that is written to for years', () => {
  const year = {
    properties: {
      'history.expire.max-snapshot-age-ms': '1000',
      'commit.manifest.min-count-to-merge': '5',
      'write.metadata.previous-versions-max': '7',
    },
    expireSnapshots: true,
  };

  test('is as small after many commits as after some', () =>
    inSimulation(async (world, simulation) => {
      const files = (): string[] => simulation.disk.files(WAREHOUSE).map(({ path }) => path);
      const sizes: { metadata: number; manifests: number; bytes: number }[] = [];
      for (const n of range(1, 61)) {
        await committer(world, year).commit(await written(world, n, [n], year));
        await sleep(world.clock, 400);
        const { metadata, io } = await loaded(world);
        const current = currentSnapshot(metadata);
        if (current === undefined) expect.unreachable();
        sizes.push({
          metadata: files().filter((path) => path.endsWith('.metadata.json')).length,
          manifests: (await manifestsOf(io, current)).length,
          bytes: JSON.stringify(metadata, (_, value: unknown) =>
            typeof value === 'bigint' ? String(value) : value,
          ).length,
        });
      }
      const [some, many] = [sizes.slice(15, 30), sizes.slice(45)];
      const most = (of: typeof sizes, name: keyof (typeof sizes)[number]) =>
        Math.max(...of.map((size) => size[name]));
      expect(most(sizes, 'metadata')).toBeLessThanOrEqual(9);
      expect(most(sizes, 'manifests')).toBeLessThanOrEqual(6);
      // Numbers get longer, nothing else.
      expect(most(many, 'bytes')).toBeLessThan(most(some, 'bytes') * 1.05);
      // Data files, what the last snapshots need, the kept metadata and the hint.
      const notData = files().filter((path) => !path.endsWith('.parquet'));
      expect(notData.length).toBeLessThan(40);
      expect(await numbers(world)).toEqual(range(1, 61));
    }));
});

test('orphans are removed when they are old, and nothing else', () =>
  inSimulation(async (world) => {
    await committer(world).commit(await written(world, 1, [1]));
    await committer(world).commit(await written(world, 2, [2]));
    const [first] = await listSnapshots(reference, world);
    await rollBackTable(reference, world, { kind: 'snapshot', id: first?.id ?? 0n });
    await written(world, 3, [3]);
    expect(await removeOrphans(reference, world)).toEqual([]);
    await sleep(world.clock, 10);
    const dry = await removeOrphans(reference, world, { olderThanMs: 0, dryRun: true });
    // A data file and a manifest of the third; the second's are those of a snapshot.
    expect(dry).toHaveLength(2);
    expect(await removeOrphans(reference, world, { olderThanMs: 0 })).toEqual(dry);
    expect(await orphansOf(world, WAREHOUSE, TABLE)).toEqual([]);
    expect(await numbers(world)).toEqual([1]);
  }));
