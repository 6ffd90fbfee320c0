/**
 * Goal: a task lives as `task-state.ts` says: to its end, to a failure, to a cancellation.
 * Method: whole small jobs in one thread with a clock that the test moves (`task-harness.ts`).
 */
import { describe, expect, it } from 'vitest';
import {
  CollectingWriter,
  ScriptedSource,
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
  type TimerContext,
} from '../../test/support/task-jobs.ts';
import type { Output } from '../contracts/output.ts';
import type { StreamNode } from '../graph/operator-spec.ts';
import { seededRandom } from '../testing/simulation/seeded-random.ts';
import { MAX_WATERMARK_MS } from './element.ts';

describe('a whole job', () => {
  for (const parallelism of [1, 2, 3]) {
    for (const seed of [undefined, 1, 2]) {
      it(`counts with parallelism ${parallelism}, seed ${seed ?? 'none'}`, async () => {
        const out = new CollectingWriter();
        const harness = new TaskHarness({
          nodes: [
            numbers('numbers', 5_000, (i) => i % 7),
            node('some', { kind: 'filter', filter: (i: number) => i !== 3 }, { from: 'numbers' }),
            counting('count', 'some'),
            sinkTo('out', 'count', out),
          ],
          parallelism,
          ...(seed === undefined ? {} : { random: seededRandom(seed) }),
        });
        await harness.runToEnd();
        const last = new Map(out.values.map((v) => [(v as { key: number }).key, v]));
        expect(out.values.length).toBe(5_000 - 714);
        expect([...last.keys()].sort()).toEqual([0, 1, 2, 4, 5, 6]);
        expect(last.get(0)).toEqual({ key: 0, count: 715 });
        for (const { state } of harness.tasks) expect(state.kind).toBe('finished');
      });
    }
  }

  it('behaves in check mode as if each value went over a channel', async () => {
    const out = new CollectingWriter();
    const shared = { n: 0 };
    const harness = new TaskHarness({
      nodes: [numbers('numbers', 2, () => shared), sinkTo('out', 'numbers', out)],
      settings: { checkMode: true },
    });
    await harness.runToEnd();
    expect(out.values).toEqual([{ n: 0 }, { n: 0 }]);
    expect(out.values[0]).not.toBe(shared);
    expect(Object.isFrozen(shared)).toBe(true);
  });

  it('refuses in check mode what could not go to another task', async () => {
    const harness = new TaskHarness({
      nodes: [numbers('some', 1, () => () => 1), sinkTo('out', 'some', new CollectingWriter())],
      settings: { checkMode: true },
    });
    await harness.start();
    await harness.clock.settle();
    expect(() => harness.throwFailure()).toThrow(/RUN-004/);
  });
});

describe('the end of input', () => {
  it('fires all event-time timers, flushes, and stays for the last checkpoint', async () => {
    const out = new CollectingWriter();
    const ended = new ScriptedSource();
    const going = new ScriptedSource();
    const harness = await started({
      nodes: [
        scripted('ended', ended),
        scripted('going', going),
        node(
          'watch',
          {
            kind: 'keyed-process',
            states: {},
            process: {
              processElement: (value: number, { timers }: Context) => timers.eventTime(value),
              onTimer: (at: number, { out: o, timers }: TimerContext) =>
                o.emit([at, timers.watermarkMs()]),
            } as never,
          },
          { from: ['ended', 'going'], by: () => 1 },
        ),
        sinkTo('out', 'watch', out),
      ],
    });
    ended.reader(0).push({ value: 7_000 });
    ended.reader(0).end();
    await harness.clock.settle();
    expect(harness.ended.map(({ vertex }) => vertex)).toEqual(['ended']);
    // Barriers still come from the source that has ended.
    const checkpoint = await harness.checkpoint();
    const finished = new Map(
      checkpoint.acknowledgements.flatMap(({ operators }) =>
        operators.map(({ uid, finished }) => [uid, finished]),
      ),
    );
    expect(Object.fromEntries(finished)).toEqual({
      ended: true,
      going: false,
      watch: false,
      out: false,
    });
    going.reader(0).end();
    await harness.clock.settle();
    expect(out.values).toEqual([[7_000, MAX_WATERMARK_MS]]);
    expect(harness.ended.length).toBe(3);
    const last = await harness.checkpoint('end');
    expect(
      last.acknowledgements.flatMap(({ operators }) => operators).every((one) => one.finished),
    ).toBe(true);
    for (const task of harness.tasks) task.finish();
    await harness.clock.settle();
    expect(harness.finished.length).toBe(3);
    expect(ended.reader(0).closed).toBe(true);

    // A restart after the end fires and flushes nothing twice.
    const again = new CollectingWriter();
    const nodes = harness.graph.vertices.flatMap(({ operators }) =>
      operators.map((one) => one.node),
    );
    const restored = new TaskHarness({
      nodes: nodes.map((one) => (one.uid === 'out' ? sinkTo('out', 'watch', again) : one)),
      restore: last,
    });
    await restored.runToEnd();
    expect(again.values).toEqual([]);
  });
});

