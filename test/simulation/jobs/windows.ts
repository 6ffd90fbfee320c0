/* Windows of each kind, with triggers, lateness and late data. */
import { z } from 'zod';
import {
  aggregate,
  boundedOutOfOrderness,
  count,
  countTrigger,
  defineJob,
  globalWindow,
  monotonous,
  outputTag,
  processWindow,
  purging,
  session,
  sliding,
  sum as sumOf,
  tumbling,
} from '../../../src/index.ts';
import { every, scripted, type Step } from './scripted-source.ts';
import { groupBy, items, out, sum, type Item, type Topology } from './topology.ts';

const INPUT = items(40);
const BY_KEY = [...groupBy(INPUT, ({ key }) => key)];
const SETTINGS = { 'pipeline.auto-watermark-interval': '5 ms' };
const Item_ = z.object({ key: z.string(), n: z.number(), at: z.number() });

const late = outputTag('late', Item_);
const LATE: Item = { key: 'k0', n: 900, at: 1_000_005 };
const REFINING: Item = { key: 'k0', n: 700, at: 1_000_145 };

/**
 * 22 elements of 10 ms each; then one for the window that has just ended and is still kept, and one
 * for a window that is long gone. The pauses let the watermark come by, whatever is killed when.
 */
const LATE_STEPS: Step<Item>[] = [
  ...every(3, INPUT.slice(0, 22)),
  { value: REFINING, waitMs: 25 },
  { value: LATE, waitMs: 10 },
  ...every(3, INPUT.slice(22)),
];

const tumblingLate: Topology = {
  name: 'tumbling windows with lateness and late data',
  settings: SETTINGS,
  job: () =>
    defineJob('tumbling', (env) => {
      const sums = env
        .fromSource(
          'items',
          scripted(LATE_STEPS),
          monotonous(({ at }) => at),
        )
        .keyBy(({ key }) => key)
        .window(
          'sums',
          tumbling(100),
          sumOf(
            ({ n }: Item) => n,
            (total, { key, window }) => ({ key, start: window.start, total }),
          ),
          { allowedLatenessMs: 80, lateData: late },
        );
      sums.sinkTo('out', out('/out'));
      sums.sideOutput(late).sinkTo('late', out('/late'));
    }),
  output: {
    '/out': [
      ...BY_KEY.flatMap(([key, own]) =>
        [...groupBy(own, ({ at }) => String(Math.floor(at / 100) * 100))].map(
          ([start, window]) => ({
            key,
            start: Number(start),
            total: sum(window.map(({ n }) => n)),
          }),
        ),
      ),
      {
        key: 'k0',
        start: 1_000_100,
        total:
          700 +
          sum(
            INPUT.filter(({ key, at }) => key === 'k0' && at >= 1_000_100 && at < 1_000_200).map(
              ({ n }) => n,
            ),
          ),
      },
    ],
    '/late': [LATE],
  },
  state: [],
};

/** Out of order by up to 20 ms, which the watermarks allow for: nothing is late. */
const SHUFFLED = INPUT.map(
  (_, i) => INPUT[i % 3 === 0 ? Math.min(i + 2, 39) : i % 3 === 2 && i >= 2 ? i - 2 : i],
).map((item, i) => item ?? { key: 'none', n: i, at: 0 });

const slidingCounts: Topology = {
  name: 'sliding windows of elements out of order',
  settings: SETTINGS,
  job: () =>
    defineJob('sliding', (env) => {
      env
        .fromSource(
          'items',
          scripted(every(3, SHUFFLED)),
          boundedOutOfOrderness(({ at }) => at, 40),
        )
        .keyBy(({ key }) => key)
        .window(
          'counts',
          sliding(100, 50),
          count((elements, { key, window }) => ({ key, start: window.start, elements })),
        )
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': [...groupBy(SHUFFLED, ({ key }) => key)].flatMap(([key, own]) =>
      [
        ...groupBy(
          own.flatMap(({ at }) => {
            const start = Math.floor(at / 50) * 50;
            return [start, start - 50];
          }),
          String,
        ),
      ].map(([start, all]) => ({ key, start: Number(start), elements: all.length })),
    ),
  },
  state: [],
};

/** Bursts of each key, further apart than the gap now and then. */
const BURSTS = items(40, 3, 12).map((item) => ({
  ...item,
  at: item.at + Math.floor(item.n / 13) * 90,
}));

const sessions: Topology = {
  name: 'session windows',
  settings: SETTINGS,
  job: () =>
    defineJob('sessions', (env) => {
      env
        .fromSource(
          'items',
          scripted(every(3, BURSTS)),
          monotonous(({ at }) => at),
        )
        .keyBy(({ key }) => key)
        .window(
          'visits',
          session(60),
          aggregate(
            {
              accumulator: z.array(z.number()),
              createAccumulator: () => [] as number[],
              add: (all, { n }: Item) => [...all, n],
              getResult: (all) => all,
              merge: (a, b) => [...a, ...b].sort((x, y) => x - y),
            },
            (all, { key, window }) => ({ key, start: window.start, end: window.end, all }),
          ),
        )
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': [...groupBy(BURSTS, ({ key }) => key)].flatMap(([key, own]) => visits(key, own)),
  },
  state: [],
};

function visits(key: string, own: readonly Item[]) {
  const found: { key: string; start: number; end: number; all: number[] }[] = [];
  for (const { n, at } of own) {
    const last = found.at(-1);
    if (last === undefined || at > last.end) found.push({ key, start: at, end: at + 60, all: [n] });
    else {
      last.end = at + 60;
      last.all.push(n);
    }
  }
  return found;
}

const FOR_EVER = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;

const batches: Topology = {
  name: 'global window with a count trigger',
  job: () =>
    defineJob('batches', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .keyBy(({ key }) => key)
        .window(
          'batch',
          globalWindow(),
          processWindow(
            Item_,
            z.object({ key: z.string(), ns: z.array(z.number()) }),
            (all, context) => {
              context.out.emit({ key: all[0]?.key ?? '', ns: all.map(({ n }) => n) });
            },
          ),
          { trigger: purging(countTrigger(3)) },
        )
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': BY_KEY.flatMap(([key, own]) =>
      Array.from({ length: Math.floor(own.length / 3) }, (_, i) => ({
        key,
        ns: own.slice(3 * i, 3 * i + 3).map(({ n }) => n),
      })),
    ),
  },
  state: BY_KEY.filter(([, own]) => own.length % 3 !== 0).flatMap(([key, own]) => {
    const rest = own.slice(own.length - (own.length % 3));
    const row = { uid: 'batch', key, window: FOR_EVER };
    return [
      { ...row, state: 'window-contents', value: rest },
      { ...row, state: 'trigger-count', value: rest.length },
    ];
  }),
};

export const WINDOWS = [tumblingLate, slidingCounts, sessions, batches];
