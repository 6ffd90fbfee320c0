import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defaultSettings, parseSettings } from '../settings/parse-settings.ts';
import { FileSystemCheckpointStorage } from './checkpoint-config.ts';
import { hours, minutes } from './durations.ts';
import { defineJob, isJobDefinition } from './job-definition.ts';
import { count } from './number-windows.ts';
import { outputTag } from './output-tag.ts';
import { setupCheckpointAndRecovery } from './setup.ts';
import { aggregatingState, listState, mapState, valueState } from './state-descriptors.ts';
import { StreamExecutionEnvironment } from './stream-execution-environment.ts';
import { countTrigger, customTrigger } from './triggers.ts';
import { boundedOutOfOrderness } from './watermarks.ts';
import { aggregate } from './window-functions.ts';
import { session, sliding, tumbling } from './windows.ts';

/* What the types refuse as well is called here as plain JavaScript calls it: through `loose`. */

const environment = () => new StreamExecutionEnvironment('refusals', defaultSettings());
const numbers = (env = environment()) => env.fromElements('numbers', [1, 2, 3]);
const keyed = (env = environment()) => numbers(env).keyBy((n) => n % 2);

type Loose = (...args: readonly unknown[]) => Loose & Record<string, Loose>;
const loose = (value: object) => value as unknown as Record<string, Loose>;

const total = valueState('total', z.number());
const noMerge = aggregate({
  accumulator: z.number(),
  createAccumulator: () => 0,
  add: (sum, value: number) => sum + value,
  getResult: (sum) => sum,
});

