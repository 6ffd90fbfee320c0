/* Jobs whose functions throw on some of the records, half way: these go to the dead letters. */
import { z } from 'zod';
import {
  aggregatingState,
  type DeadLetter,
  defineJob,
  listState,
  mapState,
  reducingState,
  valueState,
} from '../../../src/index.ts';
import { every, scripted } from './scripted-source.ts';
import { groupBy, items, out, sum, type Item, type StateRow, type Topology } from './topology.ts';

const INPUT = items(40);

/** What of a letter is the same in each run. */
function essence({ operator, errorMessage, record, key, source }: DeadLetter) {
  return { operator, errorMessage, record: JSON.parse(record) as unknown, key, source };
}

const Essence = z.object({
  operator: z.string(),
  errorMessage: z.string(),
  record: z.unknown(),
  key: z.string().nullable(),
  source: z.string().nullable(),
});

const total = valueState('total', z.int32());
const last = listState('last', z.object({ n: z.number() }));
const open = mapState('open', z.string(), z.number());
const sums = reducingState('sums', z.number(), (a, b) => a + b);
const most = aggregatingState('most', {
  accumulator: z.object({ most: z.number() }),
  createAccumulator: () => ({ most: 0 }),
  // Changes its accumulator in place, as Flink allows.
  add: (accumulator, n: number) => {
    accumulator.most = Math.max(accumulator.most, n);
    return accumulator;
  },
  getResult: ({ most: n }) => n,
});

const failsInMap = ({ n }: Item): boolean => n % 5 === 3;
const failsInProcess = ({ n }: Item): boolean => n % 7 === 2;
const good = INPUT.filter((item) => !failsInMap(item) && !failsInProcess(item));
const BY_KEY = [...groupBy(good, ({ key }) => key)];

const tripped: Topology = {
  name: 'functions that throw half way',
  job: () =>
    defineJob('tripped', (env) => {
      const parsed = env
        .fromSource('items', scripted(every(3, INPUT)))
        .flatMap('parse', (item, { emit }: { emit: (item: Item) => void }) => {
          emit(item);
          if (failsInMap(item)) throw new TypeError(`cannot parse ${item.n}`);
        })
        .onError('dead-letter');
      parsed
        .keyBy(({ key }) => key)
        .process(
          'track',
          { total, last, open, sums, most },
          z.object({ n: z.number(), total: z.number() }),
          (item, { state, out: output }) => {
            const { n } = item;
            const count = (state.total.value() ?? 0) + 1;
            state.total.update(count);
            state.last.add({ n });
            if (state.last.get().length > 3) state.last.update(state.last.get().slice(-3));
            state.open.put(`m${n % 3}`, n);
            if (n % 2 === 0) state.open.remove(`m${(n + 1) % 3}`);
            state.sums.add(n);
            state.most.add(n);
            output.emit({ n, total: count });
            if (failsInProcess(item)) throw new RangeError(`cannot track ${n}`);
          },
        )
        .onError('dead-letter')
        .sinkTo('out', out('/out'));
      env.deadLetters().map('essence', Essence, essence).sinkTo('dlq', out('/dlq'));
    }),
  output: {
    '/out': BY_KEY.flatMap(([, own]) => own.map(({ n }, i) => ({ n, total: i + 1 }))),
    '/dlq': INPUT.flatMap((record) => {
      if (failsInMap(record)) {
        const errorMessage = `cannot parse ${record.n}`;
        return { operator: 'parse', errorMessage, record, key: null, source: 'items' };
      }
      if (!failsInProcess(record)) return [];
      const errorMessage = `cannot track ${record.n}`;
      const key = JSON.stringify(record.key);
      return { operator: 'track', errorMessage, record, key, source: null };
    }),
  },
  state: BY_KEY.flatMap(([key, own]) => {
    const numbers = own.map(({ n }) => n);
    const row = (state: string, value: unknown): StateRow => ({ uid: 'track', state, key, value });
    return [
      row('total', own.length),
      row(
        'last',
        numbers.slice(-3).map((n) => ({ n })),
      ),
      row('sums', sum(numbers)),
      row('most', { most: Math.max(...numbers) }),
      ...[...openModel(numbers)].map(([mapKey, value]) => ({ ...row('open', value), mapKey })),
    ];
  }),
};

function openModel(numbers: readonly number[]): Map<string, number> {
  const map = new Map<string, number>();
  for (const n of numbers) {
    map.set(`m${n % 3}`, n);
    if (n % 2 === 0) map.delete(`m${(n + 1) % 3}`);
  }
  return map;
}

export const DEAD_LETTERS: readonly Topology[] = [tripped];
