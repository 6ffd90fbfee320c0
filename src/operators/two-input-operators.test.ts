import { expect, test } from 'vitest';
import type { MapStateDescriptor, ValueStateDescriptor } from '../contracts/state.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { BroadcastProcessOperator } from './broadcast-process-operator.ts';
import { CoProcessOperator } from './co-process-operator.ts';
import { KeyedBroadcastProcessOperator } from './keyed-broadcast-process-operator.ts';
import { KeyedCoProcessOperator } from './keyed-co-process-operator.ts';
import { OperatorHarness } from './operator-harness.ts';

interface Keyed {
  readonly key: string;
  readonly n: number;
}

const float64 = serializerOf({ kind: 'float64' });
const text = serializerOf({ kind: 'string' });
const keyOf = (value: Keyed) => value.key;
const named = (name: string) => ({ name, ttl: undefined });

const sum: ValueStateDescriptor<number> = {
  kind: 'value',
  ...named('sum'),
  serializer: float64,
  defaultValue: 0,
};
const rules: MapStateDescriptor<string, number> = {
  kind: 'map',
  ...named('rules'),
  key: text,
  value: float64,
};

/** What a function of these tests gets; the engine is untyped inside. */
interface Context {
  readonly key: string;
  readonly timestamp: number | undefined;
  readonly timeDomain: string;
  readonly state: { readonly sum: { value(): number; update(n: number): void } };
  readonly timers: { eventTime(ms: number): void; watermarkMs(): number };
  readonly out: { emit(value: unknown): void };
  readonly watermarkMs: () => number;
  readonly broadcast: { readonly rules: Map<string, number> & { put(k: string, n: number): void } };
}

test('two inputs without a key share one function and one watermark', async () => {
  const process = {
    processElement1(value: unknown, { out, timestamp, watermarkMs }: Context) {
      out.emit(['one', value, timestamp, watermarkMs()]);
    },
    processElement2(value: unknown, { out, timestamp }: Context) {
      out.emit(['two', value, timestamp]);
    },
  };
  const harness = await OperatorHarness.open({
    create: () => new CoProcessOperator(process as never),
  });
  harness.watermark(4);
  harness.element('a', 5, 0);
  harness.element('b', Number.NaN, 1);
  expect(harness.take()).toEqual([
    ['one', 'a', 5, 4],
    ['two', 'b', undefined],
  ]);
});

test('two keyed inputs share state and timers, also after a restore elsewhere', async () => {
  const add =
    (sign: number) =>
    (value: Keyed, { state, timers }: Context) => {
      state.sum.update(state.sum.value() + sign * value.n);
      timers.eventTime(100);
    };
  const process = {
    processElement1: add(1),
    processElement2: add(-1),
    onTimer(timestampMs: number, { key, state, out, timeDomain }: Context) {
      out.emit([key, state.sum.value(), timestampMs, timeDomain]);
    },
  };
  const harness = await OperatorHarness.open({
    create: () => new KeyedCoProcessOperator(process as never, { sum }),
    keys: [keyOf, keyOf],
    stopEvery: 1,
  });
  for (const key of ['a', 'b', 'c']) {
    harness.element({ key, n: 5 }, 1, 0);
    harness.element({ key, n: 2 }, 1, 1);
  }
  await harness.restore(await harness.snapshot(), 3);
  harness.watermark(99);
  expect(harness.take()).toEqual([]);
  harness.watermark(100);
  harness.watermark(200);
  expect((harness.take() as unknown[][]).sort()).toEqual([
    ['a', 3, 100, 'event-time'],
    ['b', 3, 100, 'event-time'],
    ['c', 3, 100, 'event-time'],
  ]);
});

test('broadcast state is written by its side, read by the other, and goes to all subtasks', async () => {
  const process = {
    processElement(value: Keyed, { broadcast, out, key, state, timers }: Context) {
      state.sum.update(state.sum.value() + value.n);
      timers.eventTime(10);
      out.emit([key, broadcast.rules.get('limit')]);
    },
    processBroadcastElement(limit: number, { broadcast, out }: Context) {
      broadcast.rules.put('limit', limit);
      out.emit('written');
    },
    onTimer(_timestampMs: number, { key, state, broadcast, out }: Context) {
      out.emit([key, state.sum.value(), broadcast.rules.get('limit')]);
    },
  };
  const harness = await OperatorHarness.open({
    create: () => new KeyedBroadcastProcessOperator(process as never, { sum }, { rules }),
    keys: [keyOf, undefined],
    parallelism: 2,
  });
  harness.element(7, 1, 1);
  expect(harness.take()).toEqual(['written', 'written']);
  harness.element({ key: 'a', n: 1 }, 1);
  expect(harness.take()).toEqual([['a', 7]]);
  await harness.restore(await harness.snapshot(), 3);
  for (const key of ['a', 'b', 'c', 'd']) harness.element({ key, n: 1 }, 1);
  expect(harness.take()).toEqual(['a', 'b', 'c', 'd'].map((key) => [key, 7]));
  harness.watermark(10);
  expect((harness.take() as unknown[][]).sort()).toEqual([
    ['a', 2, 7],
    ['b', 1, 7],
    ['c', 1, 7],
    ['d', 1, 7],
  ]);
});

test('the element side cannot write to broadcast state', async () => {
  const process = {
    processElement(_value: unknown, { broadcast }: Context) {
      broadcast.rules.put('limit', 1);
    },
    processBroadcastElement() {
      // Nothing to do.
    },
  };
  const harness = await OperatorHarness.open({
    create: () => new BroadcastProcessOperator(process as never, { rules }),
  });
  expect(() => {
    harness.element(1, 1);
  }).toThrow(/OPR-106.*rules/s);
});
