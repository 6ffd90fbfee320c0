/*
 * Goal: however often processes of the main job are killed, what can be seen of its output is never
 * wrong and never twice, and in the end all of it is there.
 * Method: sixty times kill -9 at a random moment: a TaskManager, whose place the job fills by itself;
 * the JobManager; or all processes at once, after both of which it is started again, at a random
 * parallelism. A moment is a condition: the first event, the first record, so many reports or
 * checkpoints, a file of the checkpoint or of the output that has just appeared. After each kill the
 * finished files are compared with those of an undisturbed run, which the Python reference has checked.
 * Replay: SEED=<printed> npm run test:process -- health-pipeline-kills. The seed gives the moments; what
 * the processes do meanwhile is the machine's.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomInt, type Random } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { FinishedLines, finishedFiles, lineKeys } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import {
  REPOSITORY,
  runReference,
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

/** Twenty of each. */
const VICTIMS = ['TaskManager', 'JobManager', 'everything'] as const;
const KILLS = 20 * VICTIMS.length;
/**
 * Rows per second of each file, of which the longer has 52,281: after all kills a part of it must be left, also on a
 * machine that is ten times slower.
 */
const RATE = 150;
const REPORTS_MAX = 4;
const CHECKPOINTS_MAX = 4;
const PARALLELISM_MAX = 3;
/** Kills between two looks of the reference: it takes its time, and meanwhile no job may use up its input. */
const REFERENCE_EVERY = 10;
/** Different checkpoints that were restored. Many kills come before a new one, more on a slow machine. */
const RESTORED_MIN = 3;
const DATA = `${REPOSITORY}/examples/data`;
const SINKS = ['vitals', 'vitals_hourly', 'dlq'];
/** Sixty starts and recoveries on a machine that is ten times slower. */
const TEST_MS = 1_200_000;

let root: string;

beforeAll(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-kills-'));
});

afterAll(() => {
  removeFolder(root);
});

interface Moment {
  readonly text: string;
  /** Called when the process has been started; says whether the moment has come. */
  readonly watch: (process: NodeProcess) => () => boolean;
}

/** @param isFresh The process has just been started. */
function drawMoment(random: Random, isFresh: boolean): Moment {
  const kinds = [
    () => {
      const count = 1 + randomInt(random, REPORTS_MAX);
      return { text: `after ${count} reports of progress`, watch: untilEvents('progress', count) };
    },
    () => {
      const count = 1 + randomInt(random, CHECKPOINTS_MAX);
      return {
        text: `at its checkpoint ${count}`,
        watch: untilEvents('checkpoint-completed', count),
      };
    },
    () => ({ text: 'when metadata was written', watch: untilNew(metadataFiles) }),
    () => {
      const sink = SINKS[randomInt(random, 2)] ?? '';
      const files = (): string[] => finishedFiles(`${root}/killed/${sink}`);
      return { text: `when a file of ${sink} was finished`, watch: untilNew(files) };
    },
    () => ({ text: 'at its first event', watch: untilEvents('starting', 1) }),
    () => ({ text: 'when a TaskManager has started', watch: untilEvents('task-manager', 1) }),
  ];
  const kind = kinds[randomInt(random, isFresh ? kinds.length : kinds.length - 2)];
  expect(kind).toBeDefined();
  return kind?.() ?? { text: '', watch: () => () => true };
}

/** Counted from now on. */
function untilEvents(kind: string, count: number): Moment['watch'] {
  return (process) => {
    const before = process.count(kind);
    return () => process.count(kind) >= before + count;
  };
}

function untilNew(files: () => string[]): Moment['watch'] {
  return () => {
    const before = new Set(files());
    return () => files().some((file) => !before.has(file));
  };
}

function metadataFiles(): string[] {
  const folder = `${root}/checkpoints`;
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .flatMap((job) => namesIn(`${folder}/${job}`).map((name) => `${folder}/${job}/${name}`))
    .filter((name) => fs.existsSync(`${name}/_metadata`));
}

function namesIn(folder: string): string[] {
  return fs.statSync(folder).isDirectory() ? fs.readdirSync(folder) : [];
}

function start(parallelism: number, rate: number): NodeProcess {
  return startTidemark([
    ...['run', 'examples/health-pipeline.ts', '--json', '-p', String(parallelism)],
    ...settings({
      'execution.checkpointing.dir': `${root}/checkpoints`,
      'execution.checkpointing.interval': '100ms',
      'execution.checkpointing.min-pause': '0',
      'taskmanager.numberOfTaskSlots': '1',
      'restart-strategy.fixed-delay.attempts': '1000',
      'restart-strategy.fixed-delay.delay': '0',
    }),
    ...['--', '--sink', 'files', '--rate', String(rate), '--out', `${root}/killed`],
  ]);
}

