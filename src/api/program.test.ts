import { expect, expectTypeOf, it, describe } from 'vitest';
import { parseSettings } from '../settings/parse-settings.ts';
import { withCurrent } from '../settings/process-settings.ts';
import { defineJob } from './job-definition.ts';
import { hostPrograms, type DescribedProgram, type JobExecutionResult } from './program.ts';
import { setupCheckpointAndRecovery } from './setup.ts';
import { StreamExecutionEnvironment } from './stream-execution-environment.ts';
import { settings } from '../settings/process-settings.ts';

const flink = parseSettings({
  env: { FLINK_RESTART_ATTEMPTS: '5' },
  dynamic: { 'execution.checkpointing.dir': '/checkpoints' },
  cores: 3,
});
const FINISHED: JobExecutionResult = {
  jobId: 'a',
  jobName: 'demo',
  status: 'FINISHED',
  checkpointsCompleted: 1,
  restarts: 0,
};

/** What a program's module does, on a host that takes note. */
function runProgram(describe: (env: StreamExecutionEnvironment) => void, name = 'demo') {
  const seen: DescribedProgram[] = [];
  hostPrograms((program) => {
    seen.push(program);
    return Promise.resolve(FINISHED);
  });
  const env = withCurrent(flink, () => StreamExecutionEnvironment.getExecutionEnvironment());
  describe(env);
  return { env, seen, result: env.execute(name) };
}

const words = (env: StreamExecutionEnvironment): void => {
  env.fromElements('words', ['to', 'be']).map('loud', (word) => word.toUpperCase());
};

it('hands what was described to its host, with the settings in force', async () => {
  const { seen, result } = runProgram((env) => {
    env.setParallelism(2).enableCheckpointing(300_000);
    words(env);
  });
  expect(await result).toBe(FINISHED);
  expectTypeOf(result).resolves.toEqualTypeOf<JobExecutionResult>();
  expect(seen.map(({ name, graph }) => [name, graph.jobName, graph.nodes.length])).toEqual([
    ['demo', 'demo', 2],
  ]);
  expect(seen[0]?.config).toMatchObject({
    parallelism: 2,
    checkpointIntervalMs: 300_000,
    checkpointStorage: '/checkpoints',
    restartAttempts: 5,
    warnings: [],
  });
});

describe('execute refuses', () => {
  it.each([
    ['API-014', '', words],
    ['API-022', 'empty', () => undefined],
    [
      'SET-008',
      'dead',
      (env: StreamExecutionEnvironment) => {
        words(env);
        env.set('heartbeatTimeoutMs', 400);
      },
    ],
  ])('%s: the job %j', async (code, name, describe) => {
    const { seen, result } = runProgram(describe, name);
    await expect(result).rejects.toMatchObject({ code, kind: 'invalid' });
    expect(seen).toEqual([]);
  });

  it('API-024: a second job', async () => {
    const { result } = runProgram(words);
    await result;
    const second = withCurrent(flink, () => StreamExecutionEnvironment.getExecutionEnvironment());
    words(second);
    await expect(second.execute('second')).rejects.toMatchObject({ code: 'API-024' });
  });

  it('API-015: more operators after it', async () => {
    const { env, result } = runProgram(words);
    await result;
    expect(() => env.fromSequence('late', 1, 2)).toThrow(/API-015/);
  });

  it('API-025: a job of defineJob', async () => {
    const runs: Promise<unknown>[] = [];
    const job = defineJob('defined', (env) => {
      words(env);
      runs.push(env.execute('defined'));
    });
    job.build(undefined, flink);
    await expect(runs[0]).rejects.toMatchObject({ code: 'API-025' });
  });
});

it('settings.flink is what the job is built with', () => {
  const job = defineJob('inside', (env) => {
    words(env);
    env.setParallelism(settings.flink.restartAttempts);
    setupCheckpointAndRecovery(env, { ...settings.flink, restartDelayMs: 1 });
  });
  expect(job.build(undefined, flink).config).toMatchObject({
    parallelism: 5,
    restartDelayMs: 1,
    checkpointStorage: '/checkpoints',
  });
});
