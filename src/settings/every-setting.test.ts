/*
 * Goal: each setting takes a good value and refuses a bad one, by each of its variables and keys, and each
 * layer wins over the one below it.
 * Method: a table that is complete by type; every way to say a value is tried for every row.
 * Replay: npm run test:unit -- every-setting
 */
import { describe, expect, it } from 'vitest';
import type { ConfigFile } from './config-file.ts';
import { FLINK_SETTINGS, SETTING_NAMES, type Setting, type SettingName } from './flink-settings.ts';
import { withOverrides } from './job-overrides.ts';
import { parseSettings } from './parse-settings.ts';

interface Row {
  readonly good: string;
  readonly value: unknown;
  /** Another good one, for the layer above. */
  readonly other: string;
  readonly bad: string;
}

const duration = { good: '70s', value: 70_000, other: '80 s', bad: '1.5h' };
const count = { good: '4', value: 4, other: '5', bad: 'four' };
const flag = (value: boolean) => ({
  good: value ? 'TRUE' : 'false',
  value,
  other: String(!value),
  bad: 'yes',
});
const place = { good: 'file:///a', value: 'file:///a', other: 's3a://b/c', bad: 'ftp://a' };
const secret = { good: 'abc', value: 'abc', other: 'def', bad: ' ' };

