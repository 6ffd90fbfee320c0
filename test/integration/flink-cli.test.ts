/*
 * Goal: Flink's own command line client, unchanged, works on jobs of this engine.
 * Method: the client as its maintainers built it, in its own process, against the real REST service and
 * Dispatcher; what it prints and what it did are looked at.
 * Needs: Java 11 or later, Python 3 with pip; the client is fetched once.
 * Replay: npm run test:integration -- flink-cli
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DispatchedJob } from '../../src/cluster/dispatcher/dispatched-job.ts';
import { attachRest, type AttachedRest } from '../../src/rest/attach-rest.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';
import { COUNTING_SETTINGS, countingJob } from '../support/counting-job.ts';
import { flinkClient, FLINK_SETUP_MS, runFlink, type ClientRun } from '../support/flink-client.ts';
import { LocalCluster } from '../support/local-cluster.ts';
import { until } from '../support/rest-client.ts';

const TOKEN = 'a-token-of-the-tests';

let folder: string;
let cluster: LocalCluster;
let rest: AttachedRest;
let guarded: AttachedRest;
let job: DispatchedJob;

async function serve(more: Readonly<Record<string, string>>): Promise<AttachedRest> {
  return attachRest(
    cluster,
    parseSettings({ env: {}, dynamic: { 'rest.bind-port': '0', ...more } }),
  );
}

async function running(name: string): Promise<DispatchedJob> {
  const started = await cluster.run(countingJob(name), COUNTING_SETTINGS);
  await until(() => started.counts().completed > 0);
  return started;
}

const flink = (...args: string[]) => runFlink(rest.address, args, { folder });

beforeAll(async () => {
  flinkClient();
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-flink-cli-'));
  cluster = new LocalCluster(folder);
  rest = await serve({});
  guarded = await serve({ 'tidemark.rest.token': TOKEN });
  job = await running('counting');
}, FLINK_SETUP_MS);

afterAll(async () => {
  await rest.close();
  await guarded.close();
  await cluster.close();
  fs.rmSync(folder, { recursive: true });
});

/** The savepoint's folder on this disk. */
function savepointOf({ output, code }: ClientRun): string {
  const url = /Savepoint completed\. Path: (file:\S+)/.exec(output)?.[1];
  expect(url, output).toBeDefined();
  expect(code).toBe(0);
  return fileURLToPath(url ?? '');
}

it('list', async () => {
  const { code, output } = await flink('list');
  expect(output).toContain(`${job.jobId} : counting (RUNNING)`);
  expect(code).toBe(0);
});

it('savepoint, and its disposal', async () => {
  const taken = savepointOf(await flink('savepoint', job.jobId, `file://${folder}/savepoints`));
  expect(taken).toContain(`${folder}/savepoints/savepoint-`);
  expect(fs.existsSync(`${taken}/_metadata`)).toBe(true);
  const disposed = await flink('savepoint', '-dispose', `file://${taken}`);
  expect(disposed.output).toContain(`Savepoint 'file://${taken}' disposed.`);
  expect(fs.existsSync(`${taken}/_metadata`)).toBe(false);
});

it('a savepoint that cannot be taken: the client shows why', async () => {
  fs.writeFileSync(`${folder}/file`, 'in the way of a folder');
  const { code, output } = await flink('savepoint', job.jobId, `${folder}/file/savepoints`);
  expect(code).toBe(1);
  expect(output).toContain('Caused by: Error: RST-009: the snapshot failed');
  // What the client cannot read it prints as it came.
  expect(output).not.toContain('serialized-throwable');
});

it('checkpoint', async () => {
  const { code, output } = await flink('checkpoint', job.jobId);
  expect(output).toMatch(/Checkpoint\S* completed|Checkpoint \d+/i);
  expect(code).toBe(0);
});

it('stop --savepointPath, and --drain', async () => {
  const [first, second] = [await running('to-stop'), await running('to-drain')];
  const where = `file://${folder}/stopped`;
  savepointOf(await flink('stop', '--savepointPath', where, first.jobId));
  savepointOf(await flink('stop', '--drain', '--savepointPath', where, second.jobId));
  for (const { jobId } of [first, second]) {
    const found = cluster.jobs().find((each) => each.jobId === jobId);
    expect(found?.checkpoints()[0]).toMatchObject({ snapshot: 'savepoint', stop: true });
  }
});

it('cancel, with and without a savepoint, and list -a', async () => {
  const [first, second] = [await running('to-cancel'), await running('to-save')];
  const canceled = await flink('cancel', first.jobId);
  expect(canceled.output).toContain(`Cancelled job ${first.jobId}.`);
  expect((await first.done).status).toBe('CANCELED');
  const saved = await flink('cancel', '-s', `file://${folder}/canceled`, second.jobId);
  expect(saved.output).toContain(`Savepoint stored in file://${folder}/canceled/savepoint-`);
  const { output } = await flink('list', '-a');
  expect(output).toContain(`${first.jobId} : to-cancel (CANCELED)`);
  expect(output).toContain(`${job.jobId} : counting (RUNNING)`);
});

it('a job that is not there', async () => {
  const { code, output } = await flink('cancel', '1'.repeat(32));
  expect(code).toBe(1);
  expect(output).toContain(`Job ${'1'.repeat(32)} not found`);
});

it('with a token', async () => {
  const env = { FLINK_REST_CLIENT_HEADERS: `Authorization:Bearer ${TOKEN}` };
  const allowed = await runFlink(guarded.address, ['list'], { folder, env });
  expect(allowed.output).toContain('counting (RUNNING)');
  const refused = await runFlink(guarded.address, ['list'], { folder });
  expect(refused.code).toBe(1);
  expect(refused.output).toContain('RST-004');
});
