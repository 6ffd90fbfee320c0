import { describe, expect, test } from 'vitest';
import type { Sink, Stamped } from '../../contracts/sink.ts';
import type { World } from '../../contracts/source.ts';
import type { DiskFault } from '../../testing/simulation/simulated-disk.ts';
import { Simulation } from '../../testing/simulation/simulation.ts';
import { fileSink, type FileSinkOptions } from './file-sink.ts';
import type { PendingFile } from './pending-file.ts';
import { readFinished, readFinishedValues } from './read-finished.ts';

interface Value {
  readonly n: number;
}

const LINEAGE = 'abc';
const json = (options: Partial<FileSinkOptions<Value>> = {}) =>
  fileSink<Value>({ path: '/out', format: 'json-lines', ...options });
const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;

function inSimulation<R>(work: (world: World, simulation: Simulation) => Promise<R>): Promise<R> {
  const simulation = new Simulation({ seed: 3 });
  return simulation.run(simulation.process('test').start((world) => work(world, simulation)));
}

async function writer(world: World, sink: Sink<Value, PendingFile>, writerId = `${LINEAGE}-1-0`) {
  const made = sink.writer({ world, uid: 'a/b', subtask: 0, parallelism: 1, writerId });
  await made.open?.();
  return made;
}

function committer(world: World, sink: Sink<Value, PendingFile>, lineage = LINEAGE) {
  const made = sink.committer?.({
    world,
    uid: 'a/b',
    lineage,
    isLeftover: (writerId) => writerId.startsWith(`${lineage}-`),
  });
  if (made === undefined) expect.unreachable();
  return made;
}

const stamped = (files: readonly PendingFile[]): Stamped<PendingFile>[] =>
  files.map((committable) => ({ checkpointId: 1, subtask: 0, committable }));

async function written(world: World, sink: Sink<Value, PendingFile>, values: readonly Value[]) {
  const made = await writer(world, sink);
  for (const value of values) await made.write(value, undefined);
  const files = await made.prepareCommit(1, 'checkpoint');
  await made.close();
  return files;
}

const VALUES = [{ n: 1 }, { n: 2 }, { n: 3 }];

describe('what is written', () => {
  test('is visible after the commit, under names that tell nothing else', () =>
    inSimulation(async (world) => {
      const files = await written(world, json(), VALUES);
      expect(await readFinished(world.fs, '/out')).toEqual([]);
      expect(await committer(world, json()).commit(stamped(files))).toEqual(['done']);
      expect(await readFinished(world.fs, '/out')).toEqual([
        { path: '/out/part-a%2Fb-abc-1-0-0.jsonl', text: '{"n":1}\n{"n":2}\n{"n":3}\n' },
      ]);
    }));

  test('goes into buckets, rolls and can be compressed', () =>
    inSimulation(async (world) => {
      const sink = json({
        bucket: ({ n }) => `odd=${n % 2}`,
        rollBytes: 8,
        compression: 'gzip',
      });
      const files = await written(world, sink, VALUES);
      await committer(world, sink).commit(stamped(files));
      const finished = await readFinished(world.fs, '/out');
      expect(finished.map(({ path, text }) => [path.slice(5, 11), text])).toEqual([
        ['odd=0/', '{"n":2}\n'],
        ['odd=1/', '{"n":1}\n'],
        ['odd=1/', '{"n":3}\n'],
      ]);
    }));

  test('can have another form, with a header in each file', () =>
    inSimulation(async (world) => {
      const sink = fileSink<Value>({
        path: '/out',
        format: { extension: 'csv', encode: ({ n }) => `${n}\n`, header: 'n\n' },
      });
      await committer(world, sink).commit(stamped(await written(world, sink, VALUES)));
      const [file] = await readFinished(world.fs, '/out');
      expect(file?.path).toMatch(/\.csv$/);
      expect(file?.text).toBe('n\n1\n2\n3\n');
    }));

  test('nothing is no file', () =>
    inSimulation(async (world, simulation) => {
      expect(await written(world, json(), [])).toEqual([]);
      expect(simulation.disk.files()).toEqual([]);
    }));

  test('much of it waits for the disk instead of filling the memory', () =>
    inSimulation(async (world) => {
      const text = 'x'.repeat(10_000);
      const sink = fileSink<string>({ path: '/out', format: 'json-lines' });
      const made = sink.writer({ world, uid: 'u', subtask: 0, parallelism: 1, writerId: 'abc-1' });
      await made.open?.();
      let waits = 0;
      for (let index = 0; index < 1_000; index++) {
        const waiting = made.write(text, undefined);
        if (waiting !== undefined) waits++;
        await waiting;
      }
      const [file] = await made.prepareCommit(1, 'checkpoint');
      expect(file?.sizeBytes).toBe(1_000 * 10_003);
      expect(waits).toBeGreaterThan(3);
      expect(waits).toBeLessThan(20);
    }));
});

