/*
 * Goal: each step sets its own settings and no others, and the steps together set everything that
 * setupCheckpointAndRecovery sets.
 * Method: every setting of the wanted settings differs from the environment's; each call is asked what it
 * changed.
 * Replay: npm run test:unit -- setup
 */
import { describe, expect, it } from 'vitest';
import {
  CHECKPOINT_SETTINGS,
  RECOVERY_SETTINGS,
  SETTING_NAMES,
  STORAGE_SETTINGS,
  type FlinkSettings,
  type SettingName,
} from '../settings/flink-settings.ts';
import { defaultSettings } from '../settings/parse-settings.ts';
import { CheckpointConfig, CheckpointSettings, settings } from '../config.ts';
import { RecoveryConfig } from './recovery-config.ts';
import {
  setupCheckpointAndRecovery,
  setupCheckpointAndState,
  setupRecoveryStrategy,
} from './setup.ts';
import { StreamExecutionEnvironment } from './stream-execution-environment.ts';

const wanted: FlinkSettings = {
  ...defaultSettings(),
  checkpointIntervalMs: 1,
  checkpointTimeoutMs: 2,
  minPauseBetweenCheckpointsMs: 3,
  maxConcurrentCheckpoints: 4,
  checkpointMode: 'AT_LEAST_ONCE',
  unalignedCheckpoints: true,
  alignedCheckpointTimeoutMs: 5,
  tolerableFailedCheckpoints: 6,
  checkpointStorage: 's3://a/b',
  savepointDirectory: 's3://a/c',
  externalizedCheckpointRetention: 'DELETE_ON_CANCELLATION',
  retainedCheckpoints: 7,
  stateBackend: 'rocksdb',
  incrementalCheckpoints: true,
  restartStrategy: 'exponential-delay',
  restartAttempts: 8,
  restartDelayMs: 9,
  restartFirstAttemptImmediate: false,
  failureRateMaxFailures: 10,
  failureRateIntervalMs: 11,
  failureRateDelayMs: 12,
  exponentialDelayInitialBackoffMs: 13,
  exponentialDelayMaxBackoffMs: 14,
  exponentialDelayMultiplier: 15,
  exponentialDelayResetThresholdMs: 16,
  exponentialDelayJitter: 0.17,
  exponentialDelayAttempts: 18,
  failoverStrategy: 'full',
  s3Endpoint: 'http://minio:9000',
  s3AccessKey: 'key',
  s3SecretKey: 'secret',
  s3SessionToken: 'token',
  s3Region: 'eu-west-1',
  s3PathStyleAccess: true,
  s3SslEnabled: false,
  s3CredentialsProvider: 'anonymous',
  s3CaFile: '/etc/ca.pem',
  s3ConnectTimeoutMs: 1_234,
  s3RequestTimeoutMs: 12_345,
  s3RetryTimeoutMs: 123_456,
  s3ConnectionsMax: 7,
  s3PartSizeBytes: 6 * 1024 * 1024,
  s3PartsMax: 3,
  fileAnswerTimeoutMs: 234_567,
  hdfsDefaultFs: 'hdfs://nn',
  webHdfsAddresses: 'nn:8020=nn:9870',
};

/** What a call changes, by name; each to what was wanted. */
function changedBy(act: (env: StreamExecutionEnvironment) => void): SettingName[] {
  const env = new StreamExecutionEnvironment('steps', defaultSettings());
  act(env);
  const changed = SETTING_NAMES.filter(
    (name) => env.getConfiguration().origins[name].kind === 'job',
  );
  for (const name of changed) expect(env.setting(name)).toBe(wanted[name]);
  return changed.sort();
}

const sorted = (names: readonly SettingName[]) => [...names].sort();
const checkpoints = new CheckpointSettings(wanted);
const recovery = new RecoveryConfig(wanted);
const STATE = [
  'stateBackend',
  'incrementalCheckpoints',
  'checkpointStorage',
  'savepointDirectory',
] as const;
const FAILED = 'tolerableFailedCheckpoints';

describe('a step', () => {
  it('of the state backend', () => {
    expect(changedBy((env) => checkpoints.configureStateBackend(env))).toEqual(sorted(STATE));
  });

  it('of checkpoints', () => {
    const others: readonly SettingName[] = [...STATE, FAILED];
    expect(changedBy((env) => checkpoints.configureCheckpoint(env))).toEqual(
      sorted(CHECKPOINT_SETTINGS.filter((name) => !others.includes(name))),
    );
  });

  it('of S3', () => {
    expect(changedBy((env) => checkpoints.configureS3ForCheckpoints(env))).toEqual(
      sorted([...STORAGE_SETTINGS, 'checkpointStorage', 'savepointDirectory']),
    );
  });

  it('of restarts', () => {
    expect(changedBy((env) => recovery.configureRestartStrategy(env))).toEqual(
      sorted(RECOVERY_SETTINGS.filter((name) => name !== 'failoverStrategy')),
    );
  });

  it('of failover and of failed checkpoints', () => {
    expect(changedBy((env) => recovery.configureFailoverStrategy(env))).toEqual([
      'failoverStrategy',
    ]);
    expect(changedBy((env) => recovery.configureCheckpointFailureHandling(env))).toEqual([FAILED]);
  });
});

describe('all steps', () => {
  const ofCheckpoints = CHECKPOINT_SETTINGS.filter((name) => name !== FAILED);

  it('of checkpoints and state', () => {
    expect(
      changedBy((env) => {
        setupCheckpointAndState(env, wanted);
      }),
    ).toEqual(sorted([...ofCheckpoints, ...STORAGE_SETTINGS]));
  });

  it('of recovery', () => {
    expect(
      changedBy((env) => {
        setupRecoveryStrategy(env, wanted);
      }),
    ).toEqual(sorted([...RECOVERY_SETTINGS, FAILED]));
  });

  it('together', () => {
    expect(
      changedBy((env) => {
        setupCheckpointAndRecovery(env, wanted);
      }),
    ).toEqual(sorted([...CHECKPOINT_SETTINGS, ...STORAGE_SETTINGS, ...RECOVERY_SETTINGS]));
  });
});

it('checkpoints are kept by the step alone, and by defaults alone', () => {
  const env = new StreamExecutionEnvironment('kept', defaultSettings());
  new CheckpointSettings(defaultSettings()).configureCheckpoint(env);
  expect(env.setting('externalizedCheckpointRetention')).toBe('RETAIN_ON_CANCELLATION');
});

it('tidemark/config has the names of a configuration module', () => {
  expect(CheckpointConfig).toBe(CheckpointSettings);
  expect(settings.flink.parallelism).toBeGreaterThan(0);
});

it('refuses what text could not have given', () => {
  const env = new StreamExecutionEnvironment('bad', defaultSettings());
  const bad = { ...wanted, restartAttempts: -1 };
  expect(() => new RecoveryConfig(bad).configureRestartStrategy(env)).toThrow(/SET-001/);
});
