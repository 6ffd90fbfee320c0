/*
 * Goal: how far a restore is can be seen while records are processed: as events of `run --json`, and over REST in
 * an answer of its own; at its end all of it is verified, and what is read is what was written.
 * Method: a real job with some 80 MB of state in a savepoint; it starts from that in a process of its own, and in
 * the service.
 * Replay: npm run test:process -- restore-progress
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { isRestored, type RestoreProgress } from '../../src/common/restore-progress.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
  type Run,
} from '../support/tidemark-process.ts';

const KEYS = 150_000;
const VALUE_BYTES = 500;
const LOOK_MS = 5;
const TRIES_MAX = 5;
/** All keys are written before the job is stopped; some bytes of each are its own. */
const LEAST_BYTES = KEYS * VALUE_BYTES;

let root: string;
let savepoint: string;

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-restore-')));
  await expectOk(run('service', 'start', ...settings({ 'rest.bind-port': '0' })));
  await expectOk(run('run', '-d', ...job('first')));
  // A savepoint after the last of what fills the state has all of the keys.
  while (!(await isFilled())) await sleep(systemClock, LOOK_MS);
  const stopped = await expectOk(run('stop', 'recovery', '-p', `${root}/savepoints`));
  savepoint = /Savepoint completed\. Path: (\S+)\n/.exec(stopped)?.[1] ?? '';
  expect(savepoint).not.toBe('');
});

afterAll(async () => {
  await run('service', 'stop');
  removeFolder(root);
});

function run(...args: readonly string[]): Promise<Run> {
  return runTidemark(args, { env: { TIDEMARK_HOME: `${root}/home` } });
}

async function expectOk(ended: Promise<Run>): Promise<string> {
  const { code, stdout, stderr } = await ended;
  expect(code, stderr + stdout).toBe(0);
  return stdout;
}

/** The job of the bench, which fills its state and then reads it. */
function job(probe: string): string[] {
  fs.mkdirSync(`${root}/${probe}`);
  const engine = settings({
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '200ms',
    'execution.checkpointing.min-pause': '0',
    'parallelism.default': '1',
  });
  const own = ['--probe', `${root}/${probe}`, '--keys', String(KEYS)];
  const state = ['--value-bytes', String(VALUE_BYTES), '--rate', '200'];
  return [...engine, 'bench/recovery/job.ts', '--', ...own, ...state];
}

interface Status {
  readonly job: {
    readonly vertices: readonly {
      readonly name: string;
      readonly metrics: { readonly 'write-records': number };
    }[];
  };
}

/** Whether all keys are written, or on their way before any barrier. */
async function isFilled(): Promise<boolean> {
  const { job } = JSON.parse(await expectOk(run('status', 'recovery', '--json'))) as Status;
  const fill = job.vertices.find(({ name }) => name.startsWith('fill'));
  return fill?.metrics['write-records'] === KEYS;
}

/** Of each read, in order, whether it was what was written. */
function correctReads(probe: string): boolean[] {
  const files = fs.readdirSync(`${root}/${probe}`).filter((name) => name.endsWith('.lines'));
  return files
    .flatMap((name) => fs.readFileSync(`${root}/${probe}/${name}`, 'utf8').split('\n'))
    .filter((line) => / [01]$/.test(line))
    .map((line) => line.endsWith(' 1'));
}

/** Runs it until all is restored, a checkpoint is complete, and something of it was read. */
async function restored(probe: string): Promise<NodeProcess> {
  const running = startTidemark(['run', '--json', '-s', savepoint, ...job(probe)]);
  const isDone = () =>
    running.count('restored') > 0 &&
    running.count('checkpoint-completed') > 0 &&
    correctReads(probe).length > 0;
  expect(await running.until(isDone)).toBe(true);
  await running.kill('SIGINT');
  expect(correctReads(probe)).not.toContain(false);
  return running;
}

it('events of run --json tell it', async () => {
  let running = await restored('second');
  // A process that got no time meanwhile has seen only the end of it: then once more.
  for (let tries = 1; running.count('restoring') === 0 && tries < TRIES_MAX; tries += 1) {
    running = await restored(`second-${tries}`);
  }
  const kinds = ['restoring', 'restored'];
  const told = running.events.filter(({ kind }) => kinds.includes(kind));
  const last = told.at(-1) as unknown as RestoreProgress;
  expect(told.at(-1)?.kind).toBe('restored');
  expect(last.totalBytes).toBeGreaterThan(LEAST_BYTES);
  expect(last).toMatchObject({ loadedBytes: last.totalBytes, verifiedBytes: last.totalBytes });
  expect(running.count('restoring')).toBeGreaterThan(0);
  const verified = told.map((event) => Number(event['verifiedBytes']));
  expect(verified).toEqual(verified.toSorted((a, b) => a - b));
});

it('the service answers it, and status shows it', async () => {
  await expectOk(run('run', '-d', '-s', savepoint, ...job('third')));
  for (;;) {
    const answer = await expectOk(run('status', 'recovery', '--json'));
    const { restore } = JSON.parse(answer) as { readonly restore: RestoreProgress | null };
    if (restore === null || !isRestored(restore)) continue;
    expect(restore.totalBytes).toBeGreaterThan(LEAST_BYTES);
    break;
  }
  expect(await expectOk(run('status', 'recovery'))).not.toContain('Restoring');
  await expectOk(run('cancel', 'recovery'));
  expect(correctReads('third')).not.toContain(false);
});