const ROWS: Readonly<Record<SettingName, Row>> = {
  parallelism: count,
  maxParallelism: { ...count, bad: '32769' },
  autoWatermarkIntervalMs: duration,
  taskStuckTimeoutMs: { ...duration, bad: '99' },
  preset: { good: 'operator', value: 'operator', other: 'development', bad: 'prod' },
  taskSlots: { ...count, bad: '0' },
  redundantTaskManagers: { ...count, bad: '1001' },
  heartbeatIntervalMs: { good: '200ms', value: 200, other: '300', bad: '5' },
  heartbeatTimeoutMs: { ...duration, bad: '50' },
  highAvailabilityType: { good: 'lease', value: 'LEASE', other: 'NONE', bad: 'zookeeper' },
  highAvailabilityStorage: place,
  highAvailabilityClusterId: { good: '/blue', value: '/blue', other: 'green', bad: 'a/b' },
  leaseDurationMs: { ...duration, bad: '99' },
  leaseRenewDeadlineMs: { ...duration, bad: '49' },
  leaseRenewIntervalMs: { ...duration, bad: '9' },
  warmJobs: { ...count, bad: '-1' },
  jobStoreCapacity: { ...count, bad: '10001' },
  jobStoreExpirationSeconds: { ...count, bad: '0' },
  retentionSavepointsKept: { ...count, bad: '0' },
  retentionPreDeployMs: { ...duration, bad: 'soon' },
  retentionMonthlyMs: { ...duration, bad: 'soon' },
  retentionCheckpointsKept: { ...count, bad: '-1' },
  retentionCheckpointAgeMs: { ...duration, bad: 'soon' },
  checkpointIntervalMs: { ...duration, bad: '-1' },
  checkpointTimeoutMs: { ...duration, bad: '0' },
  minPauseBetweenCheckpointsMs: { ...duration, bad: 'soon' },
  maxConcurrentCheckpoints: { ...count, bad: '0' },
  checkpointMode: {
    good: 'at_least_once',
    value: 'AT_LEAST_ONCE',
    other: 'EXACTLY_ONCE',
    bad: 'AT_MOST_ONCE',
  },
  unalignedCheckpoints: flag(true),
  alignedCheckpointTimeoutMs: duration,
  tolerableFailedCheckpoints: { ...count, bad: '-1' },
  checkpointStorage: place,
  savepointDirectory: place,
  externalizedCheckpointRetention: {
    good: 'DELETE_ON_CANCELLATION',
    value: 'DELETE_ON_CANCELLATION',
    other: 'RETAIN_ON_CANCELLATION',
    bad: 'RETAIN',
  },
  retainedCheckpoints: { ...count, bad: '0' },
  stateBackend: { good: 'RocksDB', value: 'rocksdb', other: 'hashmap', bad: 'forst' },
  incrementalCheckpoints: flag(true),
  restartStrategy: {
    good: 'failure-rate',
    value: 'failure-rate',
    other: 'exponential-delay',
    bad: 'always',
  },
  restartAttempts: { ...count, bad: '-1' },
  restartDelayMs: duration,
  restartFirstAttemptImmediate: flag(false),
  failureRateMaxFailures: { ...count, bad: '0' },
  failureRateIntervalMs: { ...duration, bad: '0' },
  failureRateDelayMs: duration,
  exponentialDelayInitialBackoffMs: { good: '2s', value: 2000, other: '3 s', bad: '0' },
  exponentialDelayMaxBackoffMs: { ...duration, bad: '0' },
  exponentialDelayMultiplier: { good: '2.5', value: 2.5, other: '3', bad: '0.9' },
  exponentialDelayResetThresholdMs: { ...duration, bad: '0' },
  exponentialDelayJitter: { good: '0.5', value: 0.5, other: '0.25', bad: '1.1' },
  exponentialDelayAttempts: { ...count, bad: '0' },
  failoverStrategy: { good: 'Full', value: 'full', other: 'region', bad: 'zone' },
  s3Endpoint: {
    good: 'http://localhost:9000',
    value: 'http://localhost:9000',
    other: 'minio:9000/s3',
    bad: 'ftp://minio',
  },
  s3AccessKey: secret,
  s3SecretKey: secret,
  s3SessionToken: secret,
  s3Region: { good: 'eu-west-1', value: 'eu-west-1', other: 'us-east-1', bad: 'the moon' },
  s3PathStyleAccess: flag(true),
  s3SslEnabled: flag(false),
  s3CredentialsProvider: {
    good: 'org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider',
    value: 'anonymous',
    other: 'chain',
    bad: 'com.example.MyProvider',
  },
  s3CaFile: { good: '/etc/ca.pem', value: '/etc/ca.pem', other: 'ca.pem', bad: ' ' },
  s3ConnectTimeoutMs: { ...duration, bad: '0' },
  s3RequestTimeoutMs: { ...duration, bad: '0' },
  s3RetryTimeoutMs: duration,
  s3ConnectionsMax: { ...count, bad: '0' },
  s3PartSizeBytes: { good: '64M', value: 64 * 2 ** 20, other: '5242880', bad: '4 mb' },
  s3PartsMax: { ...count, bad: '0' },
  fileAnswerTimeoutMs: { ...duration, bad: '0' },
  hdfsDefaultFs: {
    good: 'hdfs://namenode:8020',
    value: 'hdfs://namenode:8020',
    other: 'hdfs://other',
    bad: 'namenode:8020',
  },
  webHdfsAddresses: {
    good: 'namenode:8020=namenode:9870, b=b:9870',
    value: 'namenode:8020=namenode:9870,b=b:9870',
    other: 'c=c:1',
    bad: 'namenode:9870',
  },
  restAddress: { good: 'host', value: 'host', other: '10.0.0.1', bad: 'a b' },
  restBindAddress: { good: '0.0.0.0', value: '0.0.0.0', other: '::1', bad: 'http://a' },
  restPort: { good: '8081-8099', value: '8081-8099', other: '9090', bad: '65536' },
  restMaxContentBytes: { good: '4096', value: 4096, other: '5000', bad: '12' },
  restToken: {
    good: '0123456789abcdef',
    value: '0123456789abcdef',
    other: 'fedcba9876543210',
    bad: 'short',
  },
  restTlsCertificate: secret,
  restTlsKey: secret,
  restSslEnabled: flag(true),
  restSslKeystore: secret,
  restSslKeystorePassword: secret,
  webSubmitEnabled: flag(true),
};

