/**
 * Goal: checkpoints of a task hold exactly what came before the barrier, and a restore goes on there.
 * Method: whole small jobs in one thread with a clock that the test moves (`task-harness.ts`).
 */
import { describe, expect, it } from 'vitest';
import { CollectingWriter, ScriptedSource, sinkTo } from '../../test/support/stream-nodes.ts';
import { TaskHarness } from '../../test/support/task-harness.ts';
import {
  counting,
  numbers,
  passing,
  scripted,
  started,
  values,
} from '../../test/support/task-jobs.ts';
import { assert } from '../common/assert.ts';

describe('alignment', () => {
  const job = (slow: ScriptedSource, fast: ScriptedSource, out: CollectingWriter) => [
    scripted('slow', slow),
    scripted('fast', fast),
    counting('count', ['slow', 'fast'], () => 'all'),
    sinkTo('out', 'count', out),
  ];

  it('keeps records behind the barrier of a fast channel out of the snapshot', async () => {
    const slow = new ScriptedSource();
    const fast = new ScriptedSource();
    const out = new CollectingWriter();
    const harness = await started({ nodes: job(slow, fast, out) });
    fast.reader(0).push(...values(1));
    await harness.clock.settle();
    const barrier = harness.begin();
    harness.inject(barrier, 'fast');
    await harness.clock.settle();
    fast.reader(0).push(...values(500));
    slow.reader(0).push(...values(2));
    await harness.clock.settle();
    // One of `fast` before its barrier, two of `slow`, which has none yet.
    expect(out.values.length).toBe(3);
    harness.inject(barrier, 'slow');
    await harness.clock.settle();
    expect(out.prepared[0]?.values.length).toBe(3);
    expect(out.values.length).toBe(503);
    expect(harness.completed.length).toBe(1);
    // The restored job reads the 500 again and ends at the same count.
    fast.reader(0).end();
    slow.reader(0).end();
    const again = new CollectingWriter();
    const [snapshot] = harness.completed;
    if (snapshot === undefined) return;
    const restored = new TaskHarness({ nodes: job(slow, fast, again), restore: snapshot });
    await restored.runToEnd();
    expect(again.values.length).toBe(500);
    expect(again.values.at(-1)).toEqual({ key: 'all', count: 503 });
  });

  it('does not block at least once', async () => {
    const slow = new ScriptedSource();
    const fast = new ScriptedSource();
    const out = new CollectingWriter();
    const harness = await started({
      nodes: job(slow, fast, out),
      settings: { checkpointingMode: 'at-least-once' },
    });
    const barrier = harness.begin();
    harness.inject(barrier, 'fast');
    fast.reader(0).push(...values(10));
    await harness.clock.settle();
    expect(out.values.length).toBe(10);
    harness.inject(barrier, 'slow');
    await harness.clock.settle();
    expect(harness.completed.length).toBe(1);
  });

  it('lets blocked channels go on when the checkpoint is aborted', async () => {
    const slow = new ScriptedSource();
    const fast = new ScriptedSource();
    const out = new CollectingWriter();
    const harness = await started({ nodes: job(slow, fast, out) });
    const barrier = harness.begin();
    harness.inject(barrier, 'fast');
    await harness.clock.settle();
    fast.reader(0).push(...values(10));
    await harness.clock.settle();
    expect(out.values.length).toBe(0);
    harness.abort(barrier.checkpointId);
    await harness.clock.settle();
    expect(out.values.length).toBe(10);
    expect((await harness.checkpoint()).checkpointId).toBe(2);
  });

  it('declines what a newer barrier overtakes', async () => {
    const slow = new ScriptedSource();
    const fast = new ScriptedSource();
    const harness = await started({ nodes: job(slow, fast, new CollectingWriter()) });
    harness.inject(harness.begin(), 'fast');
    await harness.clock.settle();
    const second = harness.begin();
    harness.inject(second, 'slow');
    await harness.clock.settle();
    expect(harness.declined.map(({ checkpointId }) => checkpointId)).toEqual([1]);
    harness.inject(second, 'fast');
    await harness.clock.settle();
    expect(harness.completed.map(({ checkpointId }) => checkpointId)).toEqual([2]);
  });

  it('measures how long it took', async () => {
    const harness = await started({
      nodes: job(new ScriptedSource(), new ScriptedSource(), new CollectingWriter()),
    });
    const barrier = harness.begin();
    harness.inject(barrier, 'fast');
    await harness.clock.advance(70);
    harness.inject(barrier, 'slow');
    await harness.clock.settle();
    const [done] = harness.completed;
    const count = done?.acknowledgements.find(({ vertex }) => vertex === 'count');
    expect(count?.metrics.alignmentMs).toBe(70);
  });
});

