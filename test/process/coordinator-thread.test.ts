/*
 * Goal: what an enumerator, a committer or the top of a job's module does to the thread in which it
 * runs is told to people, and costs the job a restart at most; nothing is committed twice, nothing is
 * lost, and the JobManager's own thread is not touched.
 * Method: the real command with a job that throws, exits, loops, or rejects a promise that nobody waits
 * for in one of these places; once, and each time.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { finishedLines } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { runTidemark, settings, type Run } from '../support/tidemark-process.ts';

let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-coordinator-'));
});

afterEach(() => {
  removeFolder(root);
});

interface Circumstances {
  /** Restarts before the job fails. */
  readonly attempts?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Of the trouble: only who loops is waited for. Of a busy machine any thread may seem stuck. */
  readonly kind?: string;
}

function run(
  job: readonly string[],
  { attempts = 10, env = {}, kind }: Circumstances = {},
): Promise<Run> {
  const engine = settings({
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '50ms',
    'execution.checkpointing.min-pause': '0',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': String(attempts),
    'restart-strategy.fixed-delay.delay': '10ms',
    'tidemark.task.stuck-timeout': kind === 'loop' ? '2s' : '60s',
  });
  const args = ['run', 'test/process/jobs/coordinator-trouble.ts', '-p', '2', ...engine];
  return runTidemark([...args, '--', '--out', `${root}/out`, ...job], { env });
}

const counts = (): string[] => finishedLines(`${root}/out`);

const EXPECTED = Array.from({ length: 3_000 }, (_, n) =>
  JSON.stringify({ key: n % 10, count: Math.floor(n / 10) + 1 }),
).sort();

const TROUBLES = [
  ['commit', 'throw', 'planned trouble'],
  ['commit', 'exit', 'JOB-022'],
  ['commit', 'loop', 'JOB-021'],
  ['commit', 'reject', 'JOB-022'],
  ['enumerator', 'throw', 'planned trouble'],
  ['enumerator', 'exit', 'JOB-022'],
  ['enumerator', 'loop', 'JOB-021'],
] as const;

describe('once: the job goes on', () => {
  it.each(TROUBLES)('%s: %s', async (where, kind, what) => {
    const { code, stdout, stderr } = await run(
      ['--where', where, '--kind', kind, '--once', `${root}/done`],
      { kind },
    );
    expect(stdout + stderr).toContain(what);
    expect(code, stderr).toBe(0);
    expect(counts()).toEqual(EXPECTED);
  });
});

it.each(TROUBLES.filter(([where]) => where === 'enumerator'))(
  '%s, each time: %s fails the job with the reason',
  async (where, kind, what) => {
    const { code, stderr } = await run(['--where', where, '--kind', kind], { attempts: 1, kind });
    expect(code).toBe(1);
    expect(stderr).toContain(what);
  },
);

describe('a module', () => {
  it.each([
    ['exit', 'JOB-022'],
    ['throw', 'the module is broken'],
  ])('that does %s when it is imported keeps the job from starting', async (kind, what) => {
    const { code, stderr } = await run(['--where', 'module', '--kind', 'none'], {
      env: { TROUBLE_IN_MODULE: kind },
    });
    expect(code).toBe(2);
    expect(stderr).toContain(what);
    expect(fs.existsSync(`${root}/out`)).toBe(false);
  });
});
