/* Jobs with keyed state of each kind. */
import { z } from 'zod';
import {
  aggregatingState,
  defineJob,
  generate,
  listState,
  mapState,
  reducingState,
  valueState,
} from '../../../src/index.ts';
import { every, scripted } from './scripted-source.ts';
import { groupBy, items, out, sum, type StateRow, type Topology } from './topology.ts';

const INPUT = items(40);
const BY_KEY = [...groupBy(INPUT, ({ key }) => key)];

/** One output for each element: how many of its key there were, in the order of the one split. */
function running<U>(make: (key: string, soFar: readonly number[]) => U): U[] {
  return BY_KEY.flatMap(([key, own]) =>
    own.map((_, i) =>
      make(
        key,
        own.slice(0, i + 1).map(({ n }) => n),
      ),
    ),
  );
}

const total = valueState('total', z.int32());

const keyedCount: Topology = {
  name: 'count by key (value state)',
  job: () =>
    defineJob('keyed-count', (env) => {
      env
        .fromSource(
          'numbers',
          generate(90, (n) => n, { rowsPerSecond: 700 }),
        )
        .keyBy((n) => n % 7)
        .process(
          'count',
          { total },
          z.object({ key: z.number(), count: z.number() }),
          (_, { key, state, out: output }) => {
            const count = (state.total.value() ?? 0) + 1;
            state.total.update(count);
            output.emit({ key, count });
          },
        )
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': Array.from({ length: 90 }, (_, n) => ({ key: n % 7, count: Math.floor(n / 7) + 1 })),
  },
  state: Array.from({ length: 7 }, (_, key) => ({
    uid: 'count',
    state: 'total',
    key,
    value: Math.floor((90 - 1 - key) / 7) + 1,
  })),
};

const seen = listState('seen', z.number());

const lists: Topology = {
  name: 'list state',
  job: () =>
    defineJob('lists', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .keyBy(({ key }) => key)
        .process(
          'collect',
          { seen },
          z.object({ key: z.string(), all: z.array(z.number()) }),
          ({ n }, { key, state, out: output }) => {
            state.seen.add(n);
            output.emit({ key, all: [...state.seen.get()] });
            if (n % 6 === 0) state.seen.update(state.seen.get().slice(-2));
          },
        )
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': BY_KEY.flatMap(([key, own]) => listModel(key, own).outputs) },
  state: BY_KEY.map(([key, own]) => ({
    uid: 'collect',
    state: 'seen',
    key,
    value: listModel(key, own).list,
  })),
};

function listModel(key: string, own: readonly { n: number }[]) {
  let list: number[] = [];
  const outputs = own.map(({ n }) => {
    const all = [...list, n];
    list = n % 6 === 0 ? all.slice(-2) : all;
    return { key, all };
  });
  return { list, outputs };
}

const open = mapState('open', z.string(), z.number());

const maps: Topology = {
  name: 'map state with removals',
  job: () =>
    defineJob('maps', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .keyBy(({ key }) => key)
        .process(
          'track',
          { open },
          z.object({ key: z.string(), n: z.number(), open: z.number() }),
          ({ n }, { key, state, out: output }) => {
            state.open.put(`m${n % 4}`, n);
            if (n % 3 === 0) state.open.remove(`m${(n + 1) % 4}`);
            if (n % 11 === 0) state.open.clear();
            output.emit({ key, n, open: [...state.open.keys()].length });
          },
        )
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': BY_KEY.flatMap(([key, own]) => mapModel(key, own).outputs) },
  state: BY_KEY.flatMap(([key, own]) =>
    [...mapModel(key, own).map].map(([mapKey, value]): StateRow => ({
      uid: 'track',
      state: 'open',
      key,
      mapKey,
      value,
    })),
  ),
};

function mapModel(key: string, own: readonly { n: number }[]) {
  const map = new Map<string, number>();
  const outputs = own.map(({ n }) => {
    map.set(`m${n % 4}`, n);
    if (n % 3 === 0) map.delete(`m${(n + 1) % 4}`);
    if (n % 11 === 0) map.clear();
    return { key, n, open: map.size };
  });
  return { map, outputs };
}

const greatest = reducingState('greatest', z.number(), (a, b) => Math.max(a, b % 17));

const reducing: Topology = {
  name: 'reducing state',
  job: () =>
    defineJob('reducing', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .keyBy(({ key }) => key)
        .process(
          'greatest',
          { greatest },
          z.object({ key: z.string(), greatest: z.number() }),
          ({ n }, { key, state, out: output }) => {
            state.greatest.add(n);
            output.emit({ key, greatest: state.greatest.get() ?? -1 });
          },
        )
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': running((key, soFar) => ({ key, greatest: greatestOf(soFar) })) },
  state: BY_KEY.map(([key, own]) => ({
    uid: 'greatest',
    state: 'greatest',
    key,
    value: greatestOf(own.map(({ n }) => n)),
  })),
};

function greatestOf([first = 0, ...rest]: readonly number[]): number {
  return rest.reduce((a, b) => Math.max(a, b % 17), first);
}

const mean = aggregatingState('mean', {
  accumulator: z.object({ sum: z.number(), count: z.number() }),
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add: (a, n: number) => ({ sum: a.sum + n, count: a.count + 1 }),
  getResult: (a) => a.sum / a.count,
});

const aggregating: Topology = {
  name: 'aggregating state',
  job: () =>
    defineJob('aggregating', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .keyBy(({ key }) => key)
        .process(
          'mean',
          { mean },
          z.object({ key: z.string(), mean: z.number() }),
          ({ n }, { key, state, out: output }) => {
            state.mean.add(n);
            output.emit({ key, mean: state.mean.get() ?? NaN });
          },
        )
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': running((key, soFar) => ({ key, mean: sum(soFar) / soFar.length })) },
  state: BY_KEY.map(([key, own]) => ({
    uid: 'mean',
    state: 'mean',
    key,
    value: { sum: sum(own.map(({ n }) => n)), count: own.length },
  })),
};

const Sale = z.object({ key: z.string(), n: z.number(), at: z.number() });

const reduce: Topology = {
  name: 'running reduce',
  job: () =>
    defineJob('reduce', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .keyBy(({ key }) => key)
        .reduce('total', Sale, (a, b) => ({ ...b, n: a.n + b.n }))
        .map('no-time', ({ key, n }) => ({ key, total: n }))
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': running((key, soFar) => ({ key, total: sum(soFar) })) },
  state: BY_KEY.map(([key, own]) => ({
    uid: 'total',
    state: 'reduction',
    key,
    value: { key, n: sum(own.map(({ n }) => n)), at: own.at(-1)?.at },
  })),
};

const counted = valueState('counted', z.number());
const summed = valueState('summed', z.number());

/** Two shuffles: the second key is made of what the first operator says. */
const chained: Topology = {
  name: 'keyBy behind keyBy',
  job: () =>
    defineJob('chained-keys', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .keyBy(({ key }) => key)
        .process(
          'nth',
          { counted },
          z.object({ nth: z.number(), n: z.number() }),
          ({ n }, { state, out: output }) => {
            const nth = (state.counted.value() ?? 0) + 1;
            state.counted.update(nth);
            output.emit({ nth, n });
          },
        )
        .keyBy(({ nth }) => nth % 5)
        .process('sum', { summed }, ({ n, nth }, { state, out: output }) => {
          state.summed.update((state.summed.value() ?? 0) + n);
          output.emit({ n, nth });
        })
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': nths() },
  state: [
    ...BY_KEY.map(([key, own]) => ({ uid: 'nth', state: 'counted', key, value: own.length })),
    ...[...groupBy(nths(), ({ nth }) => String(nth % 5))].map(([key, own]) => ({
      uid: 'sum',
      state: 'summed',
      key: Number(key),
      value: sum(own.map(({ n }) => n)),
    })),
  ],
};

function nths(): { n: number; nth: number }[] {
  return BY_KEY.flatMap(([, own]) => own.map(({ n }, i) => ({ n, nth: i + 1 })));
}

export const KEYED = [keyedCount, lists, maps, reducing, aggregating, reduce, chained];
