/*
 * Goal: whatever user code does to the thread of its slot, the job's process lives, says what was
 * wrong and where, and goes on from its latest checkpoint with nothing lost or doubled; no process
 * is left behind.
 * Method: the real command with a job whose 1,000th element throws, exits, loops for ever, or rejects a
 * promise that nobody waits for; once, and each time. What may end the whole process, such as a slot that
 * hoards memory, is in task-managers.test.ts.
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
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-slots-'));
});

afterEach(() => {
  removeFolder(root);
});

function run(
  parallelism: number,
  { kind, attempts }: { readonly kind: string; readonly attempts: number },
  ...job: readonly string[]
): Promise<Run> {
  const engine = settings({
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '50ms',
    'execution.checkpointing.min-pause': '0',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': String(attempts),
    'restart-strategy.fixed-delay.delay': '10ms',
    // Only who loops is waited for: on a busy machine any thread may seem stuck.
    'tidemark.task.stuck-timeout': kind === 'loop' ? '2s' : '60s',
  });
  const args = ['run', 'test/process/jobs/trouble.ts', '-p', String(parallelism), ...engine];
  const env = { NODE_OPTIONS: '--max-old-space-size=256' };
  return runTidemark([...args, '--', '--out', `${root}/out`, '--kind', kind, ...job], { env });
}

const counts = (): string[] => finishedLines(`${root}/out`);

const EXPECTED = Array.from({ length: 2_000 }, (_, n) =>
  JSON.stringify({ key: n % 10, count: Math.floor(n / 10) + 1 }),
).sort();

const TROUBLES = [
  ['throw', 'this element is poison'],
  ['exit', 'JOB-009'],
  ['loop', 'JOB-010'],
  ['reject', 'JOB-008'],
] as const;

describe.each([1, 2])('with %i slots', (parallelism) => {
  it.each(TROUBLES)('%s once: the job goes on', async (kind, what) => {
    const { code, stdout } = await run(
      parallelism,
      { kind, attempts: 10 },
      '--once',
      `${root}/done`,
    );
    expect(stdout).toContain(what);
    expect(code).toBe(0);
    expect(counts()).toEqual(EXPECTED);
  });
});

it.each(TROUBLES)(
  '%s each time: the job fails with the reason and the place',
  async (kind, what) => {
    const { code, stderr } = await run(2, { kind, attempts: 1 });
    expect(code).toBe(1);
    expect(stderr).toContain(what);
    // Whatever it was, the operator that ran is named.
    expect(stderr).toMatch(/operators?=`[^`]*count/);
  },
);
