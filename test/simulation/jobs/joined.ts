/* Jobs with several inputs. */
import { z } from 'zod';
import { defineJob, listState, mapState, valueState } from '../../../src/index.ts';
import { every, scripted } from './scripted-source.ts';
import { groupBy, items, out, sum, type Item, type Topology } from './topology.ts';

const LEFT = items(24);
const RIGHT = items(20).map(({ key, n, at }) => ({ key, n: 1000 + n, at }));

const sums = valueState('sums', z.number());

/** The order between the two is chance; sums and what passes are not. */
const union: Topology = {
  name: 'union of two sources',
  job: () =>
    defineJob('union', (env) => {
      const left = env.fromSource('left', scripted(every(4, LEFT)));
      const right = env.fromSource('right', scripted(every(5, RIGHT)));
      left
        .union(right)
        .keyBy(({ key }) => key)
        .process('sums', { sums }, (item, { state, out: output }) => {
          state.sums.update((state.sums.value() ?? 0) + item.n);
          output.emit(item);
        })
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': [...LEFT, ...RIGHT] },
  state: [...groupBy([...LEFT, ...RIGHT], ({ key }) => key)].map(([key, own]) => ({
    uid: 'sums',
    state: 'sums',
    key,
    value: sum(own.map(({ n }) => n)),
  })),
};

const lefts = listState('lefts', z.number());
const rights = listState('rights', z.number());
const Pair = z.object({ key: z.string(), left: z.number(), right: z.number() });

/** A join: every pair of a key once, whichever of the two comes first. */
const coProcess: Topology = {
  name: 'two keyed inputs with shared state',
  job: () =>
    defineJob('co-process', (env) => {
      const left = env.fromSource('left', scripted(every(4, LEFT)));
      const right = env.fromSource('right', scripted(every(5, RIGHT)));
      left
        .keyBy(({ key }) => key)
        .connect(right.keyBy(({ key }) => key))
        .process('join', { lefts, rights }, Pair, {
          processElement1: ({ n }, { key, state, out: output }) => {
            state.lefts.add(n);
            for (const other of state.rights.get()) output.emit({ key, left: n, right: other });
          },
          processElement2: ({ n }, { key, state, out: output }) => {
            state.rights.add(n);
            for (const other of state.lefts.get()) output.emit({ key, left: other, right: n });
          },
        })
        .sinkTo('out', out('/out'));
    }),
  output: {
    '/out': LEFT.flatMap((left) =>
      RIGHT.filter(({ key }) => key === left.key).map((right) => ({
        key: left.key,
        left: left.n,
        right: right.n,
      })),
    ),
  },
  state: [
    ...[...groupBy(LEFT, ({ key }) => key)].map(([key, own]) => listRow('lefts', key, own)),
    ...[...groupBy(RIGHT, ({ key }) => key)].map(([key, own]) => listRow('rights', key, own)),
  ],
};

function listRow(state: string, key: string, own: readonly Item[]) {
  return { uid: 'join', state, key, value: own.map(({ n }) => n) };
}

interface Rule {
  readonly key: string;
  readonly factor: number;
}

const rules = mapState('rules', z.string(), z.number());
const applied = valueState('applied', z.number());

/** Some rules are given twice: the later one counts. */
const RULES: Rule[] = [0, 1, 2, 3, 0, 2].map((k, i) => ({ key: `k${k}`, factor: 10 + i }));
const FACTORS = new Map(RULES.map(({ key, factor }) => [key, factor]));

/** The rules come first; all elements come a good while later, in each run. */
const broadcast: Topology = {
  name: 'rules as broadcast state',
  job: () =>
    defineJob('broadcast', (env) => {
      const given = env.fromSource('rules', scripted(every(1, RULES))).broadcast({ rules });
      const [first, ...others] = items(40);
      const steps = [...(first ? [{ value: first, waitMs: 60 }] : []), ...every(3, others)];
      env
        .fromSource('items', scripted(steps))
        .keyBy(({ key }) => key)
        .connect(given)
        .process('apply', { applied }, z.object({ n: z.number(), result: z.number() }), {
          processElement: ({ key, n }, { state, broadcast: known, out: output }) => {
            state.applied.update((state.applied.value() ?? 0) + 1);
            output.emit({ n, result: n * (known.rules.get(key) ?? -1) });
          },
          processBroadcastElement: ({ key, factor }, { broadcast: known }) => {
            known.rules.put(key, factor);
          },
        })
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': items(40).map(({ key, n }) => ({ n, result: n * (FACTORS.get(key) ?? -1) })) },
  state: [...groupBy(items(40), ({ key }) => key)].map(([key, own]) => ({
    uid: 'apply',
    state: 'applied',
    key,
    value: own.length,
  })),
};

const BUSY = [600, 500, 400].map((count, source) =>
  items(count, 9).map(({ key, n, at }) => ({ key, n: 1000 * source + n, at })),
);

/** Bursts from several splits, so that barriers meet elements that must wait for them. */
const busy: Topology = {
  name: 'bursts of several splits',
  job: () =>
    defineJob('busy', (env) => {
      const bursts = BUSY.map((own) =>
        own.map((value, i) => ({ value, waitMs: i % 100 === 0 ? 12 : 0 })),
      );
      env
        .fromSource('items', scripted(...bursts))
        .rebalance()
        .map('same', (item) => item)
        .keyBy(({ key }) => key)
        .process('sums', { sums }, (item, { state, out: output }) => {
          state.sums.update((state.sums.value() ?? 0) + item.n);
          output.emit(item);
        })
        .sinkTo('out', out('/out'));
    }),
  output: { '/out': BUSY.flat() },
  state: [...groupBy(BUSY.flat(), ({ key }) => key)].map(([key, own]) => ({
    uid: 'sums',
    state: 'sums',
    key,
    value: sum(own.map(({ n }) => n)),
  })),
};

const SideCount = z.object({ key: z.string(), count: z.number() });
const sideCounts = valueState('counts', z.number());

/** Two regions: a failure of the one does not touch the other. */
const sideBySide: Topology = {
  name: 'two pipelines side by side',
  job: () =>
    defineJob('side-by-side', (env) => {
      for (const [side, input] of [['left', LEFT] as const, ['right', RIGHT] as const]) {
        env
          .fromSource(side, scripted(every(side === 'left' ? 4 : 6, input)))
          .keyBy(({ key }) => key)
          .process(`${side}-counts`, { sideCounts }, SideCount, ({ key }, { state, out: to }) => {
            const count = (state.sideCounts.value() ?? 0) + 1;
            state.sideCounts.update(count);
            to.emit({ key, count });
          })
          .sinkTo(`${side}-out`, out(`/${side}`));
      }
    }),
  output: { '/left': runningCounts(LEFT), '/right': runningCounts(RIGHT) },
  state: [...countRows('left', LEFT), ...countRows('right', RIGHT)],
};

function runningCounts(input: readonly Item[]): unknown[] {
  return [...groupBy(input, ({ key }) => key)].flatMap(([key, own]) =>
    own.map((_, index) => ({ key, count: index + 1 })),
  );
}

function countRows(side: string, input: readonly Item[]) {
  return [...groupBy(input, ({ key }) => key)].map(([key, own]) => ({
    uid: `${side}-counts`,
    state: 'counts',
    key,
    value: own.length,
  }));
}

export const JOINED = [union, coProcess, broadcast, busy, sideBySide];
