/*
 * Goal: the real command takes settings from every place that the reference names, in its order; says at
 * once what is wrong; shows what is in force; and runs programs in Flink's way as they are written there.
 * Method: a project folder with files of settings; the real command from dist/.
 * Replay: npm run test:process -- settings
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeProcess, REPOSITORY, runTidemark } from '../support/tidemark-process.ts';

const FAILED = 1;
const REFUSED = 2;
const CONFIGURED = `${REPOSITORY}/test/process/jobs/configured.ts`;
const PROGRAM = `${REPOSITORY}/test/process/jobs/program.ts`;

let cwd: string;

beforeEach(() => {
  cwd = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-settings-'));
});

afterEach(() => {
  fs.rmSync(cwd, { recursive: true });
});

function write(name: string, text: string): void {
  fs.mkdirSync(path.dirname(path.join(cwd, name)), { recursive: true });
  fs.writeFileSync(path.join(cwd, name), text);
}

const run = (args: readonly string[], env: Record<string, string> = {}) =>
  runTidemark(['run', ...args], { cwd, env });

const row = (stdout: string, key: string): string[] =>
  stdout
    .split('\n')
    .find((line) => line.startsWith(`${key} `))
    ?.split(/ {2,}/)
    .slice(1) ?? [];

describe('layers', () => {
  const intervalKey = 'execution.checkpointing.interval';
  const attemptsKey = 'restart-strategy.fixed-delay.attempts';

  it('are shown with the origin of each value, and nothing runs', async () => {
    write('conf/config.yaml', `execution.checkpointing:\n  interval: 20s\n  timeout: 5 min\n`);
    write(
      '.env',
      'FLINK_RESTART_ATTEMPTS=4 # four\nFLINK_RESTART_DELAY_MS=1s\nCONFIGURED_WORD=a\n',
    );
    write('.env.local', 'FLINK_RESTART_DELAY_MS=2s\n');
    const { code, stdout, stderr } = await run(
      [CONFIGURED, '--settings', '-D', 'pipeline.max-parallelism=64'],
      { FLINK_PARALLELISM: '2', TIDEMARK_PRESET: 'development' },
    );

    expect(code, stderr).toBe(0);
    expect(row(stdout, intervalKey)).toEqual(['20000', `conf/config.yaml: ${intervalKey}`]);
    expect(row(stdout, attemptsKey)).toEqual(['4', '.env: FLINK_RESTART_ATTEMPTS']);
    expect(row(stdout, 'restart-strategy.fixed-delay.delay')).toEqual([
      '2000',
      '.env.local: FLINK_RESTART_DELAY_MS',
    ]);
    expect(row(stdout, 'parallelism.default')).toEqual(['2', 'environment: FLINK_PARALLELISM']);
    expect(row(stdout, 'restart-strategy.type')).toEqual(['none', 'preset development']);
    expect(row(stdout, 'pipeline.max-parallelism')).toEqual(['64', '-D pipeline.max-parallelism']);
    expect(row(stdout, 'heartbeat.interval')).toEqual(['500', 'default']);
    expect(fs.existsSync(`${cwd}/.tidemark`)).toBe(false);
  });

  it('are a document with --json', async () => {
    write('.env', 'CONFIGURED_WORD=a\nS3_SECRET_KEY=hunter2\n');
    const { stdout } = await run([CONFIGURED, '--settings', '--json', '-D', `${intervalKey}=0`]);

    const { settings, warnings } = JSON.parse(stdout) as {
      settings: { key: string; value: unknown; origin: object }[];
      warnings: string[];
    };
    expect(settings.find(({ key }) => key === intervalKey)).toMatchObject({
      value: 0,
      origin: { kind: 'dynamic', key: intervalKey },
    });
    expect(warnings).toEqual([expect.stringContaining('checkpoints are off')]);
    expect(stdout).not.toContain('hunter2');
  });

  it('reach the job in every thread, whatever becomes of the files', async () => {
    write('flink-conf.yaml', 'parallelism.default: 3\n');
    write('.env', 'FLINK_RESTART_ATTEMPTS=4\nCONFIGURED_WORD=hello\n');
    const { code, stdout, stderr } = await run(
      [CONFIGURED, '-D', 'tidemark.task.stuck-timeout=50s', '--', '--times', '2'],
      { FLINK_RESTART_ATTEMPTS: '' },
    );

    expect(code, stderr).toBe(0);
    const lines = stdout.split('\n').filter((line) => line.includes('hello'));
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/hello 3 4 50000$/);
  });

  it('of Flink are found by --config', async () => {
    write('elsewhere/flink-conf.yaml', 'restart-strategy.fixed-delay.attempts: 6\n');
    const named = await run([CONFIGURED, '--config', 'elsewhere', '--', '--word', 'w']);
    expect(named.stdout, named.stderr).toMatch(/w \d+ 6 60000\n/);
    const absent = await run([CONFIGURED, '--config', 'nowhere', '--', '--word', 'w']);
    expect(absent.code).toBe(REFUSED);
    expect(absent.stderr).toContain('SET-006: there is no configuration file, --config=`nowhere`');
  });
});

describe('what is wrong', () => {
  it('is said at once, and nothing is started', async () => {
    write('.env', 'FLINK_CHECKPOINT_MODE=TWICE\n');
    const { code, stderr } = await run([CONFIGURED, '-D', 'state.backend=tape'], {
      FLINK_PARALLELISM: 'many',
    });

    expect(code).toBe(REFUSED);
    expect(stderr).toContain('count=`3`');
    expect(stderr).toContain('FLINK_PARALLELISM=`many`: accepts a whole number from 1 to 32768');
    expect(stderr).toContain('.env: FLINK_CHECKPOINT_MODE=`TWICE`: accepts EXACTLY_ONCE');
    expect(stderr).toContain('state.backend=`tape`: accepts hashmap, rocksdb');
    expect(fs.existsSync(`${cwd}/.tidemark`)).toBe(false);
  });

  it.each([
    [{ FLINK_STATE_BACKEND: 'rocksdb' }, 'JOB-011'],
    [{ FLINK_UNALIGNED_CHECKPOINTS: 'true' }, 'JOB-011'],
    [{ FLINK_CHECKPOINT_STORAGE: 's3:///a' }, 'STO-026'],
    [{ FLINK_CHECKPOINT_STORAGE: 'hdfs://namenode/a' }, 'JOB-001'],
    [{ FLINK_CHECKPOINT_STORAGE: 'hdfs:///a' }, 'SET-008'],
    [{ TIDEMARK_PRESET: 'production' }, 'JOB-011'],
  ])('%j is refused with %s', async (env, error) => {
    const { code, stderr } = await run([CONFIGURED, '--', '--word', 'w'], env);
    expect(code).toBe(REFUSED);
    expect(stderr).toContain(`${error}: `);
  });
});

it("-- --help lists a job's own settings, although one is missing", async () => {
  const { code, stdout, stderr } = await run([CONFIGURED, '--', '--help']);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/--word +CONFIGURED_WORD +what is printed; text; required\n/);
  expect(stdout).toMatch(/--times +CONFIGURED_TIMES +a whole number of at least 1; default 1\n/);
});

describe('a program', () => {
  const printed = (stdout: string) =>
    stdout
      .split('\n')
      .flatMap((line) => /^(?:\d> )?([A-Z]+)$/.exec(line)?.[1] ?? [])
      .sort();

  it.each(['tidemark run', 'node'])(
    'runs with %s, in several slots, and goes on after it',
    async (by) => {
      const env = { FLINK_PARALLELISM: '2', FLINK_RESTART_ATTEMPTS: '7' };
      const start = by === 'node' ? [PROGRAM] : [`${REPOSITORY}/bin/tidemark.mjs`, 'run', PROGRAM];
      const { code, stdout, stderr } = await new NodeProcess(start, { cwd, env }).ended;

      expect(code, stderr).toBe(0);
      expect(printed(stdout)).toEqual(['BE', 'NOT', 'OR', 'TO', 'TO']);
      expect(stdout.match(/after execute: .*/g)).toEqual([
        'after execute: Checkpoint Demo FINISHED',
      ]);
      expect(fs.readdirSync(`${cwd}/.tidemark/program`)).toContain('by-name');
    },
  );

  it('has the variables of .env in its environment, in every thread', async () => {
    write('.env', 'PROGRAM_WORD=extra\n');
    const { stdout } = await run([PROGRAM, '-p', '2']);
    expect(printed(stdout)).toEqual(['BE', 'EXTRA', 'NOT', 'OR', 'TO']);
  });

  it('is the same graph everywhere with what -D says', async () => {
    const { code, stderr } = await run([
      PROGRAM,
      '-p',
      '3',
      '-D',
      'restart-strategy.fixed-delay.attempts=5',
    ]);
    expect(code, stderr).toBe(0);
  });

  it('learns why its job failed', async () => {
    const env = { FLINK_RESTART_STRATEGY: 'none', PROGRAM_WORD: 'fail' };
    const { code, stdout } = await run([PROGRAM], env);
    expect(code).toBe(FAILED);
    expect(stdout).toContain('after execute: EngineError');
    // Alone, the program decides what becomes of it.
    const alone = await new NodeProcess([PROGRAM], { cwd, env }).ended;
    expect(alone.code).toBe(0);
    expect(alone.stdout).toContain('after execute: EngineError');
  });

  it('may be looked at with --settings', async () => {
    const { code, stdout } = await run([PROGRAM, '--settings']);
    expect(code).toBe(0);
    expect(row(stdout, 'execution.checkpointing.interval')).toEqual(['300000', "the job's code"]);
    expect(stdout).not.toContain('after execute');
  });
});

