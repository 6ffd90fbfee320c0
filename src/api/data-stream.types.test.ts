/*
 * Goal: a user writes no type argument, and what cannot run does not compile.
 * Method: the compiler checks this file; vitest only sees that the calls are accepted.
 */
/* eslint-disable @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-call,
   @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-class-instance-assignment
   -- behind an expected error the compiler has no types. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { Output } from '../contracts/output.ts';
import type { NonKeyedContext, ProcessContext } from '../contracts/functions.ts';
import { defaultSettings } from '../settings/parse-settings.ts';
import type { DataStream, KeyedStream } from './data-stream.ts';
import { hours } from './durations.ts';
import { count, mean, sum } from './number-windows.ts';
import { outputTag } from './output-tag.ts';
import {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  valueState,
} from './state-descriptors.ts';
import { StreamExecutionEnvironment } from './stream-execution-environment.ts';
import { monotonous } from './watermarks.ts';
import { aggregate, processWindow, reduceWindow } from './window-functions.ts';
import { session, tumbling } from './windows.ts';
import { customTrigger, purging, countTrigger } from './triggers.ts';
import type { Sink } from '../contracts/sink.ts';

const Reading = z.object({ device: z.string(), value: z.number(), at: z.number() });
type Reading = z.infer<typeof Reading>;
const Alarm = z.object({ device: z.string(), text: z.string() });
type Alarm = z.infer<typeof Alarm>;

const env = () => new StreamExecutionEnvironment('types', defaultSettings());
const readings = () =>
  env().fromElements(
    'readings',
    [{ device: 'a', value: 1, at: 0 }],
    monotonous((r) => r.at),
  );

describe('streams', () => {
  it('infer their elements', () => {
    const stream = readings();
    expectTypeOf(stream).toEqualTypeOf<DataStream<Reading>>();
    expectTypeOf(stream.map('value', (r) => r.value)).toEqualTypeOf<DataStream<number>>();
    expectTypeOf(stream.map('pair', (r) => [r.device, r.value] as const)).toEqualTypeOf<
      DataStream<readonly [string, number]>
    >();
    expectTypeOf(
      stream.map('alarm', Alarm, (r) => ({ device: r.device, text: 'high' })),
    ).toEqualTypeOf<DataStream<Alarm>>();
    expectTypeOf(stream.filter('some', (r) => r.value > 0)).toEqualTypeOf<DataStream<Reading>>();
    expectTypeOf(
      stream.flatMap('texts', (r, out: Output<string>) => {
        out.emit(r.device);
      }),
    ).toEqualTypeOf<DataStream<string>>();
    expectTypeOf(
      stream.flatMap('twice', (r, out) => {
        out.emit(r);
      }),
    ).toEqualTypeOf<DataStream<Reading>>();
    expectTypeOf(
      stream.asyncMap('ask', Reading, async (r) => r.value, { ordered: false }),
    ).toEqualTypeOf<DataStream<number>>();
    expectTypeOf(stream.union(stream.filter('f', () => true))).toEqualTypeOf<DataStream<Reading>>();
    expectTypeOf(stream.sideOutput(outputTag('t', Alarm))).toEqualTypeOf<DataStream<Alarm>>();
    expectTypeOf(stream.sideOutput(outputTag('u'))).toEqualTypeOf<DataStream<unknown>>();
  });

  it('are narrowed by type guards, also inferred ones', () => {
    const maybe = readings().map('maybe', (r) => (r.value > 0 ? r : undefined));
    expectTypeOf(maybe).toEqualTypeOf<DataStream<Reading | undefined>>();
    const sure = maybe.filter('sure', (r) => r !== undefined);
    expectTypeOf(sure).toEqualTypeOf<DataStream<Reading>>();
  });

  it('take async functions in asyncMap only', () => {
    const stream = readings();
    const refuse = (add: () => unknown) => expect(add).toThrow(/API-004/);
    // @ts-expect-error -- a promise
    refuse(() => stream.map('a', async (r) => r.value));
    // @ts-expect-error -- a promise
    refuse(() => stream.map('b', Alarm, async (r) => ({ device: r.device, text: '' })));
    // @ts-expect-error -- a promise
    refuse(() => stream.filter('c', async (r) => r.value > 0));
    // @ts-expect-error -- a promise
    refuse(() => stream.flatMap('d', async (r, out) => out.emit(r)));
    // @ts-expect-error -- a promise
    refuse(() => stream.flatMap('e', Alarm, async (r, out) => out.emit({ ...r, text: '' })));
    // @ts-expect-error -- a promise
    refuse(() => stream.process('f', async (r, { out }) => out.emit(r)));
    // @ts-expect-error -- a promise
    refuse(() => stream.keyBy(async (r) => r.device));
    const keyed = stream.keyBy((r) => r.device);
    // @ts-expect-error -- a promise
    refuse(() => keyed.process('g', {}, async (r, { out }) => out.emit(r)));
    // @ts-expect-error -- a promise
    refuse(() => keyed.process('h', {}, { processElement: async (r, { out }) => out.emit(r) }));
    // @ts-expect-error -- a promise
    refuse(() => keyed.reduce('i', Reading, async (a) => a));
  });

  it('refuse an operator that emits something else than it says', () => {
    const stream = readings();
    // @ts-expect-error -- not an Alarm
    stream.map('a', Alarm, (r) => r);
    // @ts-expect-error -- not a Reading
    stream.flatMap('b', (_r, out) => out.emit('text'));
    const tag = outputTag('alarms', Alarm);
    // @ts-expect-error -- not an Alarm
    stream.process('c', (r, { side }) => side(tag, r));
    const sink = {} as Sink<Alarm>;
    // @ts-expect-error -- a sink of something else
    expect(() => stream.sinkTo('d', sink)).toThrow(/API-005/);
  });
});

describe('keyed streams', () => {
  it('infer tuples as keys without as const', () => {
    const keyed = readings().keyBy((r) => [r.device, r.value]);
    expectTypeOf(keyed).toEqualTypeOf<KeyedStream<Reading, readonly [string, number]>>();
    expectTypeOf(readings().keyBy((r) => r.device)).toEqualTypeOf<KeyedStream<Reading, string>>();
    expectTypeOf(readings().keyBy((r) => ({ d: r.device }))).toEqualTypeOf<
      KeyedStream<Reading, { readonly d: string }>
    >();
  });

  it('refuse what is no key', () => {
    const stream = readings();
    // @ts-expect-error -- maybe undefined
    stream.keyBy((r) => (r.value > 0 ? r.device : undefined));
    // @ts-expect-error -- a function
    stream.keyBy((r) => r.device.toString);
    // @ts-expect-error -- no value equality
    stream.keyBy((r) => new Date(r.at));
  });

  it('give process functions their state by name', () => {
    const states = {
      last: valueState('last', z.number(), { defaultValue: 0 }),
      all: listState('all', Reading),
      counts: mapState('counts', z.string(), z.int()),
      best: reducingState('best', z.number(), Math.max),
      average: aggregatingState('average', {
        accumulator: z.object({ sum: z.number(), count: z.number() }),
        createAccumulator: () => ({ sum: 0, count: 0 }),
        add: (a, value: number) => ({ sum: a.sum + value, count: a.count + 1 }),
        getResult: (a) => String(a.sum / a.count),
      }),
    };
    const out = readings()
      .keyBy((r) => r.device)
      .process('p', states, Alarm, {
        processElement(r, { state, key, timers, timestamp, out }) {
          expectTypeOf(key).toEqualTypeOf<string>();
          expectTypeOf(timestamp).toEqualTypeOf<number | undefined>();
          expectTypeOf(state.last.value()).toEqualTypeOf<number | undefined>();
          expectTypeOf(state.all.get()).toEqualTypeOf<readonly Reading[]>();
          expectTypeOf(state.counts.get('x')).toEqualTypeOf<number | undefined>();
          expectTypeOf(state.best.get()).toEqualTypeOf<number | undefined>();
          expectTypeOf(state.average.get()).toEqualTypeOf<string | undefined>();
          timers.eventTime(r.at + hours(1));
          out.emit({ device: key, text: 'x' });
        },
        onTimer(at, { timestamp, timeDomain, state }) {
          expectTypeOf(at).toEqualTypeOf<number>();
          expectTypeOf(timestamp).toEqualTypeOf<number>();
          expectTypeOf(timeDomain).toEqualTypeOf<'event-time' | 'processing-time'>();
          state.last.clear();
        },
      });
    expectTypeOf(out).toEqualTypeOf<DataStream<Alarm>>();
    readings()
      .keyBy((r) => r.device)
      // @ts-expect-error -- no such state
      .process('q', { last: states.last }, (_r, { state }) => state.lats.clear());
  });

  it('take classes, and objects of them', () => {
    const last = valueState('last', z.number());
    class Changes {
      processElement(
        r: Reading,
        { state, out }: ProcessContext<string, { last: typeof last }, Alarm>,
      ) {
        if (state.last.value() !== r.value) out.emit({ device: r.device, text: 'changed' });
        state.last.update(r.value);
      }
    }
    class Copies {
      #opened = false;
      async open() {
        this.#opened = true;
      }
      processElement(r: Reading, { out }: NonKeyedContext<Reading>) {
        if (this.#opened) out.emit(r);
      }
    }
    const keyed = readings().keyBy((r) => r.device);
    expectTypeOf(keyed.process('a', { last }, Changes)).toEqualTypeOf<DataStream<Alarm>>();
    expectTypeOf(keyed.process('b', { last }, new Changes())).toEqualTypeOf<DataStream<Alarm>>();
    expectTypeOf(readings().process('c', Copies)).toEqualTypeOf<DataStream<Reading>>();
    expectTypeOf(readings().process('d', new Copies())).toEqualTypeOf<DataStream<Reading>>();
  });

  it('reduce', () => {
    const keyed = readings().keyBy((r) => r.device);
    expectTypeOf(keyed.reduce('r', Reading, (a, b) => (a.value > b.value ? a : b))).toEqualTypeOf<
      DataStream<Reading>
    >();
    // @ts-expect-error -- the schema of something else
    keyed.reduce('s', Alarm, (a) => a);
  });
});

describe('windows', () => {
  const keyed = () => readings().keyBy((r) => [r.device, r.value > 0]);

  it('infer results from what emits them', () => {
    const stream = keyed();
    const size = tumbling(hours(1));
    expectTypeOf(stream.window('a', size, count())).toEqualTypeOf<DataStream<number>>();
    expectTypeOf(
      stream.window(
        'b',
        size,
        sum((r) => r.value),
      ),
    ).toEqualTypeOf<DataStream<number>>();
    expectTypeOf(
      stream.window(
        'c',
        size,
        mean(
          (r) => r.value,
          (value, { key: [device], window }) => ({ device, value, from: window.start }),
        ),
      ),
    ).toEqualTypeOf<DataStream<{ device: string; value: number; from: number }>>();
    expectTypeOf(
      stream.window(
        'd',
        size,
        count((n, { key }) => `${key[0]}: ${n}`),
      ),
    ).toEqualTypeOf<DataStream<string>>();
    expectTypeOf(
      stream.window(
        'e',
        size,
        reduceWindow(Reading, (a, b) => (a.at > b.at ? a : b)),
      ),
    ).toEqualTypeOf<DataStream<Reading>>();
    expectTypeOf(
      stream.window(
        'f',
        size,
        reduceWindow(
          Reading,
          (a, b) => (a.at > b.at ? a : b),
          (last, { window }) => [last.value, window.end] as const,
        ),
      ),
    ).toEqualTypeOf<DataStream<readonly [number, number]>>();
    expectTypeOf(
      stream.window(
        'g',
        size,
        processWindow(Reading, (elements, { out }) => {
          for (const element of elements) out.emit(element);
        }),
      ),
    ).toEqualTypeOf<DataStream<Reading>>();
    expectTypeOf(
      stream.window(
        'h',
        size,
        processWindow(Reading, Alarm, (elements, { out, key: [device] }) => {
          out.emit({ device, text: `${elements.length}` });
        }),
      ),
    ).toEqualTypeOf<DataStream<Alarm>>();
  });

  it('know the elements in aggregates that stand in the call', () => {
    const out = keyed().window(
      'a',
      session(hours(1)),
      aggregate({
        accumulator: z.array(z.number()),
        createAccumulator: () => [],
        add: (all, r) => [...all, r.value],
        getResult: (all) => ({ all }),
        merge: (a, b) => [...a, ...b],
      }),
    );
    expectTypeOf(out).toEqualTypeOf<DataStream<{ all: number[] }>>();
  });

  it('take triggers of the elements', () => {
    const onAlarm = customTrigger({
      onElement: (r: Reading) => (r.value > 9 ? 'fire' : 'continue'),
    });
    keyed().window('a', tumbling(1), count(), { trigger: purging(onAlarm) });
    keyed().window('b', tumbling(1), count(), { trigger: countTrigger(3) });
    const ofAlarms = customTrigger({
      onElement: (alarm: Alarm) => (alarm.text === '' ? 'fire' : 'continue'),
    });
    // @ts-expect-error -- a trigger of something else
    keyed().window('c', tumbling(1), count(), { trigger: ofAlarms });
    // @ts-expect-error -- a tag of something else
    keyed().window('d', tumbling(1), count(), { lateData: outputTag('late', Alarm) });
  });
});

describe('connected streams', () => {
  const rules = mapState('rules', z.string(), z.number());
  const seen = valueState('seen', z.boolean());

  it('have both elements', () => {
    const environment = env();
    const a = environment.fromElements('a', [1, 2]);
    const b = environment.fromElements('b', ['x']);
    const merged = a.connect(b).process('merge', z.string(), {
      processElement1: (value, { out }) => out.emit(value.toFixed()),
      processElement2: (value, { out }) => out.emit(value.trim()),
    });
    expectTypeOf(merged).toEqualTypeOf<DataStream<string>>();
    const matched = a
      .keyBy((n) => String(n))
      .connect(b.keyBy((s) => s))
      .process(
        'match',
        { seen },
        {
          processElement1(value, { state, out, key }) {
            expectTypeOf(key).toEqualTypeOf<string>();
            if (state.seen.value() !== true) out.emit(value);
          },
          processElement2: (_value, { state }) => state.seen.update(true),
          onTimer: (_at, { state }) => state.seen.clear(),
        },
      );
    expectTypeOf(matched).toEqualTypeOf<DataStream<number>>();
    // @ts-expect-error -- keys of two types
    a.keyBy((n) => n).connect(b.keyBy((s) => s));
  });

  it('have broadcast state, read-only for elements', () => {
    const environment = env();
    const stream = environment.fromElements('s', [1]);
    const updates = environment.fromElements('u', [{ name: 'n', limit: 1 }]).broadcast({ rules });
    const plain = stream.connect(updates).process('plain', {
      processElement(value, { out, broadcast }) {
        if (value > (broadcast.rules.get('n') ?? 0)) out.emit(value);
        // @ts-expect-error -- read-only here
        broadcast.rules.put('n', 1);
      },
      processBroadcastElement: (rule, { broadcast }) => broadcast.rules.put(rule.name, rule.limit),
    });
    expectTypeOf(plain).toEqualTypeOf<DataStream<number>>();
    const keyed = stream
      .keyBy((n) => n)
      .connect(updates)
      .process('keyed', { seen }, Alarm, {
        processElement(value, { out, state, broadcast, key }) {
          expectTypeOf(key).toEqualTypeOf<number>();
          expectTypeOf(broadcast.rules.get('x')).toEqualTypeOf<number | undefined>();
          if (state.seen.value() === true) out.emit({ device: `${value}`, text: '' });
        },
        processBroadcastElement: (rule, { broadcast }) =>
          broadcast.rules.put(rule.name, rule.limit),
        onTimer: (_at, { broadcast, state }) => {
          if (broadcast.rules.isEmpty()) state.seen.clear();
        },
      });
    expectTypeOf(keyed).toEqualTypeOf<DataStream<Alarm>>();
  });
});
