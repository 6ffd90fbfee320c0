/*
 * Goal: a REST catalog is asked as its protocol says, and of each answer it is known whether a commit was made,
 * was not, or may have been.
 * Method: a server of a few lines that answers as told; what was asked is looked at as text.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { nodeFileSystem } from '../../common/node-file-system.ts';
import { systemRandom } from '../../common/random.ts';
import { appendCheckpoint } from './append-snapshot.ts';
import type { LoadedTable } from './catalog.ts';
import { printJson } from './lossless-json.ts';
import { rest, type RestCatalogOptions } from './rest-catalog.ts';
import { unchangedSnapshots } from './table-change.ts';
import { tableName } from './table-name.ts';

const world = { fs: nodeFileSystem, clock: systemClock, random: systemRandom };
const name = tableName('db.t');
const SILENCE_MS = 2_000;
const SNAPSHOT = 3051729675574597004n;

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

const metadataOf = (current: bigint | undefined, location: string) => ({
  'format-version': 2,
  'table-uuid': 'the-uuid',
  location,
  'last-sequence-number': 1,
  'last-updated-ms': 1,
  'last-column-id': 1,
  'current-schema-id': 0,
  schemas: [{ type: 'struct', 'schema-id': 0, fields: [] }],
  'default-spec-id': 0,
  'partition-specs': [{ 'spec-id': 0, fields: [] }],
  'current-snapshot-id': current ?? -1,
  snapshots: [],
});

let asked: Asked[];
let server: http.Server;
let uri: string;
let location: string;
let current: bigint | undefined;
/** What a commit is answered: a status, or nothing for ever. */
let outcome: number | 'silence';

beforeEach(async () => {
  asked = [];
  outcome = 200;
  current = SNAPSHOT;
  location = 'file:///lake/db/t';
  server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      asked.push({ method, path: url, headers, body });
      if (url.startsWith('/v1/config')) {
        response.end('{"defaults":{"s3.endpoint":"http://told"},"overrides":{"prefix":"p"}}');
        return;
      }
      const isCommit = method === 'POST';
      if (isCommit && outcome === 'silence') return;
      response.statusCode = isCommit && outcome !== 'silence' ? outcome : 200;
      const metadata = metadataOf(current, location) as never;
      response.end(printJson({ 'metadata-location': 'm', metadata }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const connected = (options: Partial<RestCatalogOptions> = {}) =>
  rest({ uri, ...options }).connect(world);

async function loaded(options: Partial<RestCatalogOptions> = {}): Promise<LoadedTable> {
  const table = await connected(options).load(name);
  if (table === undefined) expect.unreachable();
  return table;
}

const commits = () => asked.filter(({ method }) => method === 'POST');

describe('a commit', () => {
  test.each<[string, bigint | undefined, string]>([
    ['of a table with a snapshot', SNAPSHOT, `"snapshot-id":${SNAPSHOT}`],
    ['of an empty table', undefined, '"snapshot-id":null'],
  ])('%s says what must still hold, digit for digit', async (_what, id, text) => {
    current = id;
    const base = await loaded();
    const change = { requirements: unchangedSnapshots(base.metadata), updates: [] };
    expect(await connected().commit(name, base, change)).toMatchObject({ kind: 'done' });
    const [made] = commits();
    const body = made?.body ?? '';
    expect(made?.path).toBe('/v1/p/namespaces/db/tables/t');
    expect(body).toContain('{"type":"assert-table-uuid","uuid":"the-uuid"}');
    expect(body).toContain(`{"type":"assert-ref-snapshot-id","ref":"main",${text}}`);
  });

  test.each<[number | 'silence', string]>([
    [409, 'conflict'],
    [500, 'unknown'],
    [502, 'unknown'],
    [504, 'unknown'],
    [520, 'unknown'],
    [429, 'unknown'],
    ['silence', 'unknown'],
  ])('that is answered %s is a %s', async (status, kind) => {
    // Only who never answers is waited for, and not long.
    const catalog = connected(status === 'silence' ? { timeoutMs: SILENCE_MS } : {});
    const base = await catalog.load(name);
    if (base === undefined) expect.unreachable();
    outcome = status;
    const change = { requirements: [], updates: [] };
    expect(await catalog.commit(name, base, change)).toMatchObject({ kind });
  });

  test.each([
    [404, 'ICE-002'],
    [400, 'ICE-009'],
    [403, 'ICE-009'],
  ])('that is answered %s is the error %s', async (status, code) => {
    const base = await loaded();
    outcome = status;
    const commit = connected().commit(name, base, { requirements: [], updates: [] });
    await expect(commit).rejects.toMatchObject({ code });
  });

  test('of another table of that name is not even tried', async () => {
    const target = { catalog: connected(), table: name, world, attemptsMax: 1 };
    const stamp = { lineage: 'a', uid: 'u', checkpointId: 1 };
    const pending = { tableUuid: 'another', location: 'x', schemaId: 0, specId: 0 } as never;
    await expect(appendCheckpoint(target, stamp, [pending])).rejects.toMatchObject({
      code: 'ICE-014',
    });
    expect(commits()).toEqual([]);
  });
});

describe('keys', () => {
  const delegation = () =>
    asked.map(({ headers }) => headers['x-iceberg-access-delegation']).filter(Boolean);

  test('are asked for, with each look at the table', async () => {
    await loaded();
    expect(delegation()).toEqual(['vended-credentials']);
  });

  test('are not asked for by who has some', async () => {
    await loaded({ s3: { accessKey: 'k', secretKey: 's' } });
    expect(delegation()).toEqual([]);
  });

  test('of a half are refused at once', () => {
    expect(() => rest({ uri, s3: { accessKey: 'k' } })).toThrow(
      expect.objectContaining({ code: 'ICE-001' }) as Error,
    );
  });
});