const cases: readonly (readonly [string, string, () => unknown])[] = [
  ['API-001', 'a missing uid', () => loose(numbers())['map']?.((n: number) => n)],
  ['API-001', 'an empty uid', () => numbers().map('', (n) => n)],
  ['API-001', 'a uid with a slash', () => numbers().map('a/b', (n) => n)],
  ['API-001', 'a uid with a space', () => numbers().filter('a b', () => true)],
  ['API-001', 'a long uid', () => numbers().filter('x'.repeat(101), () => true)],
  ['API-002', 'a uid that is taken', () => numbers().map('numbers', (n) => n)],
  ['API-003', 'a union of two environments', () => numbers().union(numbers())],
  ['API-003', 'a connection of two environments', () => numbers().connect(numbers())],
  ['API-003', 'a keyed connection of two environments', () => keyed().connect(keyed())],
  [
    'API-003',
    'a broadcast stream of another environment',
    () =>
      numbers()
        .connect(numbers().broadcast({ m: mapState('m', z.string(), z.string()) }))
        .process('p', {
          processElement: () => undefined,
          processBroadcastElement: () => undefined,
        }),
  ],
  ['API-004', 'an async flatMap', () => loose(numbers())['flatMap']?.('f', async () => 1)],
  [
    'API-004',
    'a generator as flatMap',
    () =>
      loose(numbers())['flatMap']?.('f', function* () {
        yield 1;
      }),
  ],
  ['API-004', 'an async key selector', () => loose(numbers())['keyBy']?.(async () => 1)],
  [
    'API-004',
    'an async onTimer',
    () =>
      loose(keyed())['process']?.(
        'p',
        {},
        {
          processElement: () => undefined,
          onTimer: async () => undefined,
        },
      ),
  ],
  ['API-005', 'no function', () => loose(numbers())['map']?.('m')],
  ['API-016', 'no process function', () => loose(keyed())['process']?.('p', {})],
  ['API-005', 'an object without processElement', () => loose(keyed())['process']?.('p', {}, {})],
  [
    'API-016',
    'one function for two inputs',
    () => {
      const stream = numbers();
      return loose(stream.connect(stream.map('x', (n) => n)))['process']?.('p', () => 1);
    },
  ],
  ['API-005', 'no sink', () => loose(numbers())['sinkTo']?.('s', undefined)],
  ['API-005', 'no source', () => loose(environment())['fromSource']?.('s', {})],
  ['API-006', 'a state without a name', () => valueState('', z.number())],
  [
    'API-019',
    'two states with one name',
    () => keyed().process('p', { a: total, b: listState('total', z.number()) }, () => undefined),
  ],
  [
    'API-018',
    'a schema as state',
    () => loose(keyed())['process']?.('p', { a: z.number() }, () => 1),
  ],
  ['API-017', 'no states', () => loose(keyed())['process']?.('p', undefined, () => 1)],
  ['API-007', 'state without a key', () => loose(numbers())['process']?.('p', { total }, () => 1)],
  ['API-008', 'a session without merge', () => keyed().window('w', session(minutes(1)), noMerge)],
  [
    'API-008',
    'a session with a trigger without onMerge',
    () =>
      keyed().window('w', session(minutes(1)), count(), {
        trigger: customTrigger({ onElement: () => 'fire' }),
      }),
  ],
  ['API-009', 'a window of nothing', () => tumbling(0)],
  ['API-009', 'a window of half a millisecond', () => tumbling(0.5)],
  ['API-009', 'an offset as long as the window', () => tumbling(hours(1), { offsetMs: hours(1) })],
  ['API-009', 'an offset as long as the slide', () => sliding(10, 5, { offsetMs: -5 })],
  ['API-009', 'a slide of nothing', () => sliding(hours(1), 0)],
  ['API-009', 'a gap that is no number', () => session(Number.NaN)],
  ['API-009', 'a count of nothing', () => countTrigger(0)],
  ['API-009', 'a ttl of nothing', () => valueState('v', z.number(), { ttlMs: 0 })],
  ['API-009', 'a negative lag', () => boundedOutOfOrderness((n: number) => n, -1)],
  [
    'API-009',
    'negative lateness',
    () => keyed().window('w', tumbling(1), count(), { allowedLatenessMs: -1 }),
  ],
  [
    'API-009',
    'a capacity of nothing',
    () => numbers().asyncMap('a', z.number(), async (n) => n, { capacity: 0 }),
  ],
  ['API-010', 'a parallelism of nothing', () => numbers().setParallelism(0)],
  ['API-010', 'more subtasks than key groups', () => numbers().setParallelism(1025)],
  ['API-020', 'the parallelism of a union', () => numbers().rebalance().setParallelism(2)],
  ['API-011', 'reduce without a schema', () => keyed().reduce('r', (a, b) => a + b)],
  ['API-012', 'a tag without an id', () => outputTag('')],
  [
    'API-021',
    'a side output of a side output',
    () => numbers().sideOutput(outputTag('a')).sideOutput(outputTag('b')),
  ],
  [
    'API-013',
    'a union with itself',
    () => {
      const stream = numbers();
      return stream.union(stream);
    },
  ],
  [
    'API-022',
    'a job without operators',
    () => defineJob('j', () => undefined).build(undefined, defaultSettings()),
  ],
  ['API-014', 'a job without a name', () => defineJob('', () => undefined)],
  [
    'API-023',
    'a job function that returns a promise',
    () =>
      loose({ defineJob })
        ['defineJob']?.('j', (env: StreamExecutionEnvironment) => {
          numbers(env);
          return Promise.resolve();
        })
        ['build']?.(undefined, defaultSettings()),
  ],
  [
    'API-004',
    'an async job function',
    () => loose({ defineJob })['defineJob']?.('j', async () => 1),
  ],
  ['SET-001', 'an interval that is no time', () => environment().enableCheckpointing(-1)],
  [
    'SET-001',
    'a mode that is not there',
    () => loose(environment().getCheckpointConfig())['setCheckpointingMode']?.('TWICE'),
  ],
];

it.each(cases)('%s: %s', (code, _what, run) => {
  expect(run).toThrow(expect.objectContaining({ code, kind: 'invalid' }));
});

it('every code of the API stands among the cases, here, or in program.test.ts', () => {
  const codes = new Set(cases.map(([code]) => code).filter((code) => code.startsWith('API')));
  expect(codes.size).toBe(22);
  let escaped: StreamExecutionEnvironment | undefined;
  const job = defineJob('leaky', (env) => {
    escaped = env;
    numbers(env);
  });
  job.build(undefined, defaultSettings());
  expect(() => escaped?.fromSequence('late', 1, 2)).toThrow(/API-015/);
  expect(() => escaped?.setParallelism(2)).toThrow(/API-015/);
});