describe('examples/checkpoint-recovery.ts', () => {
  const example = (env: Record<string, string>) =>
    new NodeProcess([`${REPOSITORY}/examples/checkpoint-recovery.ts`], { cwd, env }).ended;

  it('shows five ways', async () => {
    const { code, stdout, stderr } = await example({
      FLINK_CHECKPOINT_INTERVAL_MS: '45000',
      FLINK_RESTART_ATTEMPTS: '4',
    });

    expect(code, stderr).toBe(0);
    const [, one, two, three, four, five] = stdout.split(/Example \d: /);
    const interval = 'execution.checkpointing.interval: 45000';
    const attempts = 'restart-strategy.fixed-delay.attempts: 4';
    const retained = "retention: RETAIN_ON_CANCELLATION (the job's code)";
    expect(one).toContain(interval);
    expect(one).toContain(retained);
    expect(two).toContain(`${attempts} (environment: FLINK_RESTART_ATTEMPTS)`);
    expect(two).not.toContain(retained);
    for (const text of [interval, attempts, retained]) expect(three).toContain(text);
    expect(four).toContain("execution.checkpointing.interval: 120000 (the job's code)");
    expect(four).toContain("restart-strategy.fixed-delay.attempts: 10 (the job's code)");
    expect(row(five ?? '', 'execution.checkpointing.interval')).toEqual([
      '45000',
      'environment: FLINK_CHECKPOINT_INTERVAL_MS',
    ]);
  });

  it('reports every bad variable at once', async () => {
    const { code, stderr } = await example({
      FLINK_CHECKPOINT_INTERVAL_MS: 'often',
      FLINK_RESTART_STRATEGY: 'always',
    });
    expect(code).toBe(1);
    expect(stderr).toContain('FLINK_CHECKPOINT_INTERVAL_MS=`often`: accepts milliseconds');
    expect(stderr).toContain('FLINK_RESTART_STRATEGY=`always`: accepts fixed-delay, failure-rate');
  });
});
