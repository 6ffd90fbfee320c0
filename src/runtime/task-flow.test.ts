/**
 * Goal: records, timers and watermarks flow without loss, deadlock or unbounded queues.
 * Method: whole small jobs in one thread with a clock that the test moves (`task-harness.ts`).
 */
import { describe, expect, it, vi } from 'vitest';
import {
  CollectingWriter,
  ScriptedSource,
  bounded,
  flatMap,
  node,
  sinkTo,
} from '../../test/support/stream-nodes.ts';
import { TaskHarness } from '../../test/support/task-harness.ts';
import {
  counting,
  keyed,
  numbers,
  passing,
  scripted,
  started,
  type Context,
} from '../../test/support/task-jobs.ts';
import { generate } from '../connectors/generator/generator-source.ts';
import type { Output } from '../contracts/output.ts';

describe('back-pressure', () => {
  it('does not deadlock on a flat-map with a huge fan-out', async () => {
    const out = new CollectingWriter();
    const harness = new TaskHarness({
      nodes: [
        numbers('numbers', 5),
        flatMap('explode', 'numbers', (i: number, output: Output<unknown>) => {
          for (let k = 0; k < 20_000; k++) output.emit(i * 20_000 + k);
        }),
        counting('count', 'explode', (value) => (value as number) % 10),
        sinkTo('out', 'count', out),
      ],
      parallelism: 2,
      batchesMax: 1,
    });
    await harness.runToEnd();
    expect(out.values.length).toBe(100_000);
  });

  it('does not deadlock on timers that emit a lot, and fires them in order', async () => {
    const out = new CollectingWriter();
    const harness = new TaskHarness({
      nodes: [
        node('numbers', {
          kind: 'source',
          source: generate(3_000, (i) => i),
          watermarks: bounded((i: number) => i),
        }),
        keyed('timers', 'numbers', {
          processElement: (value: number, { timers }) => timers.eventTime(value + 10),
          onTimer: (timestampMs, context) => {
            for (let k = 0; k < 50; k++) context.out.emit(timestampMs);
          },
        }),
        passing('id', 'timers'),
        sinkTo('out', 'id', out),
      ],
      batchesMax: 1,
    });
    await harness.runToEnd();
    expect(out.values.length).toBe(150_000);
    expect(out.values).toEqual([...out.values].sort((a, b) => (a as number) - (b as number)));
    expect(out.timestamps).toEqual(out.values);
  });

  it('holds a source back: what is queued stays bounded', async () => {
    const out = new CollectingWriter();
    out.write = () => new Promise(() => undefined);
    const made = vi.fn((i: number) => i);
    const harness = await started({
      nodes: [
        numbers('numbers', 1_000_000, made),
        passing('id', 'numbers'),
        sinkTo('out', 'id', out),
      ],
    });
    await harness.clock.settle();
    // Eight batches of 256 in the channel, and one in the task that is blocked.
    expect(made.mock.calls.length).toBeLessThan(10 * 256);
    await harness.cancel();
  });
});

