/*
 * Goal: bash, zsh and fish complete commands, their subcommands, options and values, jobs of the service, snapshots
 * on the disk, keys of settings, and files where the shell knows them itself.
 * Method: the real shells on a terminal load the script, and a person's keys are typed. What each shell asks for is
 * `tidemark complete`, which a table goes through. A shell that is not there is installed where the test may
 * do so; elsewhere its tests are skipped, and counted as such.
 * Replay: npm run test:process -- completion
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecordedService } from '../support/recorded-service.ts';
import { hasShell, SHELL_SETUP_MS, typeInto, type ShellName } from '../support/shells.ts';
import { REPOSITORY, runTidemark } from '../support/tidemark-process.ts';

const ID = '02423caa95fb3189599b51c06bdcc777';
/** Where an S3 server might be. */
const NOBODY = 'http://127.0.0.1:1';
const OVER = 'be6571627414a46b2120ffb6b45982c3';

let service: RecordedService;
let root: string;

beforeAll(async () => {
  service = await RecordedService.start([
    { jid: ID, name: 'orders', state: 'RUNNING' },
    { jid: OVER, name: 'returns', state: 'FINISHED' },
  ]);
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-completion-')));
  for (const folder of ['savepoint-02423c-0a1b2c3d4e5f', 'other', `checkpoints/${ID}/chk-7`]) {
    fs.mkdirSync(`${root}/sp/${folder}`, { recursive: true });
    if (folder !== 'other') fs.writeFileSync(`${root}/sp/${folder}/_metadata`, '');
  }
  fs.writeFileSync(`${root}/pipeline.ts`, '');
  fs.mkdirSync(`${root}/bin`);
  const command = `#!/bin/sh\nexec '${process.execPath}' '${REPOSITORY}/bin/tidemark.mjs' "$@"\n`;
  fs.writeFileSync(`${root}/bin/tidemark`, command, { mode: 0o755 });
});

afterAll(async () => {
  await service.close();
  fs.rmSync(root, { recursive: true });
});

interface Asked {
  readonly values: readonly string[];
  readonly own: string | undefined;
}

/** What it asks a service for has to come within a second: on a busy machine it may take a few tries. */
const TRIES_MAX = 20;

async function askForJobs(words: readonly string[]): Promise<Asked> {
  let asked = await ask(words);
  for (let tries = 1; asked.values.length === 0 && tries < TRIES_MAX; tries += 1) {
    asked = await ask(words);
  }
  return asked;
}

async function ask(words: readonly string[], address = service.address): Promise<Asked> {
  const env = { TIDEMARK_SERVICE: address, FLINK_CHECKPOINT_STORAGE: `${root}/sp/checkpoints` };
  const savepoints = { FLINK_SAVEPOINT_DIRECTORY: `${root}/sp`, S3_ENDPOINT: NOBODY };
  const options = { cwd: root, env: { ...env, ...savepoints } };
  const { code, stdout, stderr } = await runTidemark(['complete', '--', ...words], options);
  expect(code, stderr).toBe(0);
  const values = stdout.split('\n').flatMap((line) => line.split('\t')[0] ?? []);
  return { values: values.slice(0, -2), own: values.at(-2) };
}

const NOTHING = ':nothing';