describe('a job', () => {
  it('is the same graph each time it is built', () => {
    const job = defineJob('twice', (env) => {
      numbers(env)
        .map('double', (n) => n * 2)
        .setParallelism(2);
    });
    expect(isJobDefinition(job)).toBe(true);
    const uids = () =>
      job.build(undefined, defaultSettings()).graph.nodes.map((n) => [n.uid, n.parallelism]);
    expect(uids()).toEqual([
      ['numbers', 1],
      ['double', 2],
    ]);
    expect(uids()).toEqual(uids());
  });

  it("sets what Flink's own calls set, below -D", () => {
    const job = defineJob('settings', (env) => {
      numbers(env);
      env.enableCheckpointing(300_000, 'AT_LEAST_ONCE').setParallelism(3);
      env
        .getCheckpointConfig()
        .setCheckpointTimeout(minutes(10))
        .setMinPauseBetweenCheckpoints(500)
        .setMaxConcurrentCheckpoints(2)
        .setCheckpointStorage(new FileSystemCheckpointStorage('s3://bucket/checkpoints'));
      expect(env.getCheckpointConfig().getCheckpointInterval()).toBe(300_000);
      expect(env.getParallelism()).toBe(7);
    });
    const flink = parseSettings({ env: {}, dynamic: { 'parallelism.default': '7' }, cores: 1 });
    const { config } = job.build(undefined, flink);
    expect(config).toMatchObject({
      parallelism: 7,
      checkpointIntervalMs: 300_000,
      checkpointMode: 'AT_LEAST_ONCE',
      checkpointTimeoutMs: 600_000,
      minPauseBetweenCheckpointsMs: 500,
      maxConcurrentCheckpoints: 2,
      checkpointStorage: 's3://bucket/checkpoints',
      externalizedCheckpointRetention: 'NO_EXTERNALIZED_CHECKPOINTS',
    });
    expect(config.origins.checkpointIntervalMs).toEqual({ kind: 'job' });
    expect(config.origins.parallelism.kind).toBe('dynamic');
  });

  it('keeps its checkpoints with setupCheckpointAndRecovery, unless told otherwise', () => {
    const job = defineJob('retention', (env, { flink }) => {
      numbers(env);
      setupCheckpointAndRecovery(env, { ...flink, restartAttempts: 9 });
    });
    const { config } = job.build(undefined, defaultSettings());
    expect(config.externalizedCheckpointRetention).toBe('RETAIN_ON_CANCELLATION');
    expect(config.restartAttempts).toBe(9);
    expect(config.origins.restartAttempts.kind).toBe('job');
    expect(config.origins.restartDelayMs.kind).toBe('default');
    const said = parseSettings({
      env: { FLINK_EXTERNALIZED_CHECKPOINT_RETENTION: 'NO_EXTERNALIZED_CHECKPOINTS' },
      cores: 1,
    });
    expect(job.build(undefined, said).config.externalizedCheckpointRetention).toBe(
      'NO_EXTERNALIZED_CHECKPOINTS',
    );
  });
});

describe('functions', () => {
  it('keep their object: aggregates may be classes', () => {
    class Sum {
      readonly start = 5;
      readonly accumulator = z.number();
      createAccumulator() {
        return this.start;
      }
      add(sum: number, value: number) {
        return sum + value;
      }
      getResult(sum: number) {
        return sum;
      }
      merge(a: number, b: number) {
        return a + b - this.start;
      }
    }
    const state = aggregatingState('sum', new Sum());
    expect(state.add(state.createAccumulator(), 2)).toBe(7);
    expect(state.merge?.(6, 7)).toBe(8);
  });

  it('are made anew for each subtask from a class', () => {
    const env = environment();
    class Counting {
      #seen = 0;
      processElement(): undefined {
        this.#seen += 1;
      }
      seen() {
        return this.#seen;
      }
    }
    numbers(env).process('from-class', Counting);
    const { graph } = env.seal();
    const spec = graph.nodes.at(-1)?.spec;
    if (spec?.kind !== 'process') expect.fail('a process operator');
    expect(spec.newProcess?.()).toBeInstanceOf(Counting);
    expect(spec.newProcess?.()).not.toBe(spec.newProcess?.());
  });
});
