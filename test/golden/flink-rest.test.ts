/*
 * Goal: each answer has the keys, the nesting and the types of Flink's, save for the differences that are
 * listed here with a reason.
 * Method: a job runs under a real JobMaster in this thread; every path is asked, and the answer's shape
 * is compared with that of the recorded one in flink-rest/.
 * Replay: npm run test:golden -- flink-rest
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DispatchedJob } from '../../src/cluster/dispatcher/dispatched-job.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';
import { attachRest, type AttachedRest } from '../../src/rest/attach-rest.ts';
import { flinkId } from '../../src/rest/flink-ids.ts';
import { COUNTING_SETTINGS, countingJob } from '../support/counting-job.ts';
import { LocalCluster } from '../support/local-cluster.ts';
import { call, operationAt, post, until, type Answer } from '../support/rest-client.ts';
import { shapeDifferences } from '../support/shape.ts';

const UNKNOWN_ID = '0'.repeat(32);

/** Checkpoints are taken as they are asked for: a history of ten has them all at the end, however long that takes. */
const ASKED_ONLY = { ...COUNTING_SETTINGS, 'execution.checkpointing.interval': '1h' };

/** No checkpoint was under way when they were recorded; Flink has no path for such a one either. */
const UNDER_WAY = ['.history[].external_path: missing', '.history[].discarded: missing'];