describe('committing', () => {
  test('again does nothing', () =>
    inSimulation(async (world) => {
      const files = stamped(await written(world, json(), VALUES));
      await committer(world, json()).commit(files);
      expect(await committer(world, json()).commit(files)).toEqual(['already']);
      expect(await readFinishedValues(world.fs, '/out')).toEqual(VALUES);
    }));

  test('makes a folder again that somebody removed', () =>
    inSimulation(async (world) => {
      const sink = json({ bucket: () => 'x' });
      const made = committer(world, sink);
      await made.commit(stamped(await written(world, sink, [{ n: 1 }])));
      for (const { path } of await readFinished(world.fs, '/out')) await world.fs.remove(path);
      await world.fs.removeFolder('/out/x');
      const next = await writer(world, sink, 'abc-2-0');
      await next.write({ n: 2 }, undefined);
      await made.commit(stamped(await next.prepareCommit(2, 'checkpoint')));
      expect(await readFinishedValues(world.fs, '/out')).toEqual([{ n: 2 }]);
    }));

  test('what is gone is lost', () =>
    inSimulation(async (world) => {
      const [file] = await written(world, json(), VALUES);
      if (file === undefined) expect.unreachable();
      await world.fs.remove(file.pendingPath);
      expect(await committer(world, json()).commit(stamped([file]))).toEqual(['lost']);
    }));

  test('what is damaged at a restore is lost and stays invisible', () =>
    inSimulation(async (world, simulation) => {
      const [file] = await written(world, json(), VALUES);
      if (file === undefined) expect.unreachable();
      simulation.disk.flip(file.pendingPath, 5);
      expect(await committer(world, json()).commit(stamped([file]))).toEqual(['lost']);
      expect(await readFinished(world.fs, '/out')).toEqual([]);
    }));

  test('never replaces a file that is not ours', () =>
    inSimulation(async (world) => {
      const [file] = await written(world, json(), VALUES);
      if (file === undefined) expect.unreachable();
      const other = await world.fs.openWrite(file.finalPath, 'create');
      await other.close();
      const committing = committer(world, json()).commit(stamped([file]));
      await expect(committing).rejects.toThrow(code('FIL-013'));
    }));

  test('works where files cannot have two names', () =>
    inSimulation(async (world, simulation) => {
      const files = stamped(await written(world, json(), VALUES));
      simulation.disk.fail({ operations: ['link'], errno: 'EPERM' });
      expect(await committer(world, json()).commit(files)).toEqual(['done']);
      expect(await committer(world, json()).commit(files)).toEqual(['already']);
      expect(await readFinishedValues(world.fs, '/out')).toEqual(VALUES);
    }));

  test('leftovers of dead attempts go, those of others stay', () =>
    inSimulation(async (world, simulation) => {
      for (const writerId of ['abc-1-0', 'abc-2-0', 'abcd-1-0', 'def-1-0']) {
        const made = await writer(world, json(), writerId);
        await made.write({ n: 1 }, undefined);
        await made.prepareCommit(1, 'checkpoint');
      }
      await committer(world, json()).abortLeftovers?.();
      expect(simulation.disk.files().map(({ path }) => path)).toEqual([
        '/out/.in-progress/a%2Fb/abcd-1-0-0',
        '/out/.in-progress/a%2Fb/def-1-0-0',
      ]);
    }));
});

