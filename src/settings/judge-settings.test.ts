import { describe, expect, it } from 'vitest';
import { PRESET_NAMES, type PresetName } from './flink-settings.ts';
import { withOverrides } from './job-overrides.ts';
import { requireConsistent, startWarnings } from './judge-settings.ts';
import { defaultSettings, parseSettings } from './parse-settings.ts';
import { PRESETS, withPreset } from './presets.ts';
import { settingsSummary, settingsTable } from './summary.ts';

const parse = (env: Record<string, string>, dynamic: Record<string, string> = {}) =>
  parseSettings({ env, dynamic, cores: 1 });

describe('presets', () => {
  it.each(PRESET_NAMES)('%s gives its values, and tells where they come from', (preset) => {
    const settings = parse({ TIDEMARK_PRESET: preset });
    expect(settings).toMatchObject(PRESETS[preset]);
    expect(settings.origins.checkpointIntervalMs).toEqual({ kind: 'preset', preset });
    expect(settings.externalizedCheckpointRetention).toBe('RETAIN_ON_CANCELLATION');
    expect(withPreset(defaultSettings(), preset)).toMatchObject(PRESETS[preset]);
  });

  it.each<[PresetName, object]>([
    [
      'development',
      {
        checkpointIntervalMs: 30_000,
        checkpointTimeoutMs: 300_000,
        minPauseBetweenCheckpointsMs: 10_000,
        stateBackend: 'hashmap',
        restartStrategy: 'none',
      },
    ],
    [
      'production',
      {
        checkpointIntervalMs: 60_000,
        checkpointTimeoutMs: 600_000,
        minPauseBetweenCheckpointsMs: 30_000,
        stateBackend: 'rocksdb',
        restartAttempts: 3,
        restartDelayMs: 10_000,
      },
    ],
    [
      'cdc-production',
      {
        checkpointIntervalMs: 120_000,
        checkpointTimeoutMs: 900_000,
        minPauseBetweenCheckpointsMs: 60_000,
        restartAttempts: 5,
        restartDelayMs: 30_000,
      },
    ],
    [
      'operator',
      {
        checkpointIntervalMs: 60_000,
        checkpointTimeoutMs: 120_000,
        minPauseBetweenCheckpointsMs: 30_000,
      },
    ],
  ])('%s is what it was agreed to be', (preset, values) => {
    expect(PRESETS[preset]).toMatchObject(values);
  });

  it('give way to everything that is said', () => {
    const settings = parse(
      { TIDEMARK_PRESET: 'development', FLINK_CHECKPOINT_TIMEOUT_MS: '7' },
      { 'restart-strategy.type': 'failure-rate' },
    );
    expect(settings).toMatchObject({
      checkpointTimeoutMs: 7,
      restartStrategy: 'failure-rate',
      checkpointIntervalMs: 30_000,
    });
  });

  it('can be chosen in code, and changed by -D', () => {
    const outside = parse({ TIDEMARK_PRESET: 'cdc-production' });
    const chosen = withOverrides(outside, { preset: 'operator' });
    expect(chosen).toMatchObject({ preset: 'operator', checkpointTimeoutMs: 120_000 });
    // What the other preset said is gone.
    expect(chosen).toMatchObject({ stateBackend: 'hashmap', restartAttempts: 3 });
    expect(chosen.origins.stateBackend).toEqual({ kind: 'default' });
    const said = parse({}, { 'tidemark.preset': 'development' });
    expect(withOverrides(said, { preset: 'operator' }).preset).toBe('development');
  });
});

describe('values that exclude each other', () => {
  it.each([
    [{ 'heartbeat.interval': '3s' }, 'heartbeat.timeout=`3000`: accepts more than'],
    [{ 'restart-strategy.exponential-delay.initial-backoff': '2 min' }, 'max-backoff=`60000`'],
    [
      {
        'execution.checkpointing.unaligned': 'true',
        'execution.checkpointing.mode': 'AT_LEAST_ONCE',
      },
      'unaligned.enabled=`true`: accepts true only with the mode EXACTLY_ONCE',
    ],
    [
      {
        'execution.checkpointing.unaligned': 'true',
        'execution.checkpointing.max-concurrent-checkpoints': '2',
      },
      'max-concurrent-checkpoints=`2`: accepts 1 with unaligned',
    ],
    [{ 'execution.checkpointing.dir': 'hdfs:///a' }, 'dir=`hdfs:///a`: accepts a host'],
  ])('%j', (dynamic, text) => {
    expect(() => {
      requireConsistent(parse({}, dynamic));
    }).toThrow(
      expect.objectContaining({ code: 'SET-008', message: expect.stringContaining(text) }),
    );
  });

  it('are reported at once, and are no trouble apart', () => {
    const both = {
      'heartbeat.timeout': '400',
      'execution.checkpointing.savepoint-dir': 'hdfs:///s',
    };
    expect(() => {
      requireConsistent(parse({}, both));
    }).toThrow(/count=`2`/);
    requireConsistent(
      parse({ FS_DEFAULT_FS: 'hdfs://nn:8020', FLINK_CHECKPOINT_STORAGE: 'hdfs:///a' }),
    );
    requireConsistent(defaultSettings());
  });
});

