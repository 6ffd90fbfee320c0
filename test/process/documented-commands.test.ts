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
import { STORIES, StoryTeller } from '../support/documented-commands.ts';
import { runTidemark, settings } from '../support/tidemark-process.ts';

let root: string;
let home: string;

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-documented-')));
  home = `${root}/home`;
  const started = await service('start', ...settings({ 'rest.bind-port': '0' }));
  expect(started, started.stderr).toMatchObject({ code: 0 });
});

afterAll(async () => {
  await service('stop');
  fs.rmSync(root, { recursive: true });
});

function service(...args: readonly string[]) {
  return runTidemark(['service', ...args], { env: { TIDEMARK_HOME: home } });
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
