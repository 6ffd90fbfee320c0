/**
 * Goal: a task works on while its restored state loads, waits only for what a record or a timer needs,
 * and completes no checkpoint before all is verified.
 * Method: whole small jobs in one thread; ranges of files come when the test lets them.
 */
import { describe, expect, it } from 'vitest';
import { CollectingWriter, ScriptedSource, sinkTo } from '../../test/support/stream-nodes.ts';
import {
  TaskHarness,
  type CompletedCheckpoint,
  type HarnessOptions,
} from '../../test/support/task-harness.ts';
import { counting, keyed, scripted, started, values } from '../../test/support/task-jobs.ts';

const LAZY = { lazyBytes: 0, wholeBytes: 0 };

const job = (source: ScriptedSource, out: CollectingWriter) => [
  scripted('in', source),
  counting('count', 'in'),
  sinkTo('out', 'count', out, { parallelism: 1, partitioner: 'rebalance' }),
];

/** 300 keys, each counted once. */
async function counted(): Promise<CompletedCheckpoint> {
  const source = new ScriptedSource();
  const harness = await started({ nodes: job(source, new CollectingWriter()) });
  source.reader(0).push(...values(300));
  await harness.clock.settle();
  const taken = await harness.checkpoint();
  await harness.cancel();
  return taken;
}

/** Lets the ranges through that open files, and holds those after them. */
function gate() {
  let release: () => void = () => undefined;
  let isHeld = false;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    hold: () => {
      isHeld = true;
    },
    release,
    beforeRange: () => (isHeld ? held : Promise.resolve()),
  };
}

function damage(taken: CompletedCheckpoint): CompletedCheckpoint {
  const blobs = new Map(taken.blobs);
  for (const [path, bytes] of blobs) {
    if (!path.includes('keyed')) continue;
    const bad = bytes.slice();
    const at = Math.floor(bad.length / 2);
    bad[at] = (bad[at] ?? 0) ^ 1;
    blobs.set(path, bad);
  }
  return { ...taken, blobs };
}

async function restoredJob(options: Partial<HarnessOptions>) {
  const source = new ScriptedSource();
  const out = new CollectingWriter();
  const harness = new TaskHarness({ nodes: job(source, out), tuning: LAZY, ...options });
  await harness.start();
  return { source, out, harness };
}

describe('a task whose state is loading', () => {
  it.each([1, 2, 3])(
    'counts on where the checkpoint was, with parallelism %i',
    async (parallelism) => {
      const restore = await counted();
      const beforeRange = () => Promise.resolve();
      const { source, out, harness } = await restoredJob({ restore, parallelism, beforeRange });
      // What the checkpoint has is in the source again.
      source.reader(0).push(...values(300), ...values(300), ...values(300));
      await harness.clock.settle();
      harness.throwFailure();
      const counts = (out.values as { count: number }[]).map(({ count }) => count).sort();
      expect(counts).toEqual([...Array<number>(300).fill(2), ...Array<number>(300).fill(3)]);
      const again = await harness.checkpoint();
      expect(again.acknowledgements.length).toBe(harness.tasks.length);
    },
  );

  it('waits with records whose bytes are not there, and with every checkpoint', async () => {
    const restore = await counted();
    const { hold, release, beforeRange } = gate();
    // Header and index of the one file of state are the first two ranges.
    let ranges = 0;
    const { source, out, harness } = await restoredJob({
      restore,
      tuning: { ...LAZY, wholeBytes: 1_024 },
      beforeRange: () => {
        if (++ranges === 3) hold();
        return beforeRange();
      },
    });
    expect(harness.running.length).toBe(harness.tasks.length);
    source.reader(0).push(...values(300), ...values(1));
    harness.trigger();
    await harness.clock.settle();
    expect([out.values.length, harness.completed.length]).toEqual([0, 0]);
    release();
    await harness.clock.settle();
    expect(out.values).toEqual([{ key: 0, count: 2 }]);
    expect(harness.completed.length).toBe(1);
  });

  it('fails when a block is damaged, and completes no checkpoint', async () => {
    const restore = damage(await counted());
    const { harness } = await restoredJob({ restore, beforeRange: () => Promise.resolve() });
    harness.trigger();
    await harness.clock.settle();
    expect(harness.failures[0]?.error).toMatchObject({ code: 'STA-001', kind: 'corrupt' });
    expect(harness.completed).toEqual([]);
  });

  it('fires no timer before the state of its key is there', async () => {
    const fired: number[] = [];
    const process = {
      processElement: (
        value: number,
        { timers }: { timers: { processingTime(ms: number): void } },
      ) => {
        timers.processingTime(value);
      },
      onTimer: (timestampMs: number) => {
        fired.push(timestampMs);
      },
    };
    const timed = (source: ScriptedSource) => [
      scripted('in', source),
      keyed('timed', 'in', process),
      sinkTo('out', 'timed', new CollectingWriter()),
    ];
    const source = new ScriptedSource();
    const first = await started({ nodes: timed(source) });
    const dueMs = first.clock.wallMs() + 1_000;
    source.reader(0).push({ value: dueMs });
    await first.clock.settle();
    const restore = await first.checkpoint();
    await first.cancel();
    const beforeRange = () => Promise.resolve();
    const harness = new TaskHarness({
      nodes: timed(new ScriptedSource()),
      restore,
      tuning: LAZY,
      beforeRange,
    });
    await harness.start();
    await harness.clock.advance(5_000);
    await harness.clock.settle();
    harness.throwFailure();
    expect(fired).toEqual([dueMs]);
  });
});
