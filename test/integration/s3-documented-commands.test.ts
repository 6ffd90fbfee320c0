/*
 * Goal: command lines of the documentation that users come from run as they stand there with snapshots on S3, too, as
 * `s3://` and as `s3a://`: each ends with code 0 and has the effect that is promised for it.
 *
 * Method: the list and the checks of test/process/documented-commands.test.ts, with a bucket of a real server as the base of all
 * paths. One service for each spelling, with settings as the programs of such documents have them: variables for the keys,
 * and a conf/flink-conf.yaml with `fs.s3a.*`.
 *
 * Left out are lines that look at the disk (`ls`): `file: true` in the list. In their place stands `savepoints list`.
 *
 * Replay: npm run test:integration -- s3-documented-commands
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeBucket, s3Variables, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { STORIES, StoryTeller, type Story } from '../support/documented-commands.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { runTidemark, settings } from '../support/tidemark-process.ts';

const BUCKET = 'documented';

let root: string;
let server: S3Service;

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-s3-documented-')));
  fs.mkdirSync(`${root}/s3`);
  server = await startS3({ folder: `${root}/s3` });
  await makeBucket(server, BUCKET);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await server.stop();
  removeFolder(root);
});

const SPELLINGS = {
  s3: () => s3Variables(server),
  s3a: () => {
    const conf = {
      'fs.s3a.endpoint': server.endpoint,
      'fs.s3a.access.key': server.accessKey,
      'fs.s3a.secret.key': server.secretKey,
      'fs.s3a.path.style.access': 'true',
    };
    const lines = Object.entries(conf).map(([key, value]) => `${key}: ${value}\n`);
    fs.mkdirSync(`${root}/conf`, { recursive: true });
    fs.writeFileSync(`${root}/conf/flink-conf.yaml`, lines.join(''));
    return { FLINK_CONF_DIR: `${root}/conf` };
  },
};

describe.each(Object.entries(SPELLINGS))('%s://', (scheme, reach) => {
  const home = (): string => `${root}/home-${scheme}`;
  const service = (...args: readonly string[]) =>
    runTidemark(['service', ...args], { env: { ...reach(), TIDEMARK_HOME: home() } });

  beforeAll(async () => {
    const started = await service('start', ...settings({ 'rest.bind-port': '0' }));
    expect(started, started.stderr).toMatchObject({ code: 0 });
  });

  afterAll(async () => {
    await service('stop');
  });

  it.each(STORIES.map((story, at) => [story.title, story, at] as const))(
    '%s',
    async (_title, story, at) => {
      const place = { url: `${scheme}://${BUCKET}/${scheme}-${at}`, env: reach() };
      const teller = await StoryTeller.begin(story, `${root}/${scheme}-${at}`, place, home());
      try {
        for (const line of linesOf(story)) await teller.tell(line);
      } finally {
        await teller.end();
      }
    },
  );
});

function linesOf(story: Story): Story['lines'] {
  return story.lines.map((told) => ({
    ...told,
    line: told.file ? told.line.replace(/^ls -la/, 'tidemark savepoints list') : told.line,
  }));
}
