/*
 * Goal: the main job's output is exactly what a program without Tidemark computes from the same files.
 * Method: the real command, from dist/, at full speed and at parallelism 1, 2 and 3; then
 * test/reference/health_pipeline.py compares every line.
 * Replay: npm run test:process -- health-pipeline.test
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { REPOSITORY, runReference, runTidemark, settings } from '../support/tidemark-process.ts';

const DATA = `${REPOSITORY}/examples/data`;

let root: string;

beforeEach(async () => {
  root = await fs.mkdtemp(path.join(os.tmpdir(), 'tidemark-health-'));
});

afterEach(async () => {
  await fs.rm(root, { recursive: true });
});

describe('the health pipeline', () => {
  it('is measured against known counts', () => {
    const { code, stdout } = runReference('ledger', DATA);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      read: 117_735,
      valid: 116_479,
      windows: 8_855,
      dlq: { duplicate: 195, 'not-finite': 1_061 },
    });
  });

  it.each([1, 2, 3])('writes exactly what is expected at parallelism %i', async (parallelism) => {
    const out = `${root}/out`;
    const run = await runTidemark([
      ...['run', 'examples/health-pipeline.ts', '-p', String(parallelism)],
      ...settings({ 'execution.checkpointing.dir': `${root}/checkpoints` }),
      ...['--', '--sink', 'files', '--out', out],
    ]);
    expect(run, run.stderr).toMatchObject({ code: 0 });

    const check = runReference('check', DATA, out);
    expect(check, check.stderr).toMatchObject({ code: 0 });
    const unfinished = await fs.readdir(`${out}/vitals/.in-progress`, { recursive: true });
    expect(unfinished.filter((name) => name.includes('/'))).toEqual([]);
  });
});