describe('snapshots', () => {
  it('continue exactly where they were taken, also with another parallelism', async () => {
    for (const [before, after] of [
      [1, 1],
      [2, 2],
      [1, 3],
      [3, 1],
    ] as const) {
      const nodes = (out: CollectingWriter) => [
        numbers('numbers', 20_000, (i) => i % 100),
        counting('count', 'numbers'),
        sinkTo('out', 'count', out, { parallelism: 1, partitioner: 'rebalance' }),
      ];
      const out = new CollectingWriter();
      const harness = await started({ nodes: nodes(out), parallelism: before });
      await harness.clock.settle(3);
      const id = harness.trigger();
      await harness.clock.settle();
      const taken = harness.completed.find(({ checkpointId }) => checkpointId === id);
      assert(taken !== undefined, 'the checkpoint is not complete');
      await harness.cancel();
      const again = new CollectingWriter();
      const restored = new TaskHarness({ nodes: nodes(again), parallelism: after, restore: taken });
      await restored.runToEnd();
      const committed = [...(out.prepared[0]?.values ?? []), ...again.values];
      const counts = new Map<unknown, number>();
      for (const value of committed as { key: number; count: number }[]) {
        counts.set(value.key, Math.max(counts.get(value.key) ?? 0, value.count));
      }
      expect(committed.length).toBe(20_000);
      expect(new Set(counts.values())).toEqual(new Set([200]));
      expect(counts.size).toBe(100);
    }
  });

  it('are declined when storing fails, and the next one is complete', async () => {
    let isBroken = true;
    const source = new ScriptedSource();
    const harness = await started({
      nodes: [
        scripted('in', source),
        counting('count', 'in'),
        sinkTo('out', 'count', new CollectingWriter()),
      ],
      store: async () => {
        if (isBroken) throw new TypeError('disk full');
      },
    });
    source.reader(0).push(...values(3));
    await harness.clock.settle();
    harness.trigger();
    await harness.clock.settle();
    expect(harness.declined[0]?.error).toBeInstanceOf(TypeError);
    isBroken = false;
    expect((await harness.checkpoint()).checkpointId).toBe(2);
    expect(harness.failures).toEqual([]);
  });

  it('may be on their way several at a time', async () => {
    const waiting: (() => void)[] = [];
    const source = new ScriptedSource();
    const harness = await started({
      nodes: [
        scripted('in', source),
        counting('count', 'in'),
        sinkTo('out', 'count', new CollectingWriter()),
      ],
      store: () => new Promise((resolve) => waiting.push(resolve)),
    });
    source.reader(0).push(...values(3));
    await harness.clock.settle();
    harness.trigger();
    await harness.clock.settle();
    harness.trigger();
    await harness.clock.settle();
    expect(harness.completed).toEqual([]);
    for (const resolve of waiting) resolve();
    await harness.clock.settle();
    expect(harness.completed.map(({ checkpointId }) => checkpointId)).toEqual([1, 2]);
  });

  it('send committables again until a checkpoint with them is confirmed', async () => {
    const source = new ScriptedSource();
    const harness = await started({
      nodes: [scripted('in', source), sinkTo('out', 'in', new CollectingWriter())],
    });
    const committables = () =>
      harness.completed
        .at(-1)
        ?.acknowledgements.flatMap(({ operators }) => operators)
        .flatMap((operator) => operator.committables)
        .map(({ checkpointId, sequence }) => [checkpointId, sequence]);
    source.reader(0).push(...values(1));
    await harness.clock.settle();
    const first = harness.begin();
    harness.inject(first);
    await harness.clock.settle();
    expect(harness.completed.length).toBe(1);
    source.reader(0).push(...values(1));
    await harness.clock.settle();
    // A savepoint takes nothing over.
    await harness.checkpoint('savepoint');
    expect(committables()).toEqual([[2, 0 + 1]]);
    source.reader(0).push(...values(1));
    await harness.clock.settle();
    await harness.checkpoint();
    expect(committables()).toEqual([
      [2, 1],
      [3, 2],
    ]);
    await harness.checkpoint();
    expect(committables()).toEqual([]);
  });

  it('fail the task when a sink cannot prepare: what it wrote would be lost', async () => {
    const out = new CollectingWriter();
    out.prepareCommit = () => Promise.reject(new TypeError('no space'));
    const source = new ScriptedSource();
    const harness = await started({ nodes: [scripted('in', source), sinkTo('out', 'in', out)] });
    harness.trigger();
    await harness.clock.settle();
    expect(() => harness.throwFailure()).toThrow(/RUN-001.*operator=`out`/);
    expect(harness.completed).toEqual([]);
  });

  it('are taken by a source while it is blocked', async () => {
    const out = new CollectingWriter();
    let release: () => void = () => undefined;
    out.write = (value) => {
      out.values.push(value);
      if (value !== 0) return undefined;
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    const source = new ScriptedSource();
    const harness = await started({
      nodes: [scripted('in', source), passing('id', 'in'), sinkTo('out', 'id', out)],
      batchesMax: 1,
    });
    source.reader(0).push(...values(2_000));
    await harness.clock.settle();
    expect(harness.task('in').state).toEqual({ kind: 'running', blockedOn: 'output' });
    expect(harness.task('id').state).toEqual({ kind: 'running', blockedOn: 'operator' });
    const barrier = harness.begin();
    harness.inject(barrier);
    await harness.clock.settle();
    expect(out.values.length).toBe(1);
    release();
    await harness.clock.settle();
    expect(harness.completed.length).toBe(1);
    expect(out.values.length).toBe(2_000);
  });
});
