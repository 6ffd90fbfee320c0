/*
 * Goal: however often the process of the main job is killed, what can be seen of its output is never
 * wrong and never twice, and in the end all of it is there.
 * Method: thirty times, kill -9 at a random moment and start again, at a random parallelism. A moment
 * is a condition: the first event, the first record, so many records or checkpoints, a file of the
 * checkpoint or of the output that has just appeared. After each kill the finished files are compared
 * with those of an undisturbed run, which the Python reference has checked.
 * Replay: SEED=<printed> npm run test:process -- health-pipeline-kills. The seed gives the moments; what
 * the processes do meanwhile is the machine's.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { randomInt, systemRandom, type Random } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { FinishedLines, finishedFiles, lineKeys } from '../support/finished-lines.ts';
import {
  REPOSITORY,
  runReference,
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const KILLS = 30;
/** Rows per second of each file: after all kills a part of the longer one must be left. */
const RATE = 1_500;
const RECORDS_MAX = 1_500;
const CHECKPOINTS_MAX = 5;
const PARALLELISM_MAX = 3;
const REFERENCE_EVERY = 10;
/** Different checkpoints that were restored. Many kills come before a new one, more on a slow machine. */
const RESTORED_MIN = 3;
const DATA = `${REPOSITORY}/examples/data`;
const SINKS = ['vitals', 'vitals_hourly', 'dlq'];
const TEST_MS = 240_000;

const seed = Number(process.env['SEED'] ?? randomInt(systemRandom, 2 ** 31));

let root: string;

beforeAll(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-kills-'));
});

afterAll(() => {
  fs.rmSync(root, { recursive: true });
});

interface Moment {
  readonly text: string;
  /** Called when the process has been started; says whether the moment has come. */
  readonly watch: (process: NodeProcess) => () => boolean;
}

function drawMoment(random: Random): Moment {
  const kinds = [
    () => ({ text: 'at its first event', watch: untilEvents('starting', 1) }),
    () => ({ text: 'at its first record', watch: untilEvents('progress', 1) }),
    () => {
      const records = 1 + randomInt(random, RECORDS_MAX);
      return { text: `after ${records} records`, watch: untilRecords(records) };
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
  ];
  const kind = kinds[randomInt(random, kinds.length)];
  expect(kind).toBeDefined();
  return kind?.() ?? { text: '', watch: () => () => true };
}

function untilEvents(kind: string, count: number): Moment['watch'] {
  return (process) => () => process.count(kind) >= count;
}

function untilRecords(records: number): Moment['watch'] {
  return (process) => () => process.recordsRead() >= records;
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
    }),
    ...['--', '--rate', String(rate), '--out', `${root}/killed`],
  ]);
}

it(
  `survives ${KILLS} kills at random moments (SEED=${seed})`,
  async () => {
    const random = seededRandom(seed);
    const undisturbed = await runTidemark([
      ...['run', 'examples/health-pipeline.ts'],
      ...settings({ 'execution.checkpointing.dir': `${root}/undisturbed-checkpoints` }),
      ...['--', '--out', `${root}/undisturbed`],
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
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const parallelism = 1 + randomInt(random, PARALLELISM_MAX);
      const moment = drawMoment(random);
      const what = `SEED=${seed}, kill ${kill} at parallelism ${parallelism} ${moment.text}`;
      const running = start(parallelism, RATE);
      const hasCome = await running.until(moment.watch(running));
      const ended = await running.kill('SIGKILL');
      expect(hasCome, `${what}: ended before\n${ended.stdout}${ended.stderr}`).toBe(true);
      restored.add(running.events.find(({ kind }) => kind === 'starting')?.['restoredCheckpoint']);
      for (const each of visible) expect(each.look(), what).toEqual([]);
      if (kill % REFERENCE_EVERY === 0) {
        const check = runReference('check', DATA, `${root}/killed`, '--subset');
        expect(check, `${what}: ${check.stderr}`).toMatchObject({ code: 0 });
      }
    }

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