describe('what fits is', () => {
  it.each([
    [['sav'], ['savepoint', 'savepoints'], NOTHING],
    [['upgrade', 'ch'], ['check'], NOTHING],
    [['savepoints', 'list', '--js'], ['--json'], NOTHING],
    [['inspect', '--dif'], ['--diff'], NOTHING],
    [['stop', 'my-job', '--savepointP'], ['--savepointPath'], NOTHING],
    [['run', '--claimMode', ''], ['CLAIM', 'NO_CLAIM'], NOTHING],
    [['completion', ''], ['bash', 'zsh', 'fish'], NOTHING],
    [
      ['run', '-D', 'execution.checkpointing.interv'],
      ['execution.checkpointing.interval='],
      NOTHING,
    ],
    [['run', ''], [], ':files'],
    [['run', 'job.ts', '--', '--inp'], [], ':files'],
    [['savepoint', 'orders', ''], [], ':directories'],
    // Flink's spelling with one dash has a value as well.
    [['stop', '-savepointPath', '/tmp', 'or'], ['orders'], NOTHING],
    [['nonsense', 'more', ''], [], NOTHING],
  ] as const)('of %j', async (words, values, own) => {
    const asked = values.length > 0 ? await askForJobs(words) : await ask(words);
    expect(asked).toEqual({ values, own });
  });

  it('a job: by its name, or its id once that is begun', async () => {
    for (const command of ['savepoint', 'stop', 'cancel', 'checkpoint']) {
      expect(await askForJobs([command, ''])).toEqual({ values: ['orders'], own: NOTHING });
    }
    expect((await askForJobs(['stop', '--drain', '-p', '/tmp', ''])).values).toEqual(['orders']);
    expect((await askForJobs(['cancel', '02'])).values).toEqual([ID]);
    expect((await askForJobs(['status', ''])).values.toSorted()).toEqual(['orders', 'returns']);
    expect((await askForJobs(['status', 'be'])).values).toEqual([OVER]);
  });

  it('no job where no service answers', async () => {
    expect(await ask(['cancel', ''], '127.0.0.1:1')).toEqual({ values: [], own: NOTHING });
  });

  it('a snapshot: below the folder that is typed, or of this project', async () => {
    const savepoint = `${root}/sp/savepoint-02423c-0a1b2c3d4e5f`;
    const checkpoint = `${root}/sp/checkpoints/${ID}/chk-7`;
    expect((await ask(['run', '-s', `${root}/sp/`])).values.toSorted()).toEqual(
      [`${root}/sp/checkpoints/`, `${root}/sp/other/`, savepoint].toSorted(),
    );
    expect((await ask(['inspect', `file://${root}/sp/sav`])).values).toEqual([
      `file://${savepoint}`,
    ]);
    expect((await ask(['inspect', 'sp/sav'])).values).toEqual(['sp/savepoint-02423c-0a1b2c3d4e5f']);
    expect((await ask(['run', '-s', ''])).values).toEqual(['latest', savepoint, checkpoint]);
    expect((await ask(['savepoint', '-d', ''])).values).toContain(savepoint);
    expect((await ask(['inspect', 's3://bucket/'])).values).toEqual([]);
  });
});

it('knows no other shell', async () => {
  expect(await runTidemark(['completion', 'tcsh'])).toMatchObject({ code: 2 });
});

const SHELLS: readonly ShellName[] = ['bash', 'zsh', 'fish'];

describe.each(SHELLS)('%s completes', (shell) => {
  let setup: string;
  let isThere: boolean;

  beforeAll(async () => {
    isThere = hasShell(shell);
    const { code, stdout } = await runTidemark(['completion', shell]);
    expect(code).toBe(0);
    fs.writeFileSync(`${root}/script.${shell}`, stdout);
    setup = `cd ${root}; source ${root}/script.${shell}`;
  }, SHELL_SETUP_MS);

  // What is typed, and what the shell then shows.
  it.for<readonly [string, string, readonly string[]]>([
    ['a command', 'tidemark insp\t', ['tidemark inspect ']],
    ['one of several commands', 'tidemark savep\t\t\t', ['savepoint', 'savepoints']],
    ['a subcommand', 'tidemark upgrade ch\t', ['upgrade check ']],
    ['an option', 'tidemark inspect x --dif\t', ['--diff ']],
    ['a job', 'tidemark cancel ord\t', ['cancel orders ']],
    ['a savepoint', 'tidemark run -s sp/sav\t', ['savepoint-02423c-0a1b2c3d4e5f']],
    ['a URL', 'tidemark inspect file://ROOT/sp/sav\t', ['/sp/savepoint-02423c-0a1b2c3d4e5f']],
    ['a setting', 'tidemark run -D execution.checkpointing.interv\t', ['interval=']],
    ['a file', 'tidemark run pipe\t', ['run pipeline.ts']],
    ['a folder', 'tidemark savepoints list s\t', ['list sp/']],
  ])('%s', async ([, keys, until], { skip }) => {
    if (!isThere) skip(`${shell} is not installed`);
    const env = {
      PATH: `${root}/bin:${process.env['PATH'] ?? ''}`,
      TIDEMARK_SERVICE: service.address,
      HOME: root,
    };
    const typed = { setup, keys: keys.replace('ROOT', root), until };
    const { isThere: came, shown } = await typeInto(shell, typed, env);
    expect(came, shown).toBe(true);
  });
});
