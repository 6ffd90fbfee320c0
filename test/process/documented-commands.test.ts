/*
 * Goal: command lines of the documentation that users come from run as they stand there, with `tidemark` for
 * `flink` and `.ts` for `.jar`: each ends with code 0 and has the effect that is promised for it.
 *
 * Method: one list (test/support/documented-commands.yaml) against one real service with real jobs, in a project
 * as `tidemark init` makes it. A job's output tells whether its state and its source went on from one moment.
 *
 * Left out, since the lines are not of the command: `hdfs dfs` and `aws s3` (listing, removing and measuring folders:
 * `tidemark savepoints list` and `savepoint -d` do that on every storage), `find … -mtime +7 -exec rm`, which takes
 * files of running jobs away, here as there, and cron itself. The Python script that shows settings is
 * examples/checkpoint-recovery.ts, with a test in settings.test.ts. SQL scripts and YAML for Kubernetes are no
 * command lines of a job.
 *
 * Replay: npm run test:process -- documented-commands
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { startOf } from '../../src/service/process-identity.ts';
import { STORIES, StoryTeller } from '../support/documented-commands.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { ShellProcess } from '../support/shell-process.ts';
import {
  configure,
  countsIn,
  expectWhole,
  KEYS,
  makeProject,
  projectPath,
} from '../support/sales-pipeline.ts';
import { runTidemark, settings } from '../support/tidemark-process.ts';

const LOOK_MS = 10;

let root: string;
let home: string;
const homes = new Set<string>();

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-documented-')));
  home = `${root}/home`;
  await startService(home);
});

afterAll(async () => {
  for (const each of homes) await service(each, 'stop');
  removeFolder(root);
});

function service(folder: string, ...args: readonly string[]) {
  return runTidemark(['service', ...args], { env: { TIDEMARK_HOME: folder } });
}

async function startService(folder: string): Promise<void> {
  homes.add(folder);
  const started = await service(folder, 'start', ...settings({ 'rest.bind-port': '0' }));
  expect(started, started.stderr).toMatchObject({ code: 0 });
}

async function killService(folder: string): Promise<void> {
  const { stdout } = await service(folder, 'status', '--json');
  const { pid } = JSON.parse(stdout) as { readonly pid: number };
  process.kill(pid, 'SIGKILL');
  // Until it is gone no other one may have its folder.
  while (startOf(pid) !== undefined) await sleep(systemClock, LOOK_MS);
}

it.each(STORIES.map((story, at) => [story.title, story, at] as const))(
  '%s',
  async (_title, story, at) => {
    const folder = `${root}/story-${at}`;
    const place = { url: `file://${folder}/storage`, env: {} };
    const teller = await StoryTeller.begin(story, folder, place, home);
    try {
      for (const line of story.lines) await teller.tell(line);
    } finally {
      await teller.end();
    }
  },
);

const RESTARTS = {
  'is stopped and started again': async (folder: string) => {
    await service(folder, 'stop');
    await startService(folder);
    return folder;
  },
  'is killed and started again': async (folder: string) => {
    await killService(folder);
    await startService(folder);
    return folder;
  },
  'is lost, and another one knows nothing but the checkpoints': async (folder: string) => {
    await killService(folder);
    await startService(`${folder}-elsewhere`);
    return `${folder}-elsewhere`;
  },
};

it.each(Object.entries(RESTARTS))(
  'jobs are submitted again when their service %s',
  async (title, restarted) => {
    const folder = `${root}/${title.replaceAll(/[^a-z]/g, '-')}`;
    const jobs = ['job1', 'job2'];
    await makeProject(folder, { job1: 'job1', job2: 'job2' });
    const variables = jobs.flatMap((job) => [
      [`${job.toUpperCase()}_OUT`, `out/${job}`],
      [`${job.toUpperCase()}_KEYS`, KEYS],
    ]);
    configure(folder, {
      FLINK_CHECKPOINT_STORAGE: `file://${folder}/storage`,
      FLINK_PARALLELISM: 1,
      ...Object.fromEntries(variables),
    });
    const outputs = () => jobs.map((job) => countsIn(`${folder}/out/${job}`));
    const run = (data: string, line: string) => {
      const env = { PATH: projectPath(folder), TIDEMARK_HOME: data };
      return new ShellProcess(line, { cwd: folder, env }).ended;
    };
    const submitted = async (data: string, says: string) => {
      const before = outputs().map((counts) => counts.length);
      const ids: string[] = [];
      for (const job of jobs) {
        const { code, stdout, stderr } = await run(data, `tidemark run -d ${job}.ts`);
        expect(code, stderr).toBe(0);
        expect(stdout).toContain(says);
        ids.push(/JobID (\w{32})/.exec(stdout)?.[1] ?? '');
      }
      while (!outputs().every((counts, at) => counts.length > (before[at] ?? 0) + KEYS)) {
        await sleep(systemClock, LOOK_MS);
      }
      return ids;
    };
    const data = `${folder}/home`;
    await startService(data);
    const before = await submitted(data, 'starting fresh');
    const later = await restarted(data);
    expect(await submitted(later, 'Restoring job from latest checkpoint')).toEqual(before);
    // What is not the same is no repetition: it would take the running job's place.
    const other = await run(later, 'tidemark run -d -p 2 job1.ts');
    expect(other).toMatchObject({ code: 2 });
    expect(other.stderr).toContain('JOB-031');
    for (const counts of outputs()) expectWhole(counts, { isFresh: true, isInOrder: true });
  },
);
