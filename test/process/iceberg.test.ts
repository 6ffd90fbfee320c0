/*
 * Goal: whatever dies and whenever, a reader of the Iceberg table sees whole checkpoints, each once, and in
 * the end every row once.
 * Method: a real job from dist/, killed with kill -9 at random moments: a TaskManager, whose place is filled,
 * or all of it, after which it is started again. Meanwhile DuckDB looks at the table as often as it can. In
 * the end every count that it saw must be that of a snapshot, and PyIceberg and DuckDB read all rows.
 * Replay: SEED=<printed> npm run test:process -- iceberg. The seed gives the moments; what the processes do
 * meanwhile is the machine's.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { randomInt } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { ICEBERG_PACKAGES, PYTHON_SETUP_MS, pythonWith, run } from '../support/python.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import {
  REPOSITORY,
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const KILLS = 10;
const COUNT = 40_000;
/** Rows per second: the kills must be over before all rows are out, also on a machine that is ten times slower. */
const RATE = 100;
const CHECKPOINTS_MAX = 4;
const PARALLELISM_MAX = 3;
const SCRIPT = `${REPOSITORY}/test/reference/iceberg_rows.py`;

let python: string;
let root: string;

beforeAll(() => {
  python = pythonWith(ICEBERG_PACKAGES);
}, PYTHON_SETUP_MS);

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-iceberg-'));
});

afterEach(() => {
  removeFolder(root);
});

function args(parallelism: number, rate: number): string[] {
  const engine = {
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '150ms',
    'execution.checkpointing.min-pause': '0',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': '100',
    'restart-strategy.fixed-delay.delay': '10ms',
  };
  return [
    ...['run', 'test/process/jobs/iceberg.ts', '--json', '-p', String(parallelism)],
    ...settings(engine),
    ...['--', '--warehouse', `${root}/lake`, '--count', String(COUNT), '--rate', String(rate)],
  ];
}

interface Look {
  readonly rows: number;
  readonly ids: number;
  readonly sum: number;
}

/** DuckDB in a process of its own, that looks at the table again as soon as it has seen it. */
function watchTable(folder: string): { stop(): Promise<Look[]>; looks(): number } {
  const child = spawn(python, [SCRIPT, 'watch', folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const looks: Look[] = [];
  const errors: string[] = [];
  let isOver = false;
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const ask = (): void => {
    if (!isOver) child.stdin.write('\n');
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    const look = JSON.parse(line) as Look | { error: string };
    if ('rows' in look) looks.push(look);
    // Before the sink has made the table there is none.
    else if (looks.length > 0) errors.push(look.error);
    ask();
  });
  ask();
  return {
    looks: () => looks.length,
    stop: async () => {
      isOver = true;
      child.stdin.end();
      await ended;
      expect(errors).toEqual([]);
      return looks;
    },
  };
}

interface StoredSnapshot {
  readonly summary: Readonly<Record<string, string>>;
}

function snapshotsIn(folder: string): readonly StoredSnapshot[] {
  const version = fs.readFileSync(`${folder}/metadata/version-hint.text`, 'utf8').trim();
  const text = fs.readFileSync(`${folder}/metadata/v${version}.metadata.json`, 'utf8');
  return (JSON.parse(text) as { snapshots: StoredSnapshot[] }).snapshots;
}

function taskManagersOf(job: NodeProcess): number[] {
  const pids = job.events
    .filter(({ kind }) => kind === 'task-manager')
    .map((event) => Number(event['pid']))
    .filter((pid) => Number.isInteger(pid) && pid > 0);
  return [...new Set(pids)].filter((pid) => fs.existsSync(`/proc/${pid}`));
}

it(`a table holds whole checkpoints once, through ${KILLS} kills (SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  const folder = `${root}/lake/test/readings`;
  const watcher = watchTable(folder);
  const start = () => startTidemark(args(1 + randomInt(random, PARALLELISM_MAX), RATE));
  let job = start();
  for (let kill = 1; kill <= KILLS; kill++) {
    const checkpoints = job.count('checkpoint-completed') + 1 + randomInt(random, CHECKPOINTS_MAX);
    const hasCome = await job.until(() => job.count('checkpoint-completed') >= checkpoints);
    if (!hasCome) expect.unreachable(`SEED=${seed}: ${(await job.ended).stderr}`);
    // The reader may be slower than checkpoints are: it has to have begun to look since this one.
    const looked = watcher.looks() + 2;
    await job.until(() => watcher.looks() >= looked);
    const [taskManager] = taskManagersOf(job);
    if (randomInt(random, 3) > 0 && taskManager !== undefined) {
      process.kill(taskManager, 'SIGKILL');
      continue;
    }
    await job.kill('SIGKILL');
    job = start();
  }
  await job.kill('SIGKILL');
  const last = await runTidemark(args(2, 1_000_000));
  expect(last, `SEED=${seed}\n${last.stdout}${last.stderr}`).toMatchObject({ code: 0 });
  const seen = watcher.looks();
  await expect.poll(() => watcher.looks()).toBeGreaterThan(seen + 1);
  const looks = await watcher.stop();

  const snapshots = snapshotsIn(folder);
  const totals = new Set([0, ...snapshots.map(({ summary }) => Number(summary['total-records']))]);
  for (const look of looks) {
    const what = `SEED=${seed}: ${JSON.stringify(look)}`;
    expect(look.ids, what).toBe(look.rows);
    expect(totals.has(look.rows), what).toBe(true);
  }
  expect(looks.map(({ rows }) => rows)).toEqual(
    looks.map(({ rows }) => rows).sort((a, b) => a - b),
  );
  // Not only the empty table and the last one; how many depends on how busy the machine is.
  expect(new Set(looks.map(({ rows }) => rows)).size).toBeGreaterThan(2);
  const all = { rows: COUNT, ids: COUNT, sum: (COUNT * (COUNT - 1)) / 2 };
  expect(looks.at(-1)).toEqual(all);

  const checkpoints = snapshots.map(({ summary }) =>
    Number(summary['flink.max-committed-checkpoint-id']),
  );
  expect(checkpoints).toEqual([...new Set(checkpoints)].sort((a, b) => a - b));
  const version = fs.readFileSync(`${folder}/metadata/version-hint.text`, 'utf8').trim();
  const metadata = `${folder}/metadata/v${version}.metadata.json`;
  const read = JSON.parse(run(python, [SCRIPT, 'read', 'hadoop', folder, metadata])) as {
    rows: { id: number }[];
  };
  const ids = read.rows.map(({ id }) => id).sort((a, b) => a - b);
  expect(ids).toEqual(Array.from({ length: COUNT }, (_, id) => id));
});
