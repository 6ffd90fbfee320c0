import { expect, test } from 'vitest';
import { Simulation } from '../../testing/simulation/simulation.ts';
import { collect, type Collected } from './collect-sink.ts';

const world = new Simulation({ seed: 1 }).process('job');

function writerOf(sink: Collected<number>, writerId: string) {
  return sink.writer({ world, uid: 'u', subtask: 0, parallelism: 1, writerId });
}

function committerOf(sink: Collected<number>) {
  const committer = sink.committer?.({
    world,
    uid: 'u',
    lineage: 'l',
    isLeftover: () => true,
  });
  if (committer === undefined) expect.unreachable();
  return committer;
}

const stamp = <C>(committable: C) => ({ checkpointId: 1, subtask: 0, committable });

test('values are there when their checkpoint is complete, and all at once in now()', async () => {
  const sink = collect<number>();
  const writer = writerOf(sink, 'a');
  void writer.write(1, undefined);
  void writer.write(2, undefined);
  const parts = await writer.prepareCommit(1, 'checkpoint');
  void writer.write(3, undefined);
  expect([sink.values(), sink.now()]).toEqual([[], [1, 2, 3]]);
  const committer = committerOf(sink);
  await committer.abortLeftovers?.();
  expect(sink.values()).toEqual([]);
  expect(await committer.commit([])).toEqual([]);
  expect(parts).toEqual([{ id: 'u/a/0', count: 2 }]);
});

test('a commit that is done again changes nothing', async () => {
  const sink = collect<number>();
  const writer = writerOf(sink, 'a');
  void writer.write(1, undefined);
  const parts = (await writer.prepareCommit(1, 'checkpoint')).map(stamp);
  expect(await committerOf(sink).commit(parts)).toEqual(['done']);
  expect(await committerOf(sink).commit(parts)).toEqual(['already']);
  expect(sink.values()).toEqual([1]);
});

test('a part of an earlier process is passed over at a restore, and an error later', async () => {
  const committer = committerOf(collect<number>());
  const part = stamp({ id: 'u/z/0', count: 5 });
  expect(await committer.commit([part])).toEqual(['already']);
  await committer.abortLeftovers?.();
  await expect(committer.commit([part])).rejects.toMatchObject({ code: 'COL-001' });
});
