import { expect, it } from 'vitest';
import { sleep, systemClock } from '../../common/clock.ts';
import { deferred } from '../../common/deferred.ts';
import { nodeFileSystem } from '../../common/node-file-system.ts';
import { systemRandom } from '../../common/random.ts';
import type { CommitResult, Sink } from '../../contracts/sink.ts';
import type { SerializedCommittable } from '../../contracts/snapshots.ts';
import { ByteWriter } from '../../serde/bytes.ts';
import { serializerOf } from '../../serde/structural-serializer.ts';
import { SinkCommitters } from './sink-committers.ts';

const text = serializerOf({ kind: 'string' });

/** A sink whose commits are answered by hand. */
class HeldSink {
  readonly asked: unknown[][] = [];
  readonly answer = deferred<CommitResult[]>();

  readonly sink: Sink<unknown> = {
    kind: 'held',
    committables: text,
    writer: () => expect.unreachable(),
    committer: () => ({
      commit: (stamped) => {
        this.asked.push(stamped.map(({ committable }) => committable));
        return this.answer.promise;
      },
    }),
  };
}

function committersOf(sinks: Readonly<Record<string, HeldSink>>): SinkCommitters {
  return new SinkCommitters({
    identity: { jobId: 'a'.repeat(32), lineage: 'b'.repeat(32), epoch: 1 },
    ancestry: { jobIds: [], forkedFrom: undefined },
    world: { clock: systemClock, random: systemRandom, fs: nodeFileSystem },
    sinks: new Map(Object.entries(sinks).map(([uid, { sink }]) => [uid, sink])),
  });
}

function committable(uid: string, value: string, checkpointId = 1): SerializedCommittable {
  const writer = new ByteWriter();
  text.write(value, writer);
  const base64 = Buffer.from(writer.finish()).toString('base64');
  return { uid, subtask: 0, checkpointId, sequence: 0, base64 };
}

/** Everything that can happen by now has. */
const turns = () => sleep(systemClock, 0);

it('gives each committable the answer of its own sink', async () => {
  const [first, second] = [new HeldSink(), new HeldSink()];
  const committing = committersOf({ first, second }).commit([
    committable('first', 'a', 1),
    committable('second', 'b', 1),
    committable('first', 'c', 2),
  ]);
  second.answer.resolve(['lost']);
  first.answer.resolve(['already', 'done']);

  expect(await committing).toEqual(['already', 'lost', 'done']);
  expect(first.asked).toEqual([['a', 'c']]);
  expect(second.asked).toEqual([['b']]);
});

it('asks a sink while another one has not answered', async () => {
  const [slow, fast] = [new HeldSink(), new HeldSink()];
  const committing = committersOf({ slow, fast }).commit([
    committable('slow', 'a'),
    committable('fast', 'b'),
  ]);
  fast.answer.resolve(['done']);
  await turns();

  expect(fast.asked).toEqual([['b']]);
  slow.answer.resolve(['done']);
  expect(await committing).toEqual(['done', 'done']);
});

it('waits for the others when one fails, so that none is asked twice at a time', async () => {
  const [broken, slow] = [new HeldSink(), new HeldSink()];
  let isOver = false;
  const committing = committersOf({ broken, slow })
    .commit([committable('broken', 'a'), committable('slow', 'b')])
    .finally(() => (isOver = true));
  broken.answer.reject(new Error('no catalog'));
  committing.catch(() => undefined);
  await turns();

  expect(isOver).toBe(false);
  slow.answer.resolve(['done']);
  await expect(committing).rejects.toThrow('no catalog');
});

it('commits nothing if some belongs to a sink that is not there', async () => {
  const there = new HeldSink();
  const committing = committersOf({ there }).commit([
    committable('there', 'a'),
    committable('gone', 'b'),
  ]);

  await expect(committing).rejects.toMatchObject({
    code: 'JOB-003',
    details: { uid: 'gone', committables: 1 },
  });
  expect(there.asked).toEqual([]);
});