/** Differences that are meant. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  'job-checkpoints': UNDER_WAY,
  'checkpoints-with-savepoint': UNDER_WAY,
};

let folder: string;
let cluster: LocalCluster;
let rest: AttachedRest;
let job: DispatchedJob;
let failed: DispatchedJob;
let vertex: string;
let checkpoint: number;
let savepoint: string;
let canceled: DispatchedJob;
let finished: DispatchedJob;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-rest-'));
  fs.mkdirSync(`${folder}/logs`);
  fs.writeFileSync(`${folder}/logs/local.log`, 'started\n');
  cluster = new LocalCluster(folder);
  const dynamic = { 'rest.bind-port': '0', 'web.submit.enable': 'true' };
  rest = await attachRest(cluster, parseSettings({ env: {}, dynamic }));
  job = await cluster.run(countingJob('counting'), ASKED_ONLY);
  vertex = flinkId(job.plan.vertices.at(-1)?.id ?? '');
  failed = await cluster.run(countingJob('failing', { failAt: 3 }), COUNTING_SETTINGS);
  canceled = await cluster.run(countingJob('canceled'), COUNTING_SETTINGS);
  finished = await cluster.run(countingJob('finished', { elements: 3 }), COUNTING_SETTINGS);
  await until(() => canceled.counts().completed > 0);
  canceled.cancel();
  await until(() => [failed, canceled, finished].every(({ result }) => result !== undefined));
  // Before all tasks run none is taken.
  await until(async () => (await job.checkpoint({ full: false })).kind === 'completed');
  expect(await job.checkpoint({ full: false })).toMatchObject({ kind: 'completed' });
  const latest = job.checkpoints().find(({ status }) => status === 'completed');
  checkpoint = latest?.checkpointId ?? 0;
  const taken = await job.savepoint({ directory: undefined, notes: {} });
  savepoint = taken.kind === 'completed' ? taken.url : '';
});

afterAll(async () => {
  await rest.close();
  await cluster.close();
  fs.rmSync(folder, { recursive: true });
});

function recorded(name: string): unknown {
  const file = new URL(`flink-rest/${name}.json`, import.meta.url);
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

function expectShape(name: string, answer: Answer): void {
  const differences = shapeDifferences(recorded(name), answer.json);
  expect(differences.filter((each) => !(KNOWN[name] ?? []).includes(each))).toEqual([]);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=UTF-8');
}

const ofJob = (rest = '') => `/jobs/${job.jobId}${rest}`;
const ofVertex = (rest = '') => ofJob(`/vertices/${vertex}${rest}`);
const details = (rest = '') => ofJob(`/checkpoints/details/${checkpoint}${rest}`);

const ASKED: readonly (readonly [name: string, path: () => string])[] = [
  ['config', () => '/config'],
  ['overview', () => '/overview'],
  ['jobs', () => '/jobs'],
  ['jobs-overview', () => '/jobs/overview'],
  ['taskmanagers', () => '/taskmanagers'],
  ['taskmanager', () => '/taskmanagers/local'],
  ['jobmanager-config', () => '/jobmanager/config'],
  ['jobmanager-environment', () => '/jobmanager/environment'],
  ['jobmanager-metrics', () => '/jobmanager/metrics'],
  ['jobmanager-metrics-get', () => '/jobmanager/metrics?get=taskSlotsTotal'],
  ['jobmanager-logs', () => '/jobmanager/logs'],
  ['jobmanager-logs', () => '/taskmanagers/local/logs'],
  ['jars', () => '/jars'],
  ['datasets', () => '/datasets'],
  ['job', () => ofJob()],
  ['job-finished', () => `/jobs/${finished.jobId}`],
  ['job-canceled', () => `/jobs/${canceled.jobId}`],
  ['job-config', () => ofJob('/config')],
  ['job-plan', () => ofJob('/plan')],
  ['job-status', () => ofJob('/status')],
  ['job-exceptions', () => ofJob('/exceptions')],
  ['job-exceptions-after-failure', () => `/jobs/${failed.jobId}/exceptions?maxExceptions=2`],
  ['job-accumulators', () => ofJob('/accumulators')],
  ['job-execution-result', () => ofJob('/execution-result')],
  ['job-metrics', () => ofJob('/metrics')],
  ['job-metrics-get', () => ofJob('/metrics?get=numRestarts,lastCheckpointSize,uptime')],
  ['job-checkpoints', () => ofJob('/checkpoints')],
  ['checkpoints-with-savepoint', () => ofJob('/checkpoints')],
  ['job-checkpoints-config', () => ofJob('/checkpoints/config')],
  ['job-checkpoint-details', () => details()],
  ['job-checkpoint-details-subtasks-v1', () => details(`/subtasks/${vertex}`)],
  ['jobmanager-config', () => ofJob('/jobmanager/config')],
  ['jobmanager-environment', () => ofJob('/jobmanager/environment')],
  ['vertex1', () => ofVertex()],
  ['vertex1-backpressure', () => ofVertex('/backpressure')],
  ['vertex1-watermarks', () => ofVertex('/watermarks')],
  ['vertex1-metrics', () => ofVertex('/metrics')],
  ['vertex1-metrics-get', () => ofVertex('/metrics?get=0.busyTimeMsPerSecond')],
  ['vertex1-subtasks-metrics', () => ofVertex('/subtasks/metrics')],
  [
    'vertex1-subtasks-metrics-get',
    () => ofVertex('/subtasks/metrics?get=numRecordsIn,busyTimeMsPerSecond&agg=min,max,sum,avg'),
  ],
  ['vertex1-subtask-0', () => ofVertex('/subtasks/0')],
  ['vertex1-subtask-0-attempt-0', () => ofVertex('/subtasks/0/attempts/0')],
  ['vertex1-subtasktimes', () => ofVertex('/subtasktimes')],
  ['vertex1-taskmanagers', () => ofVertex('/taskmanagers')],
  ['vertex1-accumulators', () => ofVertex('/accumulators')],
  ['vertex1-subtasks-accumulators', () => ofVertex('/subtasks/accumulators')],
  ['vertex1-flamegraph', () => ofVertex('/flamegraph')],
];

describe.each(['', '/v1'])('below %j', (prefix) => {
  it.each(ASKED)('%s', async (name, pathOf) => {
    const answer = await call(rest.address, prefix + pathOf());
    expect(answer.status, answer.text).toBe(200);
    expectShape(name, answer);
  });
});

it('the names of metrics are Flink’s', async () => {
  const namesOf = (list: unknown) => (list as { id: string }[]).map(({ id }) => id);
  for (const [name, where] of [
    ['job-metrics', ofJob('/metrics')],
    ['jobmanager-metrics', '/jobmanager/metrics'],
    ['vertex1-subtasks-metrics', ofVertex('/subtasks/metrics')],
  ] as const) {
    const ours = namesOf((await call(rest.address, where)).json);
    const theirs = new Set([...namesOf(recorded(name)), ...EXTRA_METRICS]);
    expect(ours.length).toBeGreaterThan(4);
    expect(ours.filter((id) => !theirs.has(id))).toEqual([]);
  }
});

/** Of older releases of Flink, and one of this engine. */
const EXTRA_METRICS = [
  'fullRestarts',
  'lastCheckpointAlignmentTime',
  'backPressuredTimeMsPerSecond',
  'currentInputWatermark',
];