describe('failures', () => {
  const jobs: Readonly<Record<string, () => StreamNode[]>> = {
    map: () => [numbers('n', 100), node('bad', { kind: 'map', map: explodeAt(10) }, { from: 'n' })],
    filter: () => [
      numbers('n', 100),
      node('bad', { kind: 'filter', filter: explodeAt(10) as never }, { from: 'n' }),
    ],
    'the key': () => [
      numbers('n', 100),
      node('bad', { kind: 'map', map: (v: unknown) => v }, { from: 'n' }),
      counting('c', 'bad', explodeAt(10)),
    ],
    'after an emit': () => [
      numbers('n', 100),
      flatMap('bad', 'n', (v: number, out: Output<unknown>) => {
        out.emit(v);
        if (v === 10) throw new TypeError('boom');
      }),
      node('good', { kind: 'map', map: (v: unknown) => v }, { from: 'bad' }),
      sinkTo('out', 'good', new CollectingWriter()),
    ],
    'a timer': () => [
      numbers('n', 100),
      keyed('bad', 'n', {
        processElement: (_: number, { timers }) => timers.eventTime(5),
        onTimer: () => {
          throw new TypeError('boom');
        },
      }),
      sinkTo('out', 'bad', new CollectingWriter()),
    ],
    open: () => [
      numbers('n', 1),
      keyed('bad', 'n', {
        processElement: () => undefined,
        open: () => Promise.reject(new TypeError('boom')),
      } as never),
    ],
  };

  function explodeAt(value: number) {
    return (v: unknown) => {
      if (v === value) throw new TypeError('boom');
      return v;
    };
  }

  for (const [where, nodes] of Object.entries(jobs)) {
    it(`name the operator whose function threw: ${where}`, async () => {
      const harness = new TaskHarness({ nodes: nodes() });
      await harness.start();
      await harness.clock.settle();
      const [failure] = harness.failures;
      expect(failure?.error).toMatchObject({
        code: 'RUN-001',
        kind: 'user-code',
        details: { operator: 'bad' },
        cause: new TypeError('boom'),
      });
      await harness.cancel();
    });
  }

  it('of one task leave the others of the thread running', async () => {
    const out = new CollectingWriter();
    const harness = new TaskHarness({
      nodes: [
        numbers('n', 100),
        node('bad', { kind: 'map', map: explodeAt(3) }, { from: 'n' }),
        numbers('m', 100),
        sinkTo('out', 'm', out),
      ],
    });
    await harness.start();
    await harness.clock.settle();
    expect(harness.failures.length).toBe(1);
    expect(out.values.length).toBe(100);
  });
});

describe('cancel', () => {
  const blockedForEver = () => {
    const out = new CollectingWriter();
    out.write = () => new Promise(() => undefined);
    return out;
  };

  it('ends tasks that are blocked on outputs and on a sink', async () => {
    const harness = await started({
      nodes: [numbers('n', 100_000), passing('id', 'n'), sinkTo('out', 'id', blockedForEver())],
    });
    await harness.clock.settle();
    await harness.cancel();
    for (const { state } of harness.tasks) expect(state.kind).toBe('canceled');
    await harness.clock.settle();
    expect(harness.thread.size).toBe(0);
    expect(harness.clock.timers).toBe(0);
    expect(harness.failures).toEqual([]);
  });

  it('ends a task that waits for its last barrier', async () => {
    const slow = new ScriptedSource();
    const fast = new ScriptedSource();
    const harness = await started({
      nodes: [scripted('slow', slow), scripted('fast', fast), counting('c', ['slow', 'fast'])],
    });
    harness.inject(harness.begin(), 'fast');
    await harness.clock.settle();
    await harness.cancel();
    expect(slow.reader(0).closed).toBe(true);
  });

  it('before and during the start, from inside a step, and twice', async () => {
    const made = new TaskHarness({ nodes: [numbers('n', 10)] });
    await made.cancel();
    expect(made.tasks[0]?.state.kind).toBe('canceled');

    const starting = new TaskHarness({ nodes: [numbers('n', 10)] });
    starting.thread.run(starting.task('n'));
    await starting.cancel();
    await starting.cancel();
    await starting.clock.settle();
    expect(starting.running).toEqual([]);

    const out = new CollectingWriter();
    let canceled: Promise<void> | undefined;
    const inside = new TaskHarness({
      nodes: [
        numbers('n', 1_000_000),
        node(
          'cancels',
          {
            kind: 'map',
            map: (v: number) => {
              if (v === 1_000) canceled ??= inside.cancel();
              return v;
            },
          },
          { from: 'n' },
        ),
        sinkTo('out', 'cancels', out),
      ],
    });
    await inside.start();
    await inside.clock.settle();
    await canceled;
    // The record that was under way, and no other.
    expect(out.values.length).toBe(1_001);
  });
});