describe('warnings at the start', () => {
  const stored = { FLINK_CHECKPOINT_STORAGE: '/mnt/checkpoints' };
  const each = { ...stored, FLINK_MIN_PAUSE_BETWEEN_CHECKPOINTS_MS: '0' };
  const shared = { FLINK_CHECKPOINT_STORAGE: 's3://b/c' };

  it.each<[string, Record<string, string>, RegExp[]]>([
    ['nothing odd', stored, []],
    ['no storage', {}, [/no checkpoint storage is set/]],
    ['no storage, while developing', { TIDEMARK_PRESET: 'development' }, []],
    ['checkpoints off', { FLINK_CHECKPOINT_INTERVAL_MS: '0' }, [/checkpoints are off/]],
    [
      'a short timeout',
      { ...stored, FLINK_CHECKPOINT_TIMEOUT_MS: '60000' },
      [/timeout is 60000 ms/],
    ],
    ['a timeout that will do', { ...stored, FLINK_CHECKPOINT_TIMEOUT_MS: '60001' }, []],
    [
      'full snapshots each second',
      { ...each, FLINK_CHECKPOINT_INTERVAL_MS: '1000', FLINK_INCREMENTAL_CHECKPOINTS: 'false' },
      [/interval is 1000 ms with full snapshots/],
    ],
    ['changes each second', { ...each, FLINK_CHECKPOINT_INTERVAL_MS: '1000' }, []],
    [
      'an interval that the pause of the preset does not let come true',
      { ...stored, FLINK_CHECKPOINT_INTERVAL_MS: '2000' },
      [/interval is 2000 ms.*each 30000 ms.*min-pause/],
    ],
    [
      'production on a local disk',
      { ...stored, TIDEMARK_PRESET: 'production' },
      [/mnt.*lost with this machine/],
    ],
    [
      'production without storage',
      { TIDEMARK_PRESET: 'operator' },
      [/the data folder, which is lost/],
    ],
    ['production on S3', { ...shared, TIDEMARK_PRESET: 'cdc-production' }, []],
    [
      'production without restarts',
      { ...shared, TIDEMARK_PRESET: 'production', FLINK_RESTART_STRATEGY: 'none' },
      [/first failure ends the job/],
    ],
  ])('%s', (_what, env, expected) => {
    const warnings = startWarnings(parse(env));
    expect(warnings).toHaveLength(expected.length);
    expected.forEach((pattern, at) => expect(warnings[at]).toMatch(pattern));
  });
});

describe('the summary', () => {
  const settings = withOverrides(
    parse(
      {
        FLINK_RESTART_ATTEMPTS: '5',
        AWS_SECRET_ACCESS_KEY: 'hunter2',
        TIDEMARK_PRESET: 'operator',
      },
      { 'state.backend': 'rocksdb' },
    ),
    { parallelism: 3 },
  );

  it('has every setting, with value and origin', () => {
    const rows = new Map(settingsSummary(settings).map((row) => [row.name, row]));
    expect(rows.get('restartAttempts')).toMatchObject({
      value: 5,
      from: 'environment: FLINK_RESTART_ATTEMPTS',
    });
    expect(rows.get('stateBackend')).toMatchObject({ value: 'rocksdb', from: '-D state.backend' });
    expect(rows.get('parallelism')).toMatchObject({ value: 3, from: "the job's code" });
    expect(rows.get('checkpointTimeoutMs')).toMatchObject({ from: 'preset operator' });
    expect(rows.get('checkpointStorage')).toMatchObject({ value: null, from: 'default' });
  });

  it('shows no secret', () => {
    const table = settingsTable(settings);
    expect(table).toMatch(/^s3\.secret-key +\*\*\* +environment: AWS_SECRET_ACCESS_KEY$/m);
    expect(table + JSON.stringify(settingsSummary(settings))).not.toContain('hunter2');
  });
});