describe('a failing disk', () => {
  test.each<[DiskFault, string]>([
    [{ operations: ['create'], errno: 'EACCES', path: 'abc-1' }, 'FIL-002'],
    [{ operations: ['create'], errno: 'EMFILE', path: 'abc-1' }, 'FIL-004'],
    [{ operations: ['write'], errno: 'ENOSPC' }, 'FIL-005'],
    [{ operations: ['sync'], errno: 'EIO' }, 'FIL-004'],
    [{ operations: ['syncFolder'], skip: 2, errno: 'EIO' }, 'FIL-004'],
  ])('%o: %s at the barrier, and nothing is visible', async (fault, expected) => {
    await inSimulation(async (world, simulation) => {
      const made = await writer(world, json());
      simulation.disk.fail({ ...fault, skip: 0 });
      for (const value of VALUES) await made.write(value, undefined);
      await expect(made.prepareCommit(1, 'checkpoint')).rejects.toThrow(code(expected));
      await made.close();
      expect(await readFinished(world.fs, '/out')).toEqual([]);
    });
  });

  test('a full disk stops the writer early', () =>
    inSimulation(async (world, simulation) => {
      simulation.disk.setCapacityBytes(100_000);
      const made = await writer(world, json());
      const writing = async (): Promise<void> => {
        for (let n = 0; n < 1_000_000; n++) await made.write({ n }, undefined);
      };
      await expect(writing()).rejects.toThrow(code('FIL-005'));
      await made.close();
    }));

  test.each<DiskFault>([
    { operations: ['link'], errno: 'EIO' },
    { operations: ['link'], errno: 'EIO', done: true },
    { operations: ['syncFolder'], errno: 'EIO' },
    { operations: ['remove'], errno: 'EIO' },
  ])('%o in a commit: done again, it is done', async (fault) => {
    await inSimulation(async (world, simulation) => {
      const files = stamped(await written(world, json({ bucket: () => 'x' }), VALUES));
      simulation.disk.fail(fault);
      await expect(committer(world, json()).commit(files)).rejects.toThrow(code('FIL-004'));
      const [result] = await committer(world, json()).commit(files);
      expect(['done', 'already']).toContain(result);
      expect(await readFinishedValues(world.fs, '/out')).toEqual(VALUES);
      expect(simulation.disk.files().length).toBe(1);
    });
  });
});

describe('what is refused', () => {
  test.each([{ rollBytes: 0 }, { openFilesMax: Number.NaN }])('%o', (options) => {
    expect(() => json(options)).toThrow(code('FIL-010'));
  });

  test.each(['../x', '/x', 'a//b', '.x', 'a/_b', 'a\0'])('the bucket %j', (bucket) =>
    inSimulation(async (world) => {
      const made = await writer(world, json({ bucket: () => bucket }));
      expect(() => made.write({ n: 1 }, undefined)).toThrow(code('FIL-012'));
    }),
  );

  test('values that are no JSON, and they leave no file', () =>
    inSimulation(async (world) => {
      const sink = fileSink<unknown>({ path: '/out', format: 'json-lines' });
      const made = sink.writer({ world, uid: 'u', subtask: 0, parallelism: 1, writerId: 'abc-1' });
      await made.open?.();
      for (const value of [1n, undefined, () => 1]) {
        expect(() => made.write(value, undefined)).toThrow(code('FIL-011'));
      }
      expect(await made.prepareCommit(1, 'checkpoint')).toEqual([]);
    }));
});