function shuffled(random: Random): (typeof VICTIMS)[number][] {
  return Array.from({ length: KILLS }, (_, index) => ({
    victim: VICTIMS[index % VICTIMS.length] ?? 'everything',
    order: random.next(),
  }))
    .sort((a, b) => a.order - b.order)
    .map(({ victim }) => victim);
}

/** Those that have been started and were not lost. */
function taskManagersOf(job: NodeProcess): number[] {
  const pids = new Set<number>();
  for (const event of job.events) {
    if (event.kind !== 'task-manager') continue;
    if (event['status'] === 'lost') pids.delete(Number(event['pid']));
    else pids.add(Number(event['pid']));
  }
  return [...pids];
}

/** @returns The process, if it still lives and will go on. */
async function strike(
  job: NodeProcess,
  victim: (typeof VICTIMS)[number],
  random: Random,
  what: string,
): Promise<NodeProcess | undefined> {
  if (victim === 'TaskManager') {
    expect(await job.until(() => taskManagersOf(job).length > 0), what).toBe(true);
    const pids = taskManagersOf(job);
    kill(pids[randomInt(random, pids.length)]);
    return job;
  }
  if (victim === 'everything') for (const pid of taskManagersOf(job)) kill(pid);
  await job.kill('SIGKILL');
  return undefined;
}

/** It may have been killed before, and nobody has told of it yet. */
function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  } catch (error) {
    expect(error).toMatchObject({ code: 'ESRCH' });
  }
}

it(
  `survives ${KILLS} kills at random moments (SEED=${seed})`,
  async () => {
    const random = seededRandom(seed);
    const undisturbed = await runTidemark([
      ...['run', 'examples/health-pipeline.ts'],
      ...settings({ 'execution.checkpointing.dir': `${root}/undisturbed-checkpoints` }),
      ...['--', '--sink', 'files', '--out', `${root}/undisturbed`],
    ]);
    expect(undisturbed, undisturbed.stderr).toMatchObject({ code: 0 });
    expect(runReference('check', DATA, `${root}/undisturbed`)).toMatchObject({ code: 0 });
    const visible = SINKS.map(
      (sink) =>
        new FinishedLines(
          `${root}/killed/${sink}`,
          finishedFiles(`${root}/undisturbed/${sink}`).flatMap(lineKeys),
        ),
    );

    const restored = new Set<unknown>();
    let compared = 0;
    let running: NodeProcess | undefined;
    for (const [index, victim] of shuffled(random).entries()) {
      const parallelism = 1 + randomInt(random, PARALLELISM_MAX);
      const moment = drawMoment(random, running === undefined);
      const what = `SEED=${seed}, kill ${index + 1}, ${victim} ${moment.text}`;
      running ??= start(parallelism, RATE);
      const hasCome = await running.until(moment.watch(running));
      const survivor = await strike(running, victim, random, what);
      expect(hasCome, `${what}: ended before`).toBe(true);
      restored.add(running.events.find(({ kind }) => kind === 'starting')?.['restoredCheckpoint']);
      running = survivor;
      for (const each of visible) expect(each.look(), what).toEqual([]);
      if (running === undefined && index >= compared) {
        compared = index + REFERENCE_EVERY;
        const check = runReference('check', DATA, `${root}/killed`, '--subset');
        expect(check, `${what}: ${check.stderr}`).toMatchObject({ code: 0 });
      }
    }
    await running?.kill('SIGKILL');

    const last = await start(2, 1_000_000).ended;
    expect(last, `SEED=${seed}\n${last.stdout}${last.stderr}`).toMatchObject({ code: 0 });
    for (const each of visible) {
      expect(each.look(), `SEED=${seed}`).toEqual([]);
      expect(each.missing(), `SEED=${seed}`).toEqual([]);
    }
    const check = runReference('check', DATA, `${root}/killed`);
    expect(check, `SEED=${seed}: ${check.stderr}`).toMatchObject({ code: 0 });
    // Or it would have begun anew each time, and nothing would have been restored.
    expect(restored.size, `SEED=${seed}`).toBeGreaterThanOrEqual(RESTORED_MIN);
  },
  TEST_MS,
);
