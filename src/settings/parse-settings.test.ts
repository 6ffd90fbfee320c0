import { describe, expect, expectTypeOf, it } from 'vitest';
import type { RestartStrategy } from '../cluster/restart-strategy.ts';
import { FLINK_SETTINGS, SETTING_NAMES, type FlinkSettings } from './flink-settings.ts';
import { requireSetting, withOverrides } from './job-overrides.ts';
import { defaultSettings, dynamicProperties, parseSettings } from './parse-settings.ts';
import { restartStrategyOf } from './restart-strategy.ts';

const parse = (env: Record<string, string>, dynamic: Record<string, string> = {}) =>
  parseSettings({ env, dynamic, cores: 8 });

describe('the table', () => {
  it('names each variable and each key once', () => {
    const names = SETTING_NAMES.map((name) => FLINK_SETTINGS[name]);
    const keys = names.flatMap(({ key, oldKeys }) => [key, ...(oldKeys ?? [])]);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(names.map(({ env }) => env)).size).toBe(names.length);
  });

  it.each(SETTING_NAMES)('takes its own default for %s', (name) => {
    expect(() => requireSetting(name, FLINK_SETTINGS[name].default)).not.toThrow();
  });

  it('gives each setting its type', () => {
    expectTypeOf<FlinkSettings['parallelism']>().toEqualTypeOf<number>();
    expectTypeOf<FlinkSettings['checkpointMode']>().toEqualTypeOf<
      'EXACTLY_ONCE' | 'AT_LEAST_ONCE'
    >();
    expectTypeOf<FlinkSettings['checkpointStorage']>().toEqualTypeOf<string | undefined>();
  });
});

describe('layers', () => {
  it('starts with the defaults, and a subtask for each core', () => {
    const settings = parse({});
    expect(settings).toMatchObject({
      parallelism: 8,
      maxParallelism: 1024,
      checkpointIntervalMs: 60_000,
      minPauseBetweenCheckpointsMs: 30_000,
      tolerableFailedCheckpoints: 3,
      externalizedCheckpointRetention: 'NO_EXTERNALIZED_CHECKPOINTS',
      warnings: [],
    });
    expect(settings.origins.parallelism).toEqual({ kind: 'default' });
  });

  it('takes variables over defaults; empty ones count as unset', () => {
    const settings = parse({ FLINK_PARALLELISM: '3', FLINK_CHECKPOINT_TIMEOUT_MS: '' });
    expect(settings.parallelism).toBe(3);
    expect(settings.checkpointTimeoutMs).toBe(600_000);
    expect(settings.origins.parallelism).toEqual({
      kind: 'environment',
      variable: 'FLINK_PARALLELISM',
    });
  });

  it('takes the job over variables, and -D over the job', () => {
    const base = parse(
      { FLINK_PARALLELISM: '3', FLINK_CHECKPOINT_INTERVAL_MS: '1000' },
      { 'execution.checkpointing.interval': '10 min' },
    );
    const settings = withOverrides(base, { parallelism: 5, checkpointIntervalMs: 7 });
    expect(settings.parallelism).toBe(5);
    expect(settings.origins.parallelism).toEqual({ kind: 'job' });
    expect(settings.checkpointIntervalMs).toBe(600_000);
    expect(settings.origins.checkpointIntervalMs.kind).toBe('dynamic');
  });

  it.each([
    ['60s', 60_000],
    ['10 min', 600_000],
    ['500', 500],
    ['250 ms', 250],
    ['1h', 3_600_000],
    ['2 days', 172_800_000],
    ['5 MIN', 300_000],
  ])('reads the duration %s', (text, ms) => {
    expect(parse({}, { 'execution.checkpointing.timeout': text }).checkpointTimeoutMs).toBe(ms);
  });

  it("reads Flink's other spellings of a word", () => {
    expect(parse({}, { 'restart-strategy.type': 'FixedDelay' }).restartStrategy).toBe(
      'fixed-delay',
    );
    expect(parse({}, { 'restart-strategy.type': 'off' }).restartStrategy).toBe('none');
  });

  it.each(['fixed-delay', 'failure-rate', 'exponential-delay', 'none'] as const)(
    'describes the restart strategy %s for the JobManager',
    (restartStrategy) => {
      const strategy: RestartStrategy = restartStrategyOf({
        ...defaultSettings(),
        restartStrategy,
      });
      expect(strategy.kind).toBe(restartStrategy);
    },
  );
});