const rowOf = (name: SettingName) => FLINK_SETTINGS[name] as Setting<unknown>;
const everyVariable = SETTING_NAMES.flatMap((name) => {
  const { env, otherEnvs = [] } = rowOf(name);
  return [env, ...otherEnvs].map((variable): [string, SettingName] => [variable, name]);
});
const everyKey = SETTING_NAMES.flatMap((name) => {
  const { key, otherKeys = [], oldKeys = [] } = rowOf(name);
  return [key, ...otherKeys, ...oldKeys].map((each): [string, SettingName] => [each, name]);
});

const fileOf = (entries: Record<string, string>): ConfigFile => ({
  file: 'conf/config.yaml',
  entries: Object.entries(entries),
  warnings: [],
  isGuess: false,
});
const refusal = (name: string, { bad }: Row, isSecret: boolean): unknown =>
  expect.objectContaining({
    code: 'SET-001',
    kind: 'invalid',
    message: expect.stringContaining(`${name}=\`${isSecret ? '***' : bad}\`: accepts `),
  });

describe.each(everyVariable)('the variable %s', (variable, name) => {
  const row = ROWS[name];
  const isSecret = rowOf(name).secret === true;

  it('gives the value, from the environment and from each .env file', () => {
    const inFile = { envFiles: [{ file: '.env', values: { [variable]: row.good } }] };
    const fromFile = parseSettings({ env: {}, ...inFile, cores: 1 });
    const from = parseSettings({ env: { [variable]: row.good }, cores: 1 });
    expect([from[name], fromFile[name]]).toEqual([row.value, row.value]);
    expect(from.origins[name]).toEqual({ kind: 'environment', variable });
    expect(fromFile.origins[name]).toEqual({ kind: 'environment', variable, file: '.env' });
  });

  it('refuses a bad value, and says where it stands', () => {
    const envFiles = [{ file: '.env.local', values: { [variable]: row.bad } }];
    expect(() => parseSettings({ env: { [variable]: row.bad }, cores: 1 })).toThrow(
      refusal(variable, row, isSecret),
    );
    expect(() => parseSettings({ env: {}, envFiles, cores: 1 })).toThrow(
      refusal(`.env.local: ${variable}`, row, isSecret),
    );
  });
});

describe.each(everyKey)('the key %s', (key, name) => {
  const row = ROWS[name];
  const isOld = rowOf(name).oldKeys?.includes(key) === true;

  it('gives the value, from -D and from a file; an old one says what replaced it', () => {
    const said = parseSettings({ env: {}, dynamic: { [key]: row.good }, cores: 1 });
    const configFile = fileOf({ [key]: row.good });
    const fromFile = parseSettings({ env: {}, configFile, cores: 1 });
    expect([said[name], fromFile[name]]).toEqual([row.value, row.value]);
    expect(said.origins[name]).toEqual({ kind: 'dynamic', key });
    expect(fromFile.origins[name]).toEqual({ kind: 'config-file', file: 'conf/config.yaml', key });
    const replaced = `${key} is now ${rowOf(name).key}; the old key still works`;
    expect(said.warnings).toEqual(isOld ? [replaced] : []);
    expect(fromFile.warnings).toEqual(isOld ? [`conf/config.yaml: ${replaced}`] : []);
  });

  it('refuses a bad value, and says where it stands', () => {
    const isSecret = rowOf(name).secret === true;
    expect(() => parseSettings({ env: {}, dynamic: { [key]: row.bad }, cores: 1 })).toThrow(
      refusal(key, row, isSecret),
    );
    const configFile = fileOf({ [key]: row.bad });
    expect(() => parseSettings({ env: {}, configFile, cores: 1 })).toThrow(
      refusal(`conf/config.yaml: ${key}`, row, isSecret),
    );
  });
});

