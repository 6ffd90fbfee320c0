import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfigYaml, parseFlinkConf, readConfigFile } from './config-file.ts';
import { readSettings } from './process-settings.ts';

let cwd: string;

beforeEach(() => {
  cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-config-'));
});

afterEach(() => {
  fs.rmSync(cwd, { recursive: true });
});

function write(name: string, text: string): void {
  fs.mkdirSync(path.dirname(path.join(cwd, name)), { recursive: true });
  fs.writeFileSync(path.join(cwd, name), text);
}

describe('where it is looked for', () => {
  const folders = ['asked', 'confdir', 'conf', '.'];
  const read = (env: Record<string, string>, asked?: string) =>
    readConfigFile({ env, cwd, asked })?.entries[0]?.[1];

  it('is --config, FLINK_CONF_DIR, ./conf and the working folder, in this order', () => {
    for (const folder of folders) write(`${folder}/config.yaml`, `parallelism.default: ${folder}`);
    expect(read({ FLINK_CONF_DIR: 'confdir' }, 'asked')).toBe('asked');
    expect(read({ FLINK_CONF_DIR: 'confdir' }, 'asked/config.yaml')).toBe('asked');
    expect(read({ FLINK_CONF_DIR: path.join(cwd, 'confdir') })).toBe('confdir');
    expect(read({ FLINK_CONF_DIR: '' })).toBe('conf');
    fs.rmSync(path.join(cwd, 'conf'), { recursive: true });
    expect(read({})).toBe('.');
    fs.rmSync(path.join(cwd, 'config.yaml'));
    expect(readConfigFile({ env: {}, cwd })).toBeUndefined();
  });

  it.each(['--config', 'FLINK_CONF_DIR'])('refuses %s where there is none', (by) => {
    write('empty/readme.md', '');
    const env = by === 'FLINK_CONF_DIR' ? { FLINK_CONF_DIR: 'empty' } : {};
    const asked = by === '--config' ? 'empty' : undefined;
    expect(() => readConfigFile({ env, cwd, asked })).toThrow(
      expect.objectContaining({ code: 'SET-006', message: expect.stringContaining(by) }),
    );
  });

  it('prefers config.yaml, and says that it leaves flink-conf.yaml', () => {
    write('conf/config.yaml', 'parallelism.default: 2');
    write('conf/flink-conf.yaml', 'parallelism.default: 3');
    const config = readConfigFile({ env: {}, cwd });
    expect(config?.file).toBe('conf/config.yaml');
    expect(config?.warnings).toEqual([
      'conf/flink-conf.yaml is not read, since there is conf/config.yaml',
    ]);
  });

  it("does not take another program's config.yaml in the working folder for its own", () => {
    write('config.yaml', 'server:\n  port: 80\nweb.theme: dark\n');
    expect(readSettings({ env: {}, cwd }).flink.warnings).toEqual([]);
    write('config.yaml', 'server:\n  port: 80\nparallelism.default: 3\n');
    expect(readSettings({ env: {}, cwd }).flink.parallelism).toBe(3);
    expect(readSettings({ env: {}, cwd }).flink.warnings).toEqual([
      'config.yaml: server.port is not known and has no effect',
    ]);
  });

  it('refuses a file that is too large for one', () => {
    write('conf/config.yaml', `# ${'x'.repeat(2 ** 20)}`);
    expect(() => readConfigFile({ env: {}, cwd })).toThrow(/SET-007[^]*bytes/);
  });
});

describe('config.yaml', () => {
  it('is nested or flat, and its values keep their text', () => {
    const text = `
state:
  backend:
    type: rocksdb   # in memory no more
execution.checkpointing:
  interval: 60s
  dir: "s3://b/c#d"
restart-strategy.exponential-delay.backoff-multiplier: 1.10
env.java.opts.all: [ a, b ]
high-availability.type: ~
parallelism: { default: 07 }
`;
    expect(parseConfigYaml(text, 'config.yaml').entries).toEqual([
      ['state.backend.type', 'rocksdb'],
      ['execution.checkpointing.interval', '60s'],
      ['execution.checkpointing.dir', 's3://b/c#d'],
      ['restart-strategy.exponential-delay.backoff-multiplier', '1.10'],
      ['env.java.opts.all', 'a;b'],
      ['high-availability.type', ''],
      ['parallelism.default', '07'],
    ]);
  });

  it.each(['', '# nothing\n', '---\n'])('may be empty: %j', (text) => {
    expect(parseConfigYaml(text, 'c').entries).toEqual([]);
  });

  it.each([
    ['a tab', 'state:\n\tbackend: x'],
    ['the same key twice', 'a: 1\na: 2'],
    ['an open quote', 'a: "b'],
    ['aliases without end', `a: &a [x,x,x,x,x,x,x,x,x]\n${bomb()}`],
  ])('is refused with its name for %s', (_what, text) => {
    expect(() => parseConfigYaml(text, 'conf/config.yaml')).toThrow(
      /SET-007: .*file=`conf\/config\.yaml`, why=/,
    );
  });

  it.each(['- a\n- b', 'just words'])('says that it holds no keys: %j', (text) => {
    expect(parseConfigYaml(text, 'c').warnings).toEqual(['c holds no keys']);
  });
});