describe('the processes of tasks', () => {
  it('have defaults of their own', () => {
    expect(parse({})).toMatchObject({
      taskSlots: undefined,
      redundantTaskManagers: 1,
      heartbeatIntervalMs: 500,
      heartbeatTimeoutMs: 3000,
      failoverStrategy: 'region',
    });
  });

  it("take Flink's keys", () => {
    const dynamic = {
      'taskmanager.numberOfTaskSlots': '2',
      'slotmanager.redundant-taskmanager-num': '0',
      'heartbeat.interval': '10 s',
      'heartbeat.timeout': '50000',
      'jobmanager.execution.failover-strategy': 'full',
    };
    expect(parse({}, dynamic)).toMatchObject({
      taskSlots: 2,
      redundantTaskManagers: 0,
      heartbeatIntervalMs: 10_000,
      heartbeatTimeoutMs: 50_000,
      failoverStrategy: 'full',
      warnings: [],
    });
  });
});

describe('what is odd', () => {
  it('takes a key of Flink 1.x and says what replaced it', () => {
    const settings = parse({}, { 'state.checkpoints.dir': 's3://b/c' });
    expect(settings.checkpointStorage).toBe('s3://b/c');
    expect(settings.warnings).toEqual([
      'state.checkpoints.dir is now execution.checkpointing.dir; the old key still works',
    ]);
  });

  it('prefers the key of today, whatever the order', () => {
    const dynamic = { 'state.backend.type': 'rocksdb', 'state.backend': 'hashmap' };
    expect(parse({}, dynamic).stateBackend).toBe('rocksdb');
  });

  it('warns of an unknown key with the nearest known one', () => {
    expect(parse({}, { 'execution.checkpointing.intervall': '1s' }).warnings).toEqual([
      'execution.checkpointing.intervall is not known and has no effect; the nearest known key is execution.checkpointing.interval',
    ]);
    expect(parse({}, { 'my.own.thing': '1' }).warnings).toEqual([
      'my.own.thing is not known and has no effect',
    ]);
  });

  it('does not look for what a very long key means', () => {
    const long = 'execution.checkpointing.'.repeat(50_000);
    expect(parse({}, { [long]: '1' }).warnings).toEqual([`${long} is not known and has no effect`]);
  });

  it('warns of a variable that looks like a slip, and of no other', () => {
    expect(parse({ FLINK_PARALELISM: '2', FLINK_HOME: '/opt/flink', PATH: '' }).warnings).toEqual([
      'FLINK_PARALELISM is not known and has no effect; the nearest known variable is FLINK_PARALLELISM',
    ]);
  });

  it('reports every bad value at once', () => {
    const env = { FLINK_PARALLELISM: 'many', FLINK_CHECKPOINT_MODE: 'TWICE' };
    expect(() => parse(env, { 'execution.checkpointing.timeout': '10 years' }))
      .toThrowErrorMatchingInlineSnapshot(`
      [EngineError: SET-001: settings have bad values, count=\`3\`
        Correct these:
          FLINK_PARALLELISM=\`many\`: accepts a whole number from 1 to 32768
          FLINK_CHECKPOINT_MODE=\`TWICE\`: accepts EXACTLY_ONCE, AT_LEAST_ONCE
          execution.checkpointing.timeout=\`10 years\`: accepts milliseconds of at least 1, or a duration such as 60s or 10 min
        docs/errors/SET-001.md]
    `);
  });

  it.each([
    ['FLINK_PARALLELISM', '0'],
    ['FLINK_PARALLELISM', '32769'],
    ['FLINK_PARALLELISM', '1.5'],
    ['FLINK_CHECKPOINT_INTERVAL_MS', '-1'],
    ['FLINK_CHECKPOINT_TIMEOUT_MS', '0'],
    ['FLINK_CHECKPOINT_STORAGE', 'ftp://x/y'],
    ['FLINK_UNALIGNED_CHECKPOINTS', 'yes'],
    ['FLINK_EXPONENTIAL_DELAY_JITTER', '1.1'],
    ['FLINK_TASKMANAGER_NUMBER_OF_TASK_SLOTS', '0'],
    ['FLINK_REDUNDANT_TASKMANAGERS', '-1'],
    ['FLINK_HEARTBEAT_INTERVAL_MS', '9'],
    ['FLINK_HEARTBEAT_TIMEOUT_MS', '50 sheep'],
  ])('refuses %s=%s', (variable, text) => {
    expect(() => parse({ [variable]: text })).toThrow(
      expect.objectContaining({ code: 'SET-001', kind: 'invalid' }),
    );
  });

  it('refuses a -D without a key', () => {
    expect(dynamicProperties(['a.b=c=d', 'e = f'])).toEqual({ 'a.b': 'c=d', e: 'f' });
    expect(() => dynamicProperties(['parallelism.default'])).toThrow(/SET-002/);
  });
});
