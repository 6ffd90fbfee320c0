/*
 * Goal: every place that takes a storage's address takes one on S3: the store of jobs, checkpoints, savepoints, what
 * a job starts from, and each command that looks; also with savepoints on one storage and checkpoints on another.
 * Method: the real service and commands from dist/, on a real server, set up as users of Flink have it: one
 * flink-conf.yaml with fs.s3a keys.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeBucket, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { finishedFiles, lineKeys } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { runTidemark, settings, type Run } from '../support/tidemark-process.ts';

const BUCKET = 'flink-checkpoints';
const JOB = 'test/integration/jobs/padded-counts.ts';
/** Some minutes of it, at the rate at which it is operated. */
const COUNT = 100_000;
const TEST_MS = 600_000;

let folder: string;
let root: string;
let server: S3Service;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-s3-'));
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-s3-service-')));
  server = await startS3({ folder });
  await makeBucket(server, BUCKET);
  const conf = {
    'state.checkpoints.dir': `s3a://${BUCKET}/padded`,
    'state.savepoints.dir': `s3a://${BUCKET}/savepoints`,
    'fs.s3a.endpoint': server.endpoint,
    'fs.s3a.access.key': server.accessKey,
    'fs.s3a.secret.key': server.secretKey,
    'fs.s3a.path.style.access': 'true',
    'fs.s3a.connection.ssl.enabled': 'false',
    'high-availability.storageDir': `s3://${BUCKET}/ha`,
    'execution.checkpointing.interval': '100ms',
    'execution.checkpointing.min-pause': '0',
    // What a command looks at is not to go meanwhile, however long it takes.
    'execution.checkpointing.num-retained': '100',
  };
  fs.mkdirSync(`${root}/conf`);
  fs.writeFileSync(
    `${root}/conf/flink-conf.yaml`,
    Object.entries(conf)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join(''),
  );
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await run('service', 'stop');
  await server.stop();
  removeFolder(folder);
  removeFolder(root);
});

function run(...args: readonly string[]): Promise<Run> {
  return runTidemark(args, {
    env: { TIDEMARK_HOME: `${root}/home`, FLINK_CONF_DIR: `${root}/conf` },
  });
}

async function expectOk(ended: Promise<Run>): Promise<string> {
  const { code, stdout, stderr } = await ended;
  expect(code, stderr + stdout).toBe(0);
  return stdout;
}

const job = (rate: number): string[] => [
  ...[JOB, '--', '--out', `${root}/out`],
  ...['--count', String(COUNT), '--rate', String(rate)],
];

async function untilCheckpoints(count: number): Promise<void> {
  for (;;) {
    const asked = run('checkpoints', 'padded-counts', '--json');
    // A job that is brought back has no name before its code is loaded.
    if ((await asked).stderr.includes('CLI-022')) continue;
    const stdout = await expectOk(asked);
    const { counts } = JSON.parse(stdout) as { readonly counts: { readonly completed: number } };
    if (counts.completed >= count) return;
  }
}

/** What a shell offers for words that begin so: in folders of the bucket, and where the settings point. */
async function expectCompleted(begin: string, savepoint: string): Promise<void> {
  const offered = async (word: string): Promise<string[]> => {
    const stdout = await expectOk(run('complete', '--', 'inspect', word));
    return stdout.split('\n').flatMap((line) => line.split('\t')[0] ?? []);
  };
  const asHadoop = savepoint.replace('s3:', 's3a:');
  const folder = asHadoop.slice(0, asHadoop.lastIndexOf('/') + 1);
  // A store that takes longer than a shell waits offers nothing: it is asked again.
  const expectOffered = (word: string, ...values: unknown[]) =>
    expect.poll(() => offered(word), { timeout: TEST_MS }).toEqual(expect.arrayContaining(values));
  await expectOffered(`${folder}${begin}`, asHadoop);
  const folders = ['ha/', 'padded/', 'savepoints/'].map((at) => `s3://${BUCKET}/${at}`);
  await expectOffered(`s3://${BUCKET}/`, ...folders);
  await expectOffered('', asHadoop, expect.stringMatching(/\/padded\/[0-9a-f]{32}\/chk-\d+$/));
  expect(await offered('s3://nowhere/')).toEqual([':nothing', '']);
}

it(
  'a job lives through all of it',
  async () => {
    const doctor = await expectOk(run('doctor', '--json'));
    expect(JSON.parse(doctor)).toMatchObject({
      findings: expect.arrayContaining([
        expect.objectContaining({ what: 'checkpoints', verdict: 'good' }),
      ]) as unknown,
    });
    expect(await expectOk(run('run', '--settings', ...job(1)))).not.toContain(server.secretKey);

    await expectOk(run('service', 'start', ...settings({ 'rest.bind-port': '0' })));
    await expectOk(run('run', '-d', ...job(200)));
    await untilCheckpoints(2);

    // The service is suspended and brings the job back from what is on S3.
    await expectOk(run('service', 'stop'));
    removeFolder(`${root}/home`);
    await expectOk(run('service', 'start', ...settings({ 'rest.bind-port': '0' })));
    await untilCheckpoints(1);
    expect(await expectOk(run('inspect', 'padded-counts', '--verify'))).toContain('Sound');

    const taken = await expectOk(run('savepoint', 'padded-counts', '--label', 'first'));
    const [, first = ''] = /Savepoint completed\. Path: (\S+)\n/.exec(taken) ?? [];
    expect(first).toMatch(/^s3:\/\/flink-checkpoints\/savepoints\/savepoint-/);
    expect(await expectOk(run('savepoints', 'list'))).toContain('first');
    expect(await expectOk(run('inspect', first.replace('s3:', 's3a:'), '--verify'))).toContain(
      'Sound',
    );
    await expectCompleted('savepoint-', first);
    const stopped = await expectOk(run('stop', 'padded-counts', '-p', `s3a://${BUCKET}/elsewhere`));
    const [, second = ''] = /Savepoint completed\. Path: (\S+)\n/.exec(stopped) ?? [];
    await expectOk(run('savepoint', '-d', first));
    expect(await expectOk(run('savepoints', 'list'))).not.toContain('first');

    // From a savepoint on S3 to checkpoints on this disk, and back by one that is claimed.
    const disk = settings({
      'execution.checkpointing.dir': `${root}/checkpoints`,
      'execution.checkpointing.savepoint-dir': `${root}/savepoints`,
    });
    const again = await expectOk(run('run', '-s', second, '-d', ...disk, ...job(200)));
    expect(again).toContain(`Restoring job from ${second}`);
    await untilCheckpoints(2);
    const third = await expectOk(run('stop', 'padded-counts', '-p', `${root}/savepoints`));
    const [, path3 = ''] = /Savepoint completed\. Path: (\S+)\n/.exec(third) ?? [];
    const claim = ['--claimMode', 'CLAIM'];
    await expectOk(run('run', '-s', path3, ...claim, ...job(1e6)));

    const keys = finishedFiles(`${root}/out`).flatMap(lineKeys);
    expect(keys).toHaveLength(COUNT);
    expect(new Set(keys).size).toBe(COUNT);
    expect(
      await expectOk(
        run('upgrade', 'check', JOB, second, '--', '--out', 'x', '--count', '1', '--rate', '1'),
      ),
    ).toContain('Fits');
  },
  TEST_MS,
);