describe.each(SETTING_NAMES)('%s', (name) => {
  const { env: variable, key, type } = rowOf(name);
  const { good, other } = ROWS[name];

  it('takes each layer over the one below it', () => {
    // From the lowest to the highest; each has another value than its neighbours.
    const layers = [
      { configFile: fileOf({ [key]: good }) },
      { envFiles: [{ file: '.env', values: { [variable]: other } }] },
      {
        envFiles: [
          { file: '.env', values: { [variable]: other } },
          { file: '.env.local', values: { [variable]: good } },
        ],
      },
      { env: { [variable]: other } },
    ];
    let sources: Parameters<typeof parseSettings>[0] = { env: {}, cores: 1 };
    layers.forEach((layer, at) => {
      sources = { ...sources, ...layer };
      expect(parseSettings(sources)[name]).toEqual(type.parse(at % 2 === 0 ? good : other));
    });
    // The job's code over the environment, and -D over the job's code.
    const inCode = withOverrides(parseSettings(sources), { [name]: type.parse(good) });
    expect(inCode[name]).toEqual(type.parse(good));
    const said = parseSettings({ ...sources, dynamic: { [key]: other } });
    expect(withOverrides(said, { [name]: type.parse(good) })[name]).toEqual(type.parse(other));
  });
});

it('takes the first of several variables, and the strongest of several keys', () => {
  const { s3Endpoint } = parseSettings({
    env: { AWS_ENDPOINT_URL: 'http://c', FS_S3A_ENDPOINT: 'http://b', S3_ENDPOINT: '' },
  });
  expect(s3Endpoint).toBe('http://b');
  const dynamic = { 's3.endpoint': 'http://a', 'fs.s3a.endpoint': 'http://b' };
  expect(parseSettings({ env: {}, dynamic }).s3Endpoint).toBe('http://a');
});

it('an empty variable leaves the layer below it in force', () => {
  const envFiles = [{ file: '.env', values: { FLINK_PARALLELISM: '3' } }];
  expect(parseSettings({ env: { FLINK_PARALLELISM: '' }, envFiles }).parallelism).toBe(3);
});

it('bad values of all layers are reported at once', () => {
  const bad = () =>
    parseSettings({
      env: { FLINK_CHECKPOINT_MODE: 'TWICE' },
      envFiles: [{ file: '.env', values: { FLINK_RESTART_ATTEMPTS: 'many' } }],
      configFile: fileOf({ 'state.backend.type': 'tape', 's3.secret-key': ' ' }),
      dynamic: { 'restart-strategy.type': 'sometimes' },
    });
  expect(bad).toThrowErrorMatchingInlineSnapshot(`
    [EngineError: SET-001: settings have bad values, count=\`5\`
      Correct these:
        conf/config.yaml: state.backend.type=\`tape\`: accepts hashmap, rocksdb
        conf/config.yaml: s3.secret-key=\`***\`: accepts a secret key
        FLINK_CHECKPOINT_MODE=\`TWICE\`: accepts EXACTLY_ONCE, AT_LEAST_ONCE
        .env: FLINK_RESTART_ATTEMPTS=\`many\`: accepts a whole number of at least 0
        restart-strategy.type=\`sometimes\`: accepts fixed-delay, failure-rate, exponential-delay, none
      docs/errors/SET-001.md]
  `);
});

describe('a key without a value', () => {
  it('in a file switches checkpoints off, and is nothing elsewhere', () => {
    const configFile = fileOf({ 'execution.checkpointing.interval': '', 'state.backend.type': '' });
    const settings = parseSettings({ env: {}, configFile });
    expect(settings.checkpointIntervalMs).toBe(0);
    expect(settings.origins.checkpointIntervalMs.kind).toBe('config-file');
    expect(settings.stateBackend).toBe('hashmap');
    expect(settings.origins.stateBackend.kind).toBe('default');
  });

  it('is refused after -D: a variable of the shell was empty', () => {
    for (const key of ['execution.checkpointing.interval', 's3.endpoint']) {
      expect(() => parseSettings({ env: {}, dynamic: { [key]: '' } })).toThrow(
        refusal(key, { ...ROWS.s3Endpoint, bad: '' }, false),
      );
    }
  });
});
