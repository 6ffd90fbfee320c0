import { describe, expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { decode, encode } from '../../../test/support/parquet-rows.ts';
import { SourceRun, type SourceSnapshot } from '../../../test/conformance/source.ts';
import { sleep } from '../../common/clock.ts';
import type { Sink } from '../../contracts/sink.ts';
import type { Source, World } from '../../contracts/source.ts';
import { typeSchemaFrom } from '../../serde/schema-structure.ts';
import type { DiskFault } from '../../testing/simulation/simulated-disk.ts';
import { Simulation } from '../../testing/simulation/simulation.ts';
import { parquetFiles, parquetSink, type ParquetSinkOptions } from './parquet.ts';
import type { PendingFile } from './pending-file.ts';

const Row = z.object({ id: z.int(), text: z.string() });
type Row = z.infer<typeof Row>;
const rowsOf = (count: number): Row[] =>
  Array.from({ length: count }, (_, id) => ({ id, text: `text ${id}` }));
const bytesOf = (rows: readonly Row[], groupRows = Infinity) =>
  encode(typeSchemaFrom(Row), rows, { groupRows });
const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;
const FRESH: SourceSnapshot = { enumerator: undefined, splits: [] };

async function write(world: World, path: string, bytes: Uint8Array): Promise<void> {
  await world.fs.makeFolder(path.slice(0, path.lastIndexOf('/')));
  const mode = (await world.fs.stat(path)) === undefined ? 'create' : 'append';
  const file = await world.fs.openWrite(path, mode);
  await file.write(bytes);
  await file.close();
}

/** A disk with Parquet files on it. */
class Disk {
  readonly simulation = new Simulation({ seed: 7 });

  async do<R>(work: (world: World) => Promise<R>): Promise<R> {
    return this.simulation.run(this.simulation.process('test').start(work));
  }

  async write(path: string, bytes: Uint8Array): Promise<this> {
    await this.do((world) => write(world, path, bytes));
    return this;
  }

  async read<T>(
    source: Source<T>,
    from = FRESH,
    stopAfter = Infinity,
    meanwhile?: (world: World) => Promise<void>,
  ) {
    return this.do(async (world) => {
      const running = new SourceRun(source, world, 1, this.simulation.random).run(from, stopAfter);
      await meanwhile?.(world);
      return running;
    });
  }

  fail(fault: DiskFault): this {
    this.simulation.disk.fail(fault);
    return this;
  }
}

const withFile = (rows = rowsOf(5), groupRows = 2) =>
  new Disk().write('/in/a.parquet', bytesOf(rows, groupRows));
// The driver knows no types of splits.
const source = (...args: Parameters<typeof parquetFiles<z.ZodType, unknown, unknown>>) =>
  parquetFiles<z.ZodType, unknown, unknown>(...args) as Source<unknown>;

describe('reading', () => {
  test('a row that does not fit fails the job with its place, or becomes a value', async () => {
    const Short = Row.refine(({ id }) => id !== 2, 'not this one');
    await expect((await withFile()).read(source('/in', Short))).rejects.toMatchObject({
      code: 'FIL-008',
      details: { file: '/in/a.parquet', row: 3, text: '{"id":2,"text":"text 2"}' },
    });
    const { emitted } = await (
      await withFile()
    ).read(source('/in', Short, { position: (_, { row }) => row, onInvalid: ({ row }) => -row }));
    expect(emitted).toEqual([1, 2, -3, 4, 5]);
  });

  test('an integer that no number can be is a problem of its row', async () => {
    const type = typeSchemaFrom(z.object({ id: z.bigint() }));
    const bytes = encode(type, [{ id: 1n }, { id: 2n ** 60n }, { id: 3n }]);
    const disk = await new Disk().write('/in/a.parquet', bytes);
    const reasons = await disk.read(
      source('/in', z.object({ id: z.int() }), { onInvalid: ({ reason }) => reason }),
    );
    expect(reasons.emitted).toEqual([
      { id: 1 },
      'id: 1152921504606846976 is too large for a number, take z.bigint()',
      { id: 3 },
    ]);
    // As it is in the file, it is shown without being JSON.
    const reading = disk.read(source('/in', z.object({ id: z.bigint().max(5n) })));
    await expect(reading).rejects.toMatchObject({
      details: { text: '{"id":"1152921504606846976"}' },
    });
  });

  test('a schema that does not tell what it takes gets what the file says', async () => {
    const opaque = z.custom<{ id: number }>((row) => typeof row === 'object');
    const { emitted } = await (await withFile(rowsOf(1))).read(source('/in', opaque));
    expect(emitted).toEqual(rowsOf(1));
  });

  test('one that turns text into something takes text', async () => {
    const Length = Row.extend({ text: z.string().transform((text) => text.length) });
    const { emitted } = await (await withFile(rowsOf(1))).read(source('/in', Length));
    expect(emitted).toEqual([{ id: 0, text: 6 }]);
  });

  test.each([
    ['is gone', (world: World) => world.fs.remove('/in/a.parquet')],
    ['has grown', (world: World) => write(world, '/in/a.parquet', Uint8Array.of(0))],
    [
      'has another content',
      async (world: World) => {
        await world.fs.remove('/in/a.parquet');
        await write(world, '/in/a.parquet', bytesOf(rowsOf(6), 2));
      },
    ],
  ])('going on is refused if the file %s', async (_how, change) => {
    const disk = await withFile();
    const { taken } = await disk.read(source('/in', Row), FRESH, 1);
    await disk.do(change);
    await expect(disk.read(source('/in', Row), taken)).rejects.toThrow(code('FIL-007'));
  });

  test.each<[DiskFault, string]>([
    [{ operations: ['openRead'], errno: 'EACCES' }, 'FIL-002'],
    [{ operations: ['read'], errno: 'EIO' }, 'FIL-004'],
    [{ operations: ['read'], skip: 3, errno: 'EIO' }, 'FIL-004'],
  ])('%o: %s, and the next attempt reads it', async (fault, expected) => {
    const disk = (await withFile()).fail(fault);
    await expect(disk.read(source('/in', Row))).rejects.toThrow(code(expected));
    expect((await disk.read(source('/in', Row))).emitted).toEqual(rowsOf(5));
  });

  test.each([0, 3, 100])('%i bytes are no Parquet file', async (length) => {
    const disk = await new Disk().write('/in/a.parquet', bytesOf(rowsOf(5)).subarray(0, length));
    await expect(disk.read(source('/in', Row))).rejects.toThrow(code('FMT-006'));
  });

  test('a watched file is waited for until it has its footer', async () => {
    const bytes = bytesOf(rowsOf(4));
    const disk = await new Disk().write('/in/a.parquet', bytes.subarray(0, 50));
    const watching = source('/in', Row, { watch: { everyMs: 100 } });
    const { emitted } = await disk.read(watching, FRESH, 4, async (world) => {
      await sleep(world.clock, 350);
      await write(world, '/in/a.parquet', bytes.subarray(50));
    });
    expect(emitted).toEqual(rowsOf(4));
  });

  test('a watched file that never gets one fails the job', async () => {
    const disk = await new Disk().write('/in/a.parquet', bytesOf(rowsOf(4)).subarray(0, 50));
    const watching = source('/in', Row, { watch: { everyMs: 100, lastLineAfterMs: 1_000 } });
    await expect(disk.read(watching, FRESH, 4)).rejects.toThrow(code('FMT-006'));
  });

  test('types follow from the schema', () => {
    expectTypeOf(parquetFiles('/in', Row)).toExtend<Source<Row>>();
  });
});

describe('writing', () => {
  const LINEAGE = 'abc';
  const sinkOf = (options: Partial<ParquetSinkOptions<typeof Row>> = {}) =>
    parquetSink({ path: '/out', schema: Row, types: { id: 'int64' }, ...options });

  async function writer(world: World, sink: Sink<Row, PendingFile>) {
    const context = { world, uid: 'u', subtask: 0, parallelism: 1, writerId: `${LINEAGE}-1-0` };
    const made = sink.writer(context);
    await made.open?.();
    return made;
  }

  async function written(disk: Disk, sink: Sink<Row, PendingFile>, rows: readonly Row[]) {
    return disk.do(async (world) => {
      const made = await writer(world, sink);
      for (const row of rows) await made.write(row, undefined);
      const files = await made.prepareCommit(1, 'checkpoint');
      const committer = sink.committer?.({
        world,
        uid: 'u',
        lineage: LINEAGE,
        isLeftover: () => true,
      });
      const stamped = files.map((committable) => ({ checkpointId: 1, subtask: 0, committable }));
      await committer?.commit(stamped);
      const found = new Map<string, unknown[]>();
      for (const { finalPath } of files) {
        const bytes = await world.fs.readFile(finalPath);
        found.set(finalPath, await decode(bytes, { wanted: typeSchemaFrom(Row) }));
      }
      return found;
    });
  }

  test('a checkpoint is a file', async () => {
    const found = await written(new Disk(), sinkOf(), rowsOf(3));
    expect([...found]).toEqual([['/out/part-u-abc-1-0-0.parquet', rowsOf(3)]]);
  });

  test('what is large becomes several', async () => {
    const found = await written(new Disk(), sinkOf({ rollBytes: 1_000 }), rowsOf(100));
    expect(found.size).toBeGreaterThan(3);
    expect([...found.values()].flat()).toEqual(rowsOf(100));
  });

  test('nothing is no file', async () => {
    expect((await written(new Disk(), sinkOf(), [])).size).toBe(0);
  });

  test('rows of all buckets together take no more memory than allowed', async () => {
    const disk = new Disk();
    const text = 'x'.repeat(10_000);
    const sink = sinkOf({
      bucket: ({ id }) => `b${id % 8}`,
      bufferBytesMax: 50_000,
      compression: 'none',
    });
    await disk.do(async (world) => {
      const made = await writer(world, sink);
      for (let id = 0; id < 2_000; id++) {
        await made.write({ id, text }, undefined);
        const onDisk = disk.simulation.disk.files().reduce((sum, file) => sum + file.sizeBytes, 0);
        // Beside it there is what each file has encoded and the disk has not taken yet.
        expect(id * 10_000 - onDisk).toBeLessThan(11_000_000);
      }
      await made.close();
    });
    const [file] = (await written(new Disk(), sink, rowsOf(10))).keys();
    expect(file).toMatch(/^\/out\/b0\/part-/);
  });

  test('a value that does not fit leaves no file', async () => {
    const disk = new Disk();
    await disk.do(async (world) => {
      const made = await writer(world, sinkOf());
      expect(() => made.write({ id: 0.5, text: '' }, undefined)).toThrow(code('FMT-009'));
      expect(await made.prepareCommit(1, 'checkpoint')).toEqual([]);
    });
  });

  test.each<[DiskFault, string]>([
    [{ operations: ['create'], errno: 'EACCES' }, 'FIL-002'],
    [{ operations: ['write'], errno: 'ENOSPC' }, 'FIL-005'],
    [{ operations: ['sync'], errno: 'EIO' }, 'FIL-004'],
  ])('%o: %s at the barrier', async (fault, expected) => {
    const disk = new Disk();
    await disk.do(async (world) => {
      const made = await writer(world, sinkOf());
      disk.fail(fault);
      for (const row of rowsOf(3)) await made.write(row, undefined);
      await expect(made.prepareCommit(1, 'checkpoint')).rejects.toThrow(code(expected));
      await made.close();
    });
  });

  test('a full disk stops the writer early', async () => {
    const disk = new Disk();
    disk.simulation.disk.setCapacityBytes(50_000);
    await disk.do(async (world) => {
      const made = await writer(world, sinkOf({ rowGroupRows: 100, compression: 'none' }));
      const writing = async (): Promise<void> => {
        for (let id = 0; id < 1_000_000; id++) await made.write({ id, text: 'x'.repeat(99) }, 0);
      };
      await expect(writing()).rejects.toThrow(code('FIL-005'));
      await made.close();
    });
  });

  test.each([
    { rowGroupRows: 0 },
    { rowGroupBytes: Number.NaN },
    { bufferBytesMax: -1 },
    { rollBytes: 0 },
    { compression: 'lz4' as 'zstd' },
  ])('%o is refused', (options) => {
    expect(() => sinkOf(options)).toThrow(code('FIL-010'));
  });

  test('a schema without a structure is refused', () => {
    const schema = z.object({ id: z.string().transform(Number) });
    expect(() => parquetSink({ path: '/out', schema })).toThrow(code('SER-006'));
  });
});
