/*
 * Goal: bad records that were written at a known time are taken back by one command, with state and table,
 * and what comes of the same input by a repaired job is what comes of it by a job that never was wrong.
 * Method: the real commands. A job reads files as they come, a bad one among them. It is rolled back to
 * before, while it runs, and goes on repaired. Another one reads the same input, repaired from the beginning.
 * Replay: npm run test:process -- rollback
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tableRows } from '../../scripts/start/table-rows.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
  type Run,
} from '../support/tidemark-process.ts';

const JOB = 'test/process/jobs/lake.ts';
const LOOK_MS = 50;

let root: string;
let running: NodeProcess[];

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-rollback-')));
  fs.mkdirSync(`${root}/in`);
  running = [];
});

afterEach(async () => {
  for (const one of running) await one.kill('SIGKILL');
  removeFolder(root);
});

interface Row {
  readonly n: number;
  readonly key: string;
  readonly value: number;
}

function rowsOf(from: number, count: number, sign: 1 | -1 = 1): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    n: from + i,
    key: `k${i % 3}`,
    value: sign * (1 + i),
  }));
}

/** A file appears whole. */
function give(name: string, rows: readonly Row[]): void {
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  fs.writeFileSync(`${root}/in/.${name}`, text);
  fs.renameSync(`${root}/in/.${name}`, `${root}/in/${name}.jsonl`);
}

function argumentsOf(place: string, own: readonly string[] = []): string[] {
  return [
    ...settings({
      'execution.checkpointing.dir': `${root}/${place}/checkpoints`,
      'execution.checkpointing.interval': '150ms',
      'execution.checkpointing.min-pause': '0',
      // The one of the moment is to be there still when it is asked for, however long that takes.
      'execution.checkpointing.num-retained': '10000',
    }),
    ...['--', '--input', `${root}/in`, '--warehouse', `${root}/${place}/lake`, ...own],
  ];
}

function start(place: string, ...own: readonly string[]): NodeProcess {
  const job = startTidemark(['run', JOB, '--json', '-p', '2', ...argumentsOf(place, own)]);
  running.push(job);
  return job;
}

function rollback(options: readonly string[], own: readonly string[] = []): Promise<Run> {
  return runTidemark(['rollback', JOB, ...options, ...argumentsOf('a', own)]);
}

async function untilRows(job: NodeProcess, place: string, count: number): Promise<unknown[]> {
  for (;;) {
    const rows = await tableRows(`${root}/${place}/lake`, 'db.sums');
    expect(rows.length).toBeLessThanOrEqual(count);
    if (rows.length === count) return sorted(rows);
    if (job.isOver) expect.fail((await job.ended).stderr);
    await sleep(systemClock, LOOK_MS);
  }
}

function sorted(rows: readonly unknown[]): unknown[] {
  return (rows as { n: number }[]).toSorted((a, b) => a.n - b.n);
}

/** The time of now, once a checkpoint is complete that holds all that was there before. */
async function settled(job: NodeProcess): Promise<string> {
  const completed = job.count('checkpoint-completed');
  expect(await job.until(() => job.count('checkpoint-completed') > completed + 1)).toBe(true);
  await sleep(systemClock, 2);
  return new Date(systemClock.wallMs()).toISOString();
}

describe('tidemark rollback', () => {
  it('takes back what came after a moment, and goes on from there repaired', async () => {
    give('a', rowsOf(0, 20));
    const wrong = start('a');
    await untilRows(wrong, 'a', 20);
    const before = await settled(wrong);
    give('b', [...rowsOf(100, 5), ...rowsOf(200, 10, -1)]);
    await untilRows(wrong, 'a', 35);
    give('c', rowsOf(300, 7));
    await untilRows(wrong, 'a', 42);

    const refused = await rollback(['--before', before]);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('CLI-086');
    const dry = await rollback(['--before', before, '--dry-run']);
    expect(dry, dry.stderr).toMatchObject({ code: 0 });
    expect(dry.stdout).toMatch(/lake would go back to checkpoint \d+ of /);
    expect(dry.stdout).toMatch(/rows +source files +goes on at/);
    expect(dry.stdout).toMatch(/sums +sink iceberg +snapshot \d+ → snapshot \d+ +-22 /);
    expect(await tableRows(`${root}/a/lake`, 'db.sums')).toHaveLength(42);

    const done = await rollback(['--before', before, '--cancel', '--no-start']);
    expect(done, done.stderr).toMatchObject({ code: 0 });
    // It was taken over, and then cancelled: which of the two it tells first is not said.
    expect([1, 130]).toContain((await wrong.ended).code);
    expect(await tableRows(`${root}/a/lake`, 'db.sums')).toHaveLength(20);
    // Once more changes nothing.
    const again = await rollback(['--before', before, '--no-start', '--json']);
    expect(again, again.stderr).toMatchObject({ code: 0 });
    expect(await tableRows(`${root}/a/lake`, 'db.sums')).toHaveLength(20);

    const repaired = start('a', '--clean', 'true');
    const found = await untilRows(repaired, 'a', 32);
    expect(repaired.events.find(({ kind }) => kind === 'starting')).toMatchObject({
      restoredCheckpoint: expect.any(Number) as number,
    });
    const never = start('b', '--clean', 'true');
    expect(found).toEqual(await untilRows(never, 'b', 32));
  });

  it('runs the job from there by itself', async () => {
    give('a', rowsOf(0, 20));
    const wrong = start('a');
    await untilRows(wrong, 'a', 20);
    const before = await settled(wrong);
    give('b', rowsOf(200, 10, -1));
    await untilRows(wrong, 'a', 30);
    await wrong.kill('SIGKILL');

    const given = ['--before', before, '--json'];
    const repaired = startTidemark([
      ...['rollback', JOB, ...given],
      ...argumentsOf('a', ['--clean', 'true']),
    ]);
    running.push(repaired);
    give('c', rowsOf(300, 7));
    expect(await repaired.until(() => repaired.count('starting') > 0)).toBe(true);
    await untilRows(repaired, 'a', 27);
  });

  it('leaves a sink as it is only if that was asked for', async () => {
    give('a', rowsOf(0, 20));
    const job = start('a', '--files', `${root}/files`);
    await untilRows(job, 'a', 20);
    const before = await settled(job);
    await job.kill('SIGKILL');

    const own = ['--files', `${root}/files`];
    const refused = await rollback(['--before', before, '--no-start'], own);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('Pass --leave files');
    const left = await rollback(['--before', before, '--no-start', '--leave', 'files'], own);
    expect(left, left.stderr).toMatchObject({ code: 0 });
    expect(left.stdout).toMatch(/files +sink files +stays as it is/);
    const early = await rollback(['--before', '2020-01-01', '--no-start', '--leave', 'files'], own);
    expect(early).toMatchObject({ code: 2 });
    expect(early.stderr).toContain('CLI-084');
  });
});