describe('operations', () => {
  it('savepoint, under way and done, also by an id of the client', async () => {
    const triggerId = 'ab'.repeat(16);
    const asked = await post(rest.address, ofJob('/savepoints'), { triggerId });
    expect(asked.status).toBe(202);
    expectShape('savepoint-trigger', asked);
    const where = ofJob(`/savepoints/${triggerId}`);
    expectShape('savepoint-status-inprogress-or-done', {
      ...(await call(rest.address, where)),
      json: { status: { id: 'IN_PROGRESS' }, operation: null } as never,
    });
    const done = await operationAt(rest.address, where);
    expectShape('savepoint-status-done', done);
    const again = await post(rest.address, ofJob('/savepoints'), { triggerId });
    expect(again.json).toEqual({ 'request-id': triggerId });
    expect((await call(rest.address, where)).json).toEqual(done.json);
  });

  it('checkpoint', async () => {
    const asked = await post(rest.address, ofJob('/checkpoints'), { checkpointType: 'FULL' });
    expect(asked.status).toBe(202);
    expectShape('checkpoint-trigger', asked);
    const id = asked.json['request-id'] ?? '';
    const done = await operationAt(rest.address, ofJob(`/checkpoints/${id}`));
    expectShape('checkpoint-trigger-status', done);
  });

  it('disposal, of one that is there and of one that is not', async () => {
    for (const [where, name] of [
      [savepoint, 'savepoint-disposal-status'],
      [`${folder}/none`, 'savepoint-disposal-bad-status'],
    ] as const) {
      const asked = await post(rest.address, '/savepoint-disposal', { 'savepoint-path': where });
      expect(asked.status).toBe(200);
      expectShape('savepoint-disposal', asked);
      const id = asked.json['request-id'] ?? '';
      const done = await operationAt(rest.address, `/savepoint-disposal/${id}`);
      expect(done.status).toBe(200);
      expectShape(name, done);
    }
  });

  it('stop, and cancel', async () => {
    const stopped = await cluster.run(countingJob('to-stop'), COUNTING_SETTINGS);
    await until(() => stopped.counts().completed > 0);
    const asked = await post(rest.address, `/jobs/${stopped.jobId}/stop`, { drain: false });
    expect(asked.status).toBe(202);
    expectShape('stop', asked);
    const id = asked.json['request-id'] ?? '';
    const done = await operationAt(rest.address, `/jobs/${stopped.jobId}/savepoints/${id}`);
    expectShape('stop-status', done);

    const toCancel = await cluster.run(countingJob('to-cancel'), COUNTING_SETTINGS);
    const patch = `/jobs/${toCancel.jobId}?mode=cancel`;
    const answer = await call(rest.address, patch, { method: 'PATCH' });
    expect(answer.status).toBe(202);
    expectShape('cancel', answer);
    expect((await toCancel.done).status).toBe('CANCELED');
    // As Flink: a job that is canceled already is no error.
    expect((await call(rest.address, patch, { method: 'PATCH' })).status).toBe(202);
  });
});

const REFUSED: readonly (readonly [name: string, path: () => string, status: number])[] = [
  ['err-job-404', () => `/jobs/${UNKNOWN_ID}`, 404],
  ['err-job-400', () => '/jobs/xyz', 400],
  ['err-path-404', () => '/nope', 404],
  ['err-vertex-404', () => ofJob(`/vertices/${UNKNOWN_ID}`), 404],
  ['err-savepoint-status-404', () => ofJob(`/savepoints/${UNKNOWN_ID}`), 404],
  ['job-checkpoint-details-404', () => ofJob('/checkpoints/details/999999'), 404],
];

it.each(REFUSED)('%s', async (name, pathOf, status) => {
  const answer = await call(rest.address, pathOf());
  expect(answer.status).toBe(status);
  expectShape(name, answer);
});
