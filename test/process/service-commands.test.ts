/*
 * Goal: the commands and the service are one thing: a job is handed over with `run -d`, found by its name, asked,
 * given a savepoint, cancelled, and goes on from the savepoint, as users of Flink write it.
 * Method: real processes from dist/: the service, its jobs, and each command.
 * Replay: npm run test:process -- service-commands
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { runTidemark, settings, type Run } from '../support/tidemark-process.ts';

let root: string;

const JOB = 'test/process/jobs/totals.ts';
const LOOK_MS = 10;

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-commands-')));
  await expectOk(run('service', 'start', ...settings({ 'rest.bind-port': '0' })));
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

/** The rest of `run -d …`. */
function job(out: string): string[] {
  const engine = settings({
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '100ms',
    'execution.checkpointing.min-pause': '0',
  });
  return [...engine, JOB, '--', '--out', `${root}/${out}`, '--keys', '100'];
}

async function untilCheckpoints(jobName: string, count: number): Promise<void> {
  for (;;) {
    const stdout = await expectOk(run('checkpoints', jobName, '--json'));
    const { counts } = JSON.parse(stdout) as { readonly counts: { readonly completed: number } };
    if (counts.completed >= count) return;
  }
}

it('a job goes through all of them', async () => {
  const submitted = await expectOk(run('run', '-d', ...job('out')));
  const [, id = ''] = /Job has been submitted with JobID ([0-9a-f]{32})\n/.exec(submitted) ?? [];
  expect(id).not.toBe('');
  expect(await expectOk(run('list'))).toContain(`${id} : totals (RUNNING)`);
  await untilCheckpoints('totals', 2);
  expect(await expectOk(run('status', id.slice(0, 8)))).toMatch(/numbers.*RUNNING/);
  expect(await expectOk(run('checkpoint', 'totals'))).toMatch(
    /Checkpoint\(CONFIGURED\) \d+ for job/,
  );

  const taken = await expectOk(
    run('savepoint', 'totals', `file://${root}/savepoints`, '--label', 'pre-deploy'),
  );
  const [, savepoint = ''] = /Savepoint completed\. Path: (\S+)\n/.exec(taken) ?? [];
  expect(savepoint).toMatch(/\/savepoints\/savepoint-[0-9a-f]{6}-[0-9a-f]{12}$/);
  expect(await expectOk(run('savepoints', 'list', `${root}/savepoints`))).toContain('pre-deploy');
  expect(await expectOk(run('inspect', savepoint, '--verify'))).toContain('Sound');

  await expectOk(run('cancel', id));
  // As in Flink the command does not wait for the end.
  while ((await expectOk(run('list', '--json'))).includes(id)) await sleep(systemClock, LOOK_MS);
  const again = await expectOk(run('run', '-s', savepoint, '-d', ...job('out2')));
  expect(again).toContain(`Restoring job from ${savepoint}`);
  // A job whose tasks do not all run yet takes no savepoint.
  await untilCheckpoints('totals', 1);
  const stopped = await expectOk(run('stop', 'totals', '--savepointPath', `${root}/savepoints`));
  const [, second = ''] = /Savepoint completed\. Path: (\S+)\n/.exec(stopped) ?? [];
  expect(second).not.toBe(savepoint);
  expect(await expectOk(run('list', '-a'))).toMatch(/totals \(FINISHED\)/);
  const latest = await expectOk(
    run('run', '-d', '--fromSavepoint', `${root}/savepoints/savepoint-latest`, ...job('out2')),
  );
  expect(latest).toContain(`Restoring job from ${second}`);
  await untilCheckpoints('totals', 1);
  const canceled = await expectOk(run('cancel', '-s', `${root}/savepoints`, 'totals'));
  expect(canceled).toMatch(/savepoint-[0-9a-f]{6}-[0-9a-f]{12}/);
  expect(await expectOk(run('list', '-a'))).toMatch(/totals \(CANCELED\)/);
  const doctor = await expectOk(
    run('doctor', '--json', ...settings({ 'execution.checkpointing.dir': `${root}/checkpoints` })),
  );
  expect(JSON.parse(doctor)).toMatchObject({
    findings: expect.arrayContaining([
      expect.objectContaining({ what: 'service', verdict: 'good' }),
    ]),
  });
});

it('doctor says what is wrong with the storage', async () => {
  fs.writeFileSync(`${root}/file`, '');
  const { code, stdout } = await run(
    'doctor',
    ...settings({ 'execution.checkpointing.dir': `${root}/file/checkpoints` }),
  );
  expect(code).toBe(1);
  expect(stdout).toMatch(/^checkpoints +bad +STO-003/m);
});

it('what cannot be started is refused with its reason', async () => {
  const wrong = await run('run', '-d', 'test/process/jobs/no-default-export.ts');
  expect(wrong.code).not.toBe(0);
  expect(wrong.stderr).toMatch(/JOB-\d+|CLI-\d+/);
  expect(await run('run', '-d', 'nothing.ts')).toMatchObject({ code: 2 });
  const env = { TIDEMARK_HOME: `${root}/none` };
  const alone = await runTidemark(['run', '-d', ...job('out')], { env });
  expect(alone).toMatchObject({ code: 3 });
  expect(alone.stderr).toContain('CLI-029');
});

it('a job is taken only from who knows the token of the owner', async () => {
  const status = await expectOk(run('service', 'status', '--json'));
  const { address } = JSON.parse(status) as { readonly address: string };
  for (const authorization of [undefined, 'Bearer 0123456789abcdef']) {
    const { status: answered } = await fetch(`${address}/v1/tidemark/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
      body: JSON.stringify({ module: `file://${root}/job.ts`, folder: root }),
    });
    expect(answered).toBe(401);
  }
});