describe('watermarks', () => {
  it('are the least of all splits, and idle splits do not count', async () => {
    const source = new ScriptedSource();
    const seen: number[] = [];
    const harness = await started({
      nodes: [
        scripted('in', source, bounded(undefined, 0, 1_000)),
        keyed('watch', 'in', {
          processElement: (_: unknown, { timers }) => timers.eventTime(50),
          onTimer: (_at, { timers }) => void seen.push(timers.watermarkMs()),
        }),
        sinkTo('out', 'watch', new CollectingWriter()),
      ],
    });
    source
      .reader(0)
      .push({ value: 1, split: 'a', timestampMs: 10 }, { value: 1, split: 'b', timestampMs: 100 });
    await harness.clock.advance(250);
    expect(seen).toEqual([]);
    // Split a is silent for a second: b alone counts. It goes on itself, or it would be idle too.
    await harness.clock.advance(600);
    source.reader(0).push({ value: 1, split: 'b', timestampMs: 101 });
    await harness.clock.advance(500);
    expect(seen).toEqual([100]);
  });

  it('go beyond an idle source', async () => {
    const busy = new ScriptedSource();
    const silent = new ScriptedSource();
    const fired: number[] = [];
    const harness = await started({
      nodes: [
        scripted('busy', busy, bounded(undefined)),
        scripted('silent', silent, bounded(undefined, 0, 1_000)),
        node(
          'watch',
          {
            kind: 'keyed-process',
            states: {},
            process: {
              processElement: (_: unknown, { timers }: Context) => timers.eventTime(50),
              onTimer: (at: number) => void fired.push(at),
            } as never,
          },
          { from: ['busy', 'silent'], by: () => 1 },
        ),
        sinkTo('out', 'watch', new CollectingWriter()),
      ],
    });
    busy.reader(0).push({ value: 1, timestampMs: 60 });
    await harness.clock.advance(600);
    expect(fired).toEqual([]);
    await harness.clock.advance(800);
    expect(fired).toEqual([50]);
  });

  it('are in force again after a restore, before the first element', async () => {
    const source = new ScriptedSource();
    const late: (number | undefined)[] = [];
    const nodes = [
      scripted('in', source, bounded(undefined)),
      keyed('watch', 'in', {
        processElement: (_: unknown, { timers }) => void late.push(timers.watermarkMs()),
      }),
      sinkTo('out', 'watch', new CollectingWriter()),
    ];
    const harness = await started({ nodes });
    source.reader(0).push({ value: 1, timestampMs: 1_000 });
    await harness.clock.advance(250);
    const snapshot = await harness.checkpoint();
    await harness.cancel();
    source.reader(0).push({ value: 1, timestampMs: 5 });
    const restored = await started({ nodes, restore: snapshot });
    await restored.clock.settle();
    expect(late).toEqual([-Infinity, 999]);
    // And the source does not say less than before: its split's progress was stored too.
    const watermarks = restored.tasks.map(({ state }) => state.kind);
    expect(watermarks).toEqual(['running', 'running']);
  });
});

describe('processing-time timers', () => {
  it('fire by the clock, and again after a restore', async () => {
    const source = new ScriptedSource();
    const out = new CollectingWriter();
    const nodes = [
      scripted('in', source),
      keyed('timers', 'in', {
        processElement: (delayMs: number, { timers }) =>
          timers.processingTime(timers.nowMs() + delayMs),
        onTimer: (at, { out: o, timeDomain }) => o.emit([at, timeDomain]),
      }),
      sinkTo('out', 'timers', out),
    ];
    const harness = await started({ nodes });
    const startMs = harness.clock.wallMs();
    source.reader(0).push({ value: 500 }, { value: 100 }, { value: 5_000 });
    await harness.clock.advance(90);
    expect(out.values).toEqual([]);
    await harness.clock.advance(500);
    expect(out.values).toEqual([
      [startMs + 100, 'processing-time'],
      [startMs + 500, 'processing-time'],
    ]);
    expect(out.timestamps).toEqual([undefined, undefined]);
    const snapshot = await harness.checkpoint();
    await harness.cancel();
    const restored = await started({ nodes, restore: snapshot });
    await restored.clock.advance(6_000);
    expect(out.values.length).toBe(3);
  });

  it('wait while the task is blocked', async () => {
    const source = new ScriptedSource();
    const out = new CollectingWriter();
    let release: () => void = () => undefined;
    out.write = (value) => {
      out.values.push(value);
      return value === 'slow' ? new Promise((resolve) => (release = resolve)) : undefined;
    };
    const harness = await started({
      nodes: [
        scripted('in', source),
        keyed('timers', 'in', {
          processElement: (value: string, { timers, out: o }) => {
            timers.processingTime(timers.nowMs() + 10);
            o.emit(value);
          },
          onTimer: (_at, { out: o }) => o.emit('fired'),
        }),
        sinkTo('out', 'timers', out),
      ],
    });
    source.reader(0).push({ value: 'slow' });
    await harness.clock.advance(100);
    expect(out.values).toEqual(['slow']);
    release();
    await harness.clock.advance(100);
    expect(out.values).toEqual(['slow', 'fired']);
  });
});
