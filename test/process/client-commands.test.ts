/*
 * Goal: the commands that ask a service send what Flink's client sends, print what its users know, take a job
 * by id, beginning or name, and end with the exit code of the table, also when things go wrong.
 * Method: the real command against a service that answers as Flink's was recorded; what it was asked is
 * compared with the recording.
 * Replay: npm run test:process -- client-commands
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RecordedService } from '../support/recorded-service.ts';
import { runTidemark, startTidemark, type Run } from '../support/tidemark-process.ts';

const ID = '02423caa95fb3189599b51c06bdcc777';
const OTHER = '465f58f7310aa2ee10ff93a8fca753bc';
const OVER = 'be6571627414a46b2120ffb6b45982c3';
const HEX = expect.stringMatching(/^[0-9a-f]{32}$/) as string;
const WHO = expect.stringMatching(/.@./) as string;
const SAVEPOINTS = 'file:///flink-home/data/savepoints';
const PATH = 'file:/flink-home/data/savepoints/savepoint-02423c-6999c6c849f0';

let service: RecordedService;

beforeEach(async () => {
  service = await RecordedService.start([
    { jid: ID, name: 'apitest', state: 'RUNNING' },
    { jid: OTHER, name: 'sales_pipeline', state: 'RESTARTING' },
    { jid: OVER, name: 'sales_pipeline', state: 'FINISHED' },
  ]);
  service.outcome = { location: PATH };
});

afterEach(() => service.close());

function run(...args: readonly string[]): Promise<Run> {
  return runTidemark(args, { env: { TIDEMARK_SERVICE: service.address } });
}

async function expectOk(ended: Promise<Run>): Promise<string> {
  const { code, stdout, stderr } = await ended;
  expect(code, stderr).toBe(0);
  return stdout;
}

describe('a command line as users of Flink write it', () => {
  const dir = 'file:///flink/savepoints/my_job';
  it.each([
    [`savepoint ${ID} ${dir}`, 'savepoints', dir],
    [
      `savepoint sales_pipeline file:///flink/savepoints/sales_pipeline`,
      'savepoints',
      'file:///flink/savepoints/sales_pipeline',
    ],
    [`savepoint 02423caa95fb file:///path`, 'savepoints', 'file:///path'],
    [`stop --savepointPath ${dir} ${ID}`, 'stop', dir],
    [`stop --savepointPath file:///path 02423caa95fb`, 'stop', 'file:///path'],
    [
      `stop ${ID} --savepointPath file:///flink-checkpoints/savepoints`,
      'stop',
      'file:///flink-checkpoints/savepoints',
    ],
    [`cancel -s file:///savepoints ${ID}`, 'savepoints', 'file:///savepoints'],
  ])('tidemark %s', async (line, what, directory) => {
    await expectOk(run(...line.split(' ')));
    const [asked] = service.changes();
    expect(asked?.path).toMatch(new RegExp(`^/jobs/(${ID}|${OTHER})/${what}$`));
    expect(Object.values(asked?.body ?? {})).toContain(directory);
  });

  it.each(['list', `cancel ${ID}`])('tidemark %s', async (line) => {
    await expectOk(run(...line.split(' ')));
  });
});

describe('what is sent is what the client of Flink sends', () => {
  const notes = { who: WHO };

  it('for a savepoint, with the notes that are ours', async () => {
    const stdout = await expectOk(
      run('savepoint', 'apitest', SAVEPOINTS, '--label', 'pre-deploy', '--why', 'new', '--pin'),
    );
    expect(service.changes()).toMatchObject([
      {
        method: 'POST',
        path: `/jobs/${ID}/savepoints`,
        body: {
          'target-directory': SAVEPOINTS,
          'cancel-job': false,
          formatType: 'CANONICAL',
          triggerId: HEX,
          ...notes,
          label: 'pre-deploy',
          why: 'new',
          pin: true,
        },
      },
    ]);
    expect(stdout).toContain(`Triggering savepoint for job ${ID}.\n`);
    expect(stdout).toContain(`Savepoint completed. Path: ${PATH}\n`);
  });

  it('for a stop, and a drain', async () => {
    const stdout = await expectOk(run('stop', '-p', SAVEPOINTS, 'apitest'));
    await expectOk(run('stop', '--drain', 'apitest'));
    const body = { formatType: 'CANONICAL', triggerId: HEX, ...notes };
    expect(service.changes().map((asked) => asked.body)).toEqual([
      { ...body, targetDirectory: SAVEPOINTS, drain: false },
      { ...body, targetDirectory: null, drain: true },
    ]);
    expect(stdout).toContain(`Suspending job "${ID}" with a CANONICAL savepoint.\n`);
    expect(stdout).toContain(`Savepoint completed. Path: ${PATH}\n`);
  });

  it('for a cancel, with and without a savepoint and its folder', async () => {
    await expectOk(run('cancel', 'apitest'));
    await expectOk(run('cancel', '-s', SAVEPOINTS, 'apitest'));
    await expectOk(run('cancel', '-s', 'apitest'));
    const body = { 'cancel-job': true, formatType: 'CANONICAL', triggerId: HEX, ...notes };
    expect(service.changes()).toMatchObject([
      { method: 'PATCH', path: `/jobs/${ID}?mode=cancel` },
      {
        method: 'POST',
        path: `/jobs/${ID}/savepoints`,
        body: { ...body, 'target-directory': SAVEPOINTS },
      },
      {
        method: 'POST',
        path: `/jobs/${ID}/savepoints`,
        body: { ...body, 'target-directory': null },
      },
    ]);
  });

  it('for a checkpoint', async () => {
    service.outcome = { checkpointId: 112 };
    const stdout = await expectOk(run('checkpoint', ID.slice(0, 5)));
    await expectOk(run('checkpoint', '--full', ID));
    expect(service.changes().map(({ body }) => body)).toEqual([
      { checkpointType: 'CONFIGURED', triggerId: HEX },
      { checkpointType: 'FULL', triggerId: HEX },
    ]);
    expect(stdout).toContain(`Checkpoint(CONFIGURED) 112 for job ${ID} completed.`);
  });

  it.each(['-d', '--dispose', '-dispose'])('for a disposal with %s', async (option) => {
    service.outcome = {};
    const stdout = await expectOk(run('savepoint', option, PATH));
    expect(service.changes()).toMatchObject([
      { method: 'POST', path: '/savepoint-disposal', body: { 'savepoint-path': PATH } },
    ]);
    expect(stdout).toContain(`Savepoint '${PATH}' disposed.`);
  });

  it('with the token of the environment', async () => {
    const env = { TIDEMARK_SERVICE: service.address, TIDEMARK_REST_TOKEN: 'a-token-of-a-test' };
    await expectOk(runTidemark(['list'], { env }));
    expect(service.asked.map(({ authorization }) => authorization)).toEqual([
      'Bearer a-token-of-a-test',
    ]);
  });
});

describe('an answer', () => {
  it('of list has the lines that scripts read', async () => {
    const running = await expectOk(run('list'));
    expect(running).toMatch(/^-{18} Running\/Restarting Jobs -{19}$/m);
    expect(running).toMatch(
      new RegExp(String.raw`^\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d : ${ID} : apitest \(RUNNING\)$`, 'm'),
    );
    expect(running).toContain('No scheduled jobs.');
    expect(running).not.toContain(OVER);
    expect(await expectOk(run('list', '-a'))).toContain(OVER);
    expect(await expectOk(run('list', '-s'))).not.toContain(ID);
  });

  it('of status tells of operators, the last checkpoint and the last failure', async () => {
    const stdout = await expectOk(run('status', 'apitest'));
    expect(stdout).toMatch(/count -> discard: Writer +RUNNING +1\/1 +1,113,291 +0/);
    expect(stdout).toContain('chk-57');
    expect(stdout).toContain('injected failure');
  });

  it('of checkpoints is the history', async () => {
    const stdout = await expectOk(run('checkpoints', 'apitest'));
    expect(stdout).toMatch(/58 +savepoint +IN_PROGRESS .* 1\/2/);
    expect(stdout).toMatch(/57 +checkpoint +COMPLETED .* 34 ms +21\.1 kB +21\.1 kB +2\/2 .*chk-57/);
  });

  it.each([
    ['list', 'jobs'],
    ['status apitest', 'job'],
    ['checkpoints apitest', 'history'],
    ['savepoint apitest', 'path'],
    ['stop apitest', 'path'],
    ['checkpoint apitest', 'requestId'],
    ['cancel apitest', 'jobId'],
  ])('of %s is one JSON line with --json', async (line, field) => {
    const stdout = await expectOk(run(...line.split(' '), '--json'));
    expect(Object.keys(JSON.parse(stdout) as object)).toContain(field);
  });
});

describe('a job', () => {
  it('of which several are meant is refused, and so is one that is not there', async () => {
    const none = await run('status', 'nothing');
    expect(none).toMatchObject({ code: 4 });
    expect(none.stderr).toContain('CLI-022');
    await service.close();
    service = await RecordedService.start([
      { jid: 'aa11'.padEnd(32, '0'), name: 'one', state: 'RUNNING' },
      { jid: 'aa22'.padEnd(32, '0'), name: 'two', state: 'RUNNING' },
    ]);
    const several = await run('cancel', 'aa');
    expect(several).toMatchObject({ code: 4 });
    expect(several.stderr).toContain('CLI-023');
    expect(service.changes()).toEqual([]);
  });

  it('that has ended cannot be cancelled', async () => {
    const { code, stderr } = await run('cancel', OVER);
    expect(code).toBe(2);
    expect(stderr).toContain('already reached another terminal state (FINISHED)');
  });

  it('must be named', async () => {
    const runs = await Promise.all([run('stop'), run('cancel'), run('savepoint')]);
    for (const { code, stderr } of runs) {
      expect(code).toBe(2);
      expect(stderr).toContain('CLI-027');
    }
  });
});

describe('a failure', () => {
  it('of the savepoint says why, and leaves the job', async () => {
    service.outcome = {
      failure:
        'java.util.concurrent.CompletionException: org.x.CheckpointException: IO-problem.\n\tat a.B\nCaused by: java.io.IOException: Mkdirs failed to create /proc/nope\n\tat c.D',
    };
    const { code, stderr } = await run('stop', 'apitest');
    expect(code).toBe(1);
    expect(stderr).toContain('CLI-024');
    expect(stderr).toContain('why=`Mkdirs failed to create /proc/nope`');
  });

  it('is a service that is not there, or is something else', async () => {
    const other = http.createServer((_, response) => response.end('<html>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const html = await run('list', '-m', address);
    other.close();
    other.closeAllConnections();
    expect(html).toMatchObject({ code: 3 });
    expect(html.stderr).toContain('CLI-025');
    // Nobody listens there. (Another test may have got the port of above by now.)
    const { code, stderr } = await run('list', '-m', '127.0.0.1:1');
    expect(code).toBe(3);
    expect(stderr).toContain('CLI-021');
    expect(await run('list', '-m', 'nowhere')).toMatchObject({ code: 2 });
  });

  it('of the command line is code 2', async () => {
    for (const line of ['lst', 'list --nonsense', 'status']) {
      expect(await run(...line.split(' '))).toMatchObject({ code: 2 });
    }
    expect(await run('--help')).toMatchObject({ code: 0 });
  });
});

describe('a client that goes away', () => {
  it('says how to attach, and the same savepoint is waited for', async () => {
    service.looksUntilDone = Infinity;
    const waiting = startTidemark(['savepoint', 'apitest'], {
      env: { TIDEMARK_SERVICE: service.address },
    });
    await waiting.until(() => service.asked.some(({ path }) => /savepoints\/\w+$/.test(path)));
    const { code, stderr } = await waiting.kill('SIGINT');
    expect(code).toBe(130);
    const [, attach = ''] = /tidemark (savepoint \w+ --attach \w+)/.exec(stderr) ?? [];
    service.looksUntilDone = 0;
    const stdout = await expectOk(run(...attach.split(' ')));
    expect(stdout).toContain(`Savepoint completed. Path: ${PATH}`);
    expect(service.changes()).toHaveLength(1);
  });

  it('need not wait at all', async () => {
    service.looksUntilDone = Infinity;
    const stdout = await expectOk(run('savepoint', 'apitest', '--detached'));
    expect(stdout).toMatch(/To wait for it: tidemark savepoint \w{32} --attach \w{32}\n/);
  });
});