describe('flink-conf.yaml', () => {
  it('is read line by line, as Flink 1.x does', () => {
    const text = [
      '# a comment',
      'state.backend: rocksdb # behind a value',
      'state.checkpoints.dir: hdfs://nn:8020/a',
      'env.java.opts: -Da=b: c',
      'restart-strategy:   "none"',
      'jobmanager.rpc.address:',
      'no colon here',
      '',
    ].join('\r\n');
    expect(parseFlinkConf(text, 'conf/flink-conf.yaml')).toEqual({
      entries: [
        ['state.backend', 'rocksdb'],
        ['state.checkpoints.dir', 'hdfs://nn:8020/a'],
        ['env.java.opts', '-Da=b: c'],
        ['restart-strategy', 'none'],
        ['jobmanager.rpc.address', ''],
      ],
      warnings: ['conf/flink-conf.yaml, line 7, is not key: value'],
    });
  });

  it('is the file that the documents of Flink 1.x show', () => {
    write(
      'conf/flink-conf.yaml',
      [
        'state.backend: rocksdb',
        'state.backend.incremental: true',
        'state.checkpoints.dir: s3a://flink-checkpoints/health-consumer',
        'fs.s3a.endpoint: http://minio:9000',
        'fs.s3a.access.key: minioadmin',
        'fs.s3a.secret.key: minioadmin',
        'fs.s3a.path.style.access: true',
        'fs.s3a.connection.ssl.enabled: false',
        'jobmanager.execution.failover-strategy: full',
        'jobmanager.memory.process.size: 1600m',
        'taskmanager.memory.process.size: 1728m',
      ].join('\n'),
    );
    const { flink } = readSettings({ env: {}, cwd });
    expect(flink).toMatchObject({
      stateBackend: 'rocksdb',
      incrementalCheckpoints: true,
      checkpointStorage: 's3a://flink-checkpoints/health-consumer',
      s3Endpoint: 'http://minio:9000',
      s3AccessKey: 'minioadmin',
      s3SecretKey: 'minioadmin',
      s3PathStyleAccess: true,
      s3SslEnabled: false,
      failoverStrategy: 'full',
    });
    expect(flink.warnings).toEqual([
      'conf/flink-conf.yaml: state.backend is now state.backend.type; the old key still works',
      'conf/flink-conf.yaml: state.backend.incremental is now execution.checkpointing.incremental; the old key still works',
      'conf/flink-conf.yaml: state.checkpoints.dir is now execution.checkpointing.dir; the old key still works',
      'conf/flink-conf.yaml: of Flink, without effect here: jobmanager.memory.process.size, taskmanager.memory.process.size',
    ]);
  });
});

describe('.env and .env.local', () => {
  it('may be what documents about checkpoints show', () => {
    write(
      '.env.local',
      `# Checkpoint Configuration
FLINK_CHECKPOINT_INTERVAL_MS=60000              # 60 seconds
FLINK_CHECKPOINT_TIMEOUT_MS=600000              # 10 minutes
FLINK_MIN_PAUSE_BETWEEN_CHECKPOINTS_MS=30000    # 30 seconds
FLINK_MAX_CONCURRENT_CHECKPOINTS=1
FLINK_CHECKPOINT_MODE=EXACTLY_ONCE
FLINK_STATE_BACKEND=rocksdb
FLINK_CHECKPOINT_STORAGE=s3a://flink-checkpoints/health-consumer

# Restart Strategy Configuration
FLINK_RESTART_STRATEGY=fixed-delay
FLINK_RESTART_ATTEMPTS=3
FLINK_RESTART_DELAY_MS=10000                    # 10 seconds

# Failure Rate Strategy (optional)
FLINK_FAILURE_RATE_MAX_FAILURES=3
FLINK_FAILURE_RATE_INTERVAL_MS=300000           # 5 minutes
FLINK_FAILURE_RATE_DELAY_MS=10000               # 10 seconds
`,
    );
    const { flink } = readSettings({ env: {}, cwd });
    const said = Object.values(flink.origins).filter(({ kind }) => kind === 'environment');
    expect(said).toHaveLength(13);
    expect(flink).toMatchObject({
      checkpointTimeoutMs: 600_000,
      checkpointStorage: 's3a://flink-checkpoints/health-consumer',
      failureRateIntervalMs: 300_000,
      warnings: [],
    });
  });

  it('are read as such files are, with comments behind values', () => {
    write(
      '.env',
      '# c\nFLINK_CHECKPOINT_INTERVAL_MS=45000   # 45 seconds\nFLINK_PARALLELISM="3"\n',
    );
    write('.env.local', 'export FLINK_PARALLELISM=5\nHEALTH_RATE=7\n');
    const { flink, variables } = readSettings({ env: { HEALTH_RATE: '', A: 'b' }, cwd });
    expect(flink.checkpointIntervalMs).toBe(45_000);
    expect(flink.parallelism).toBe(5);
    expect(flink.origins.parallelism).toMatchObject({ file: '.env.local' });
    expect(variables).toMatchObject({ HEALTH_RATE: '7', A: 'b', FLINK_PARALLELISM: '5' });
  });

  it('may say where the configuration file is', () => {
    write('.env', 'FLINK_CONF_DIR=elsewhere\n');
    write('elsewhere/config.yaml', 'parallelism.default: 6\n');
    expect(readSettings({ env: {}, cwd }).flink.parallelism).toBe(6);
  });

  it('are refused if they cannot be read', () => {
    fs.mkdirSync(path.join(cwd, '.env'));
    expect(() => readSettings({ env: {}, cwd })).toThrow(/SET-007: .*file=`\.env`/);
  });
});

/** Each line is nine times as long as the one before, when it is written out. */
function bomb(): string {
  const names = 'a b c d e f g h i j'.split(' ');
  return names
    .slice(1)
    .map((name, at) => {
      const nine = Array.from({ length: 9 }, () => `*${names[at] ?? ''}`).join(',');
      return `${name}: &${name} [${nine}]`;
    })
    .join('\n');
}
