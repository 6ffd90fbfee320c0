/*
 * Goal: what is asked wrongly is answered with what is wrong, in Flink's shape; who may not ask gets
 * nothing; what is uploaded is bounded and stays a file.
 * Method: the real server over the real Dispatcher; requests as clients and attackers send them.
 * Replay: npm run test:unit -- attach-rest
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COUNTING_SETTINGS, countingJob } from '../../test/support/counting-job.ts';
import { LocalCluster } from '../../test/support/local-cluster.ts';
import { call, operationAt, post, until } from '../../test/support/rest-client.ts';
import { parseSettings } from '../settings/parse-settings.ts';
import { attachRest, type AttachedRest } from './attach-rest.ts';

const ID = '0'.repeat(32);
const TOKEN = 'a-token-of-the-tests';
const OWN_TOKEN = 'a-token-of-the-process';

let folder: string;
let cluster: LocalCluster;
let attached: AttachedRest[];

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-rest-'));
  cluster = new LocalCluster(folder, {
    's3.secret-key': 'of-the-store',
    'tidemark.rest.token': TOKEN,
  });
  attached = [];
});

afterEach(async () => {
  for (const rest of attached) await rest.close();
  await cluster.close();
  fs.rmSync(folder, { recursive: true });
});

async function serve(more: Readonly<Record<string, string>> = {}): Promise<string> {
  const dynamic = { 'rest.bind-port': '0', ...more };
  const rest = await attachRest(cluster, parseSettings({ env: {}, dynamic }), {
    ownToken: OWN_TOKEN,
  });
  attached.push(rest);
  return rest.address;
}

describe('errors', () => {
  it.each([
    ['GET', '/jobs/xyz', 400, 'Cannot resolve path parameter (jobid) from value "xyz"'],
    ['GET', `/jobs/${ID}`, 404, `Job ${ID} not found`],
    ['GET', `/jobs/${ID}/checkpoints`, 404, `Job ${ID} not found`],
    ['PATCH', `/jobs/${ID}`, 404, `Job ${ID} not found`],
    ['POST', `/jobs/${ID}/savepoints`, 404, `Job ${ID} not found`],
    ['GET', `/jobs/${ID}/savepoints/${ID}`, 404, `triggerId=${ID}`],
    ['GET', `/savepoint-disposal/${ID}`, 404, `triggerId=${ID}`],
    ['GET', '/taskmanagers/none', 404, 'No TaskExecutor registered under none'],
    ['GET', '/nope', 404, 'Unable to load requested file /nope.'],
    ['GET', '/v1/nope', 404, 'Unable to load requested file /v1/nope.'],
    ['DELETE', '/overview', 404, 'Not found: DELETE /overview'],
    ['POST', '/jobs/overview', 404, 'Not found: POST /jobs/overview'],
    ['GET', '/%ff', 400, 'could not read the address'],
    ['GET', '/jars', 404, 'web.submit.enable is false'],
    ['POST', '/jobs', 404, 'web.submit.enable is false'],
    ['POST', '/savepoint-disposal', 400, '"savepoint-path" must name the savepoint'],
  ])('%s %s', async (method, where, status, words) => {
    const answer = await call(await serve(), where, { method });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=UTF-8');
    expect(Object.keys(answer.json)).toEqual(['errors']);
    expect(answer.json).toMatchObject({ errors: [expect.stringContaining(words)] });
  });

  it.each([
    ['{', 400, 'the body is not JSON'],
    ['[1]', 400, 'must be a JSON object'],
    ['{"triggerId": "short"}', 400, '"triggerId" must be 32 hex digits'],
    ['{"formatType": "ZIP"}', 400, '"formatType" must be CANONICAL or NATIVE'],
    ['{"cancel-job": 1}', 400, '"cancel-job" must be true or false'],
    [`{"a": "${'x'.repeat(2 ** 20)}"}`, 413, 'the body is too large'],
  ])('of the body %.30s', async (body, status, words) => {
    const job = await cluster.run(countingJob('counting'), COUNTING_SETTINGS);
    const address = await serve();
    const answer = await call(address, `/jobs/${job.jobId}/savepoints`, { method: 'POST', body });
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ errors: [expect.stringContaining(words)] });
  });

  it('of a job that has ended, and of modes', async () => {
    const job = await cluster.run(countingJob('counting', { elements: 1 }), COUNTING_SETTINGS);
    await job.done;
    const address = await serve();
    const patch = (mode: string) =>
      call(address, `/jobs/${job.jobId}?mode=${mode}`, { method: 'PATCH', redirect: 'manual' });
    const late = await patch('cancel');
    expect(late.status).toBe(409);
    expect(late.json).toMatchObject({
      errors: [expect.stringContaining('another terminal state (FINISHED)')],
    });
    expect((await patch('stop')).status).toBe(308);
    expect((await patch('nothing')).status).toBe(400);
  });

  it('a savepoint that fails says why when it is asked for', async () => {
    const job = await cluster.run(countingJob('counting'), COUNTING_SETTINGS);
    const address = await serve();
    await until(() => job.counts().completed > 0);
    fs.writeFileSync(`${folder}/file`, 'in the way of a folder');
    const body = { 'target-directory': `${folder}/file/savepoints` };
    const { json } = await post(address, `/jobs/${job.jobId}/savepoints`, body);
    const id = json['request-id'] ?? '';
    const answer = await operationAt(address, `/jobs/${job.jobId}/savepoints/${id}`);
    expect(answer.json).toMatchObject({
      operation: { 'failure-cause': { 'stack-trace': expect.stringContaining('RST-009') } },
    });
  });
});

describe('who may ask', () => {
  it('with a token: who sends it, and nobody else', async () => {
    const address = await serve({ 'tidemark.rest.token': TOKEN });
    for (const authorization of [undefined, 'Bearer wrong', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`]) {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await call(address, '/config', { headers });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(answer.text).not.toContain('refresh-interval');
    }
    for (const token of [TOKEN, OWN_TOKEN]) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await call(address, '/config', { headers })).status).toBe(200);
    }
    expect((await call(address, '/nope')).status).toBe(401);
  });

  it('an address for others needs a token', async () => {
    await expect(serve({ 'rest.bind-address': '0.0.0.0' })).rejects.toMatchObject({
      code: 'RST-010',
    });
    await serve({ 'rest.bind-address': '0.0.0.0', 'tidemark.rest.token': TOKEN });
  });

  it('a page of another site cannot ask, under whatever name', async () => {
    const address = await serve();
    const { port } = new URL(address);
    const ask = (headers: http.OutgoingHttpHeaders, method = 'GET') =>
      new Promise<number | undefined>((resolve, reject) => {
        const options = { port, path: '/savepoint-disposal', method, headers };
        http
          .request(options, (response) => {
            response.resume();
            resolve(response.statusCode);
          })
          .on('error', reject)
          .end();
      });
    expect(await ask({ host: 'evil.example' })).toBe(403);
    expect(await ask({ host: `127.0.0.1.evil.example:${port}` })).toBe(403);
    const host = `127.0.0.1:${port}`;
    expect(await ask({ host, origin: 'http://evil.example' }, 'POST')).toBe(403);
    expect(await ask({ host, origin: 'null' }, 'POST')).toBe(403);
    expect(await ask({ host, origin: `http://${host}` }, 'POST')).toBe(400);
    const { headers } = await call(address, '/config');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  it('no answer tells a secret', async () => {
    const address = await serve();
    const { text } = await call(address, '/jobmanager/config');
    expect(text).toContain('"s3.secret-key","value":"***"');
    expect(text).toContain('"tidemark.rest.token","value":"***"');
    expect(text).not.toContain('of-the-store');
    expect(text).not.toContain(TOKEN);
  });
});

describe('where it listens', () => {
  it('on the first free port of the range', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as net.AddressInfo;
    try {
      await expect(serve({ 'rest.bind-port': String(port) })).rejects.toMatchObject({
        code: 'RST-012',
      });
      const address = await serve({ 'rest.bind-port': `${port},0` });
      expect((await call(address, '/config')).status).toBe(200);
    } finally {
      taken.close();
    }
  });

  it('with TLS, and says what is wrong with its files', async () => {
    const [key, cert] = [`${folder}/key.pem`, `${folder}/cert.pem`];
    const how = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
    ];
    execFileSync('openssl', [...how, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const names = { 'tidemark.rest.tls-certificate': cert, 'tidemark.rest.tls-key': key };
    expect(await overTls(await serve(names), cert)).toBe(200);
    const store = `${folder}/store.p12`;
    const pack = ['pkcs12', '-export', '-inkey', key, '-in', cert, '-passout', 'pass:opens-it'];
    execFileSync('openssl', [...pack, '-out', store], { stdio: 'ignore' });
    const flinks = {
      'security.ssl.rest.enabled': 'true',
      'security.ssl.rest.keystore': store,
      'security.ssl.rest.keystore-password': 'opens-it',
    };
    expect(await overTls(await serve(flinks), cert)).toBe(200);
    for (const bad of [
      { ...names, 'tidemark.rest.tls-key': cert },
      { 'security.ssl.rest.enabled': 'true' },
      { ...flinks, 'security.ssl.rest.keystore-password': 'does-not' },
    ])
      await expect(serve(bad)).rejects.toMatchObject({ code: 'RST-011' });
  });
});

function overTls(address: string, cert: string): Promise<number | undefined> {
  const { port } = new URL(address);
  const options = {
    port,
    path: '/config',
    host: 'localhost',
    family: 4,
    ca: fs.readFileSync(cert),
  };
  return new Promise((resolve, reject) => {
    https
      .get(options, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
      .on('error', reject);
  });
}

describe('uploads', () => {
  const SUBMIT = { 'web.submit.enable': 'true' };
  const upload = (
    address: string,
    name: string,
    text: string,
    where = '/jars/upload',
    request = '',
  ) => {
    const body = new FormData();
    body.set('request', request);
    body.set('jarfile', new Blob([text]), name);
    return call(address, where, { method: 'POST', body });
  };

  it('are stored, listed, run by their address alone, and removed', async () => {
    const address = await serve(SUBMIT);
    const { json } = await upload(address, 'job.mjs', 'throw 1;');
    const id = json['filename'] ?? '';
    expect(json).toEqual({ filename: id, status: 'success' });
    expect((await call(address, '/jars')).json).toMatchObject({ files: [{ id, name: 'job.mjs' }] });
    const ran = await post(address, `/jars/${id}/run`, {
      programArgsList: ['--a', 'b'],
      parallelism: 3,
      savepointPath: 'file:///sp',
      flinkConfiguration: { 'execution.checkpointing.interval': '7s' },
    });
    // The double loads nothing: that it is asked to is what counts.
    expect(ran.status).toBe(400);
    expect(cluster.submissions[0]).toMatchObject({
      module: expect.stringMatching(/^file:.*uploads.*job\.mjs$/),
      arguments: ['--a', 'b'],
      from: { kind: 'snapshot', path: 'file:///sp' },
      flink: { parallelism: 3, checkpointIntervalMs: 7000, restToken: undefined },
    });
    expect((await call(address, `/jars/${id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await call(address, `/jars/${id}`, { method: 'DELETE' })).status).toBe(404);
    expect(fs.readdirSync(`${folder}/uploads`)).toEqual([]);
  });

  it('of bundle and request at once', async () => {
    const address = await serve(SUBMIT);
    const request = JSON.stringify({ programArgs: '--x 1', allowNonRestoredState: true });
    await upload(address, 'job.mjs', 'throw 1;', '/v1/jobs', request);
    expect(cluster.submissions[0]).toMatchObject({
      arguments: ['--x', '1'],
      allowNonRestoredState: true,
    });
    expect((await upload(address, 'job.mjs', '', '/jobs', '{')).status).toBe(400);
  });

  it('that are too large, of another kind or named to lead elsewhere are refused', async () => {
    const address = await serve({ ...SUBMIT, 'rest.server.max-content-length': '2000' });
    expect((await upload(address, 'job.mjs', 'x'.repeat(3000))).status).toBe(413);
    for (const name of ['job.jar', '.mjs', 'a b.mjs', '..%2fjob.mjs'])
      expect((await upload(address, name, 'x')).status).toBe(400);
    expect((await post(address, '/jars/upload', {})).status).toBe(400);
    expect(fs.existsSync(`${folder}/uploads`) ? fs.readdirSync(`${folder}/uploads`) : []).toEqual(
      [],
    );
    for (const id of ['..%2f..%2fsecret.mjs', `${ID}_..%2fx.mjs`, `${ID}_x.mjs`])
      expect((await post(address, `/jars/${id}/run`, {})).status).toBe(404);
    expect(cluster.submissions).toEqual([]);
  });

  it('bad settings are refused before anything runs', async () => {
    const address = await serve(SUBMIT);
    const id = (await upload(address, 'job.mjs', 'x')).json['filename'] ?? '';
    const flinkConfiguration = { 'execution.checkpointing.interval': 'soon' };
    const answer = await post(address, `/jars/${id}/run`, { flinkConfiguration });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ errors: [expect.stringContaining('SET-001')] });
    expect(cluster.submissions).toEqual([]);
  });
});

it('logs are read by name, and nothing else is', async () => {
  fs.mkdirSync(`${folder}/logs`);
  fs.writeFileSync(`${folder}/logs/service.log`, 'it began\n');
  fs.writeFileSync(`${folder}/secret.log`, 'not for you');
  fs.symlinkSync(`${folder}/secret.log`, `${folder}/logs/link.log`);
  const address = await serve();
  expect((await call(address, '/jobmanager/logs/service.log')).text).toBe('it began\n');
  for (const name of ['link.log', '..%2fsecret.log', '%2e%2e%2fsecret.log', 'none.log'])
    expect((await call(address, `/jobmanager/logs/${name}`)).status).toBe(404);
});

it('Prometheus reads the metrics under Flink’s names', async () => {
  const job = await cluster.run(countingJob('counting'), COUNTING_SETTINGS);
  const { text, headers } = await call(await serve(), '/metrics');
  expect(headers.get('content-type')).toContain('text/plain; version=0.0.4');
  const labels = `job_id="${job.jobId}",host="127_0_0_1",job_name="counting",`;
  expect(text).toContain(`flink_jobmanager_job_numberOfCompletedCheckpoints{${labels}} `);
  expect(text).toContain('flink_taskmanager_job_task_numRecordsIn{');
  expect(text).toContain('# TYPE flink_jobmanager_taskSlotsTotal gauge\n');
});
