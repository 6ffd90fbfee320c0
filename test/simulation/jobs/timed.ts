/* Jobs with timers, time to live and calls that wait. */
import { z } from 'zod';
import {
  defineJob,
  mapState,
  monotonous,
  valueState,
  type Clock,
  type ProcessContext,
} from '../../../src/index.ts';
import { sleep } from '../../../src/common/clock.ts';
import { every, scripted } from './scripted-source.ts';
import { groupBy, items, out, sum, type Item, type Topology } from './topology.ts';

const INPUT = items(40);
const BY_KEY = [...groupBy(INPUT, ({ key }) => key)];

const Item_ = z.object({ key: z.string(), n: z.number(), at: z.number() });
const slots = mapState('slots', z.number(), z.number());
const SLOT_MS = 50;

/** The sum of each key's slots of 50 ms: a window by hand. */
const eventTimers: Topology = {
  name: 'event-time timers',
  settings: { 'pipeline.auto-watermark-interval': '5 ms' },
  job: () =>
    defineJob('event-timers', (env) => {
      env
        .fromSource(
          'items',
          scripted(every(3, INPUT)),
          monotonous(({ at }) => at),
        )
        .keyBy(({ key }) => key)
        .process(
          'slots',
          { slots },
          z.object({ key: z.string(), at: z.number(), sum: z.number() }),
          {
            processElement: ({ n, at }, { state, timers }) => {
              const end = (Math.floor(at / SLOT_MS) + 1) * SLOT_MS - 1;
              state.slots.put(end, (state.slots.get(end) ?? 0) + n);
              timers.eventTime(end);
            },
            onTimer: (at, { key, state, out: output }) => {
              output.emit({ key, at, sum: state.slots.get(at) ?? NaN });
              state.slots.remove(at);
            },
          },
        )
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': BY_KEY.flatMap(([key, own]) =>
      [...groupBy(own, ({ at }) => String((Math.floor(at / SLOT_MS) + 1) * SLOT_MS - 1))].map(
        ([at, slot]) => ({ key, at: Number(at), sum: sum(slot.map(({ n }) => n)) }),
      ),
    ),
  },
  state: [],
};

const started = valueState('started', z.number());

/** Each key fires once, 30 ms after its first element; the input goes on long enough. */
const processingTimers: Topology = {
  name: 'processing-time timers',
  job: () =>
    defineJob('processing-timers', (env) => {
      const steps = [
        ...every(2, items(40, 8)),
        { value: { key: 'last', n: 99, at: 0 }, waitMs: 90 },
      ];
      env
        .fromSource('items', scripted(steps))
        .keyBy(({ key }) => key)
        .process('once', { started }, z.object({ key: z.string(), first: z.number() }), {
          processElement: (
            { n },
            { key, state, timers }: ProcessContext<string, { started: typeof started }, never>,
          ) => {
            if (state.started.value() !== undefined) return;
            state.started.update(n);
            if (key !== 'last') timers.processingTime(timers.nowMs() + 30);
          },
          onTimer: (_, { key, state, out: output }) => {
            output.emit({ key, first: state.started.value() ?? NaN });
          },
        })
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': firsts().map(([key, n]) => ({ key, first: n })) },
  state: [...firsts(), ['last', 99] as const].map(([key, value]) => ({
    uid: 'once',
    state: 'started',
    key,
    value,
  })),
};

function firsts(): (readonly [string, number])[] {
  return [...groupBy(items(40, 8), ({ key }) => key)].map(([key, own]) => [key, own[0]?.n ?? NaN]);
}

const fresh = valueState('fresh', z.number(), { ttlMs: 1_000 });

/** Keys come again after a pause that is longer than their time to live, and then are new again. */
const timeToLive: Topology = {
  name: 'time to live',
  settings: { 'execution.checkpointing.interval': '250 ms' },
  job: () =>
    defineJob('time-to-live', (env) => {
      const [first, ...others] = items(20);
      const steps = [
        ...every(5, items(20)),
        ...(first === undefined ? [] : [{ value: first, waitMs: 1_500 }]),
        ...every(5, others),
      ];
      env
        .fromSource('items', scripted(steps))
        .keyBy(({ key }) => key)
        .process(
          'count',
          { fresh },
          z.object({ key: z.string(), count: z.number() }),
          (_, { key, state, out: output }) => {
            const count = (state.fresh.value() ?? 0) + 1;
            state.fresh.update(count);
            output.emit({ key, count });
          },
        )
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': [...groupBy(items(20), ({ key }) => key)].flatMap(([key, own]) =>
      [...own.keys(), ...own.keys()].map((i) => ({ key, count: i + 1 })),
    ),
  },
  state: [...groupBy(items(20), ({ key }) => key)].map(([key, own]) => ({
    uid: 'count',
    state: 'fresh',
    key,
    value: own.length,
  })),
};

/** A service: some of its answers take longer than ten others. */
async function answer(clock: Clock, { key, n }: Item): Promise<{ n: number; answer: string }> {
  await sleep(clock, n % 6 === 0 ? 25 : 1 + (n % 3));
  return { n, answer: `${key}/${n}` };
}

const answers = INPUT.map(({ key, n }) => ({ n, answer: `${key}/${n}` }));
const position = valueState('position', z.object({ count: z.number(), last: z.number() }));

/** What follows counts the results in their order: it is the order of the elements. */
const asyncOrdered: Topology = {
  name: 'asyncMap, ordered',
  job: ({ clock }) =>
    defineJob('async-ordered', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .setParallelism(1)
        .asyncMap('ask', Item_, (item) => answer(clock, item), { capacity: 6 })
        .setParallelism(1)
        .keyBy(() => 'all')
        .process(
          'position',
          { position },
          z.object({ n: z.number(), after: z.number(), count: z.number() }),
          ({ n }, { state, out: output }) => {
            const { count, last } = state.position.value() ?? { count: 0, last: -1 };
            state.position.update({ count: count + 1, last: n });
            output.emit({ n, after: last, count: count + 1 });
          },
        )
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': INPUT.map(({ n }) => ({ n, after: n - 1, count: n + 1 })) },
  state: [{ uid: 'position', state: 'position', key: 'all', value: { count: 40, last: 39 } }],
};

const asyncUnordered: Topology = {
  name: 'asyncMap, unordered',
  job: ({ clock }) =>
    defineJob('async-unordered', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT.slice(0, 20)), every(3, INPUT.slice(20))))
        .asyncMap('ask', Item_, (item) => answer(clock, item), { capacity: 5, ordered: false })
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': answers },
  state: [],
};

export const TIMED = [eventTimers, processingTimers, timeToLive, asyncOrdered, asyncUnordered];
