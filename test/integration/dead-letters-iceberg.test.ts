/*
 * Goal: dead letters in an Iceberg table are listed, shown and replayed like those in files, from a folder as the
 * catalog and from a REST catalog: each comes again once, whatever is killed and however often it is asked for.
 * Method: the real commands and jobs; Apache Iceberg's own REST catalog.
 * Needs: Java 17 or later and Maven; the catalog is fetched once.
 * Replay: npm run test:integration -- dead-letters-iceberg
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IcebergRest, startIcebergRest } from '../../scripts/services/iceberg-rest.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { hadoop, rest, type IcebergCatalog } from '../../src/connectors/iceberg/index.ts';
import { letterTable } from '../../src/connectors/iceberg/letters/letter-table.ts';
import { ReplayTable } from '../../src/connectors/iceberg/letters/replay-table.ts';
import { tableName } from '../../src/connectors/iceberg/table-name.ts';
import type { DeadLetter } from '../../src/contracts/dead-letter.ts';
import { finishedFiles } from '../support/finished-lines.ts';
import { madeLetter } from '../support/made-letters.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const JOB = 'test/process/jobs/letters-lake.ts';
const TABLE = 'ops.dead_letters';
const TEST_MS = 600_000;
const LOOK_MS = 50;
const world = { fs: nodeFileSystem, clock: systemClock, random: systemRandom };

let root: string;
let server: IcebergRest;
const running: NodeProcess[] = [];

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-letters-lake-')));
  server = await startIcebergRest({ folder: path.join(root, 'rest') });
}, SERVICE_SETUP_MS);

afterAll(async () => {
  for (const one of running) await one.kill('SIGKILL');
  await server.stop();
  removeFolder(root);
});

const ROWS = Array.from({ length: 40 }, (_, n) => ({
  n,
  key: `k${n % 3}`,
  value: n % 8 === 5 ? -n : n,
}));
const NEGATIVE = ROWS.filter(({ value }) => value < 0);

async function dlq(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runTidemark(['dlq', ...args]);
  expect(code, stderr + stdout).toBe(0);
  return stdout;
}

async function lettersOf(catalog: IcebergCatalog, table: string): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const letter of letterTable({ catalog, table }, world).letters()) letters.push(letter);
  return letters;
}

describe.each(['folder', 'rest'] as const)('letters in a table of a %s catalog', (kind) => {
  const home = () => `${root}/${kind}`;
  const isRest = kind === 'rest';
  const catalog = () =>
    isRest ? rest({ uri: server.uri }) : hadoop({ warehouse: `${home()}/lake` });
  const catalogOptions = () => (isRest ? ['--uri', server.uri] : ['--warehouse', `${home()}/lake`]);
  const jobArguments = (...own: readonly string[]) => [
    '--',
    ...['--input', `${home()}/in`, '--out', `${home()}/out`, '--warehouse', `${home()}/lake`],
    ...(isRest ? ['--uri', server.uri] : []),
    ...own,
  ];

  function start(...own: readonly string[]): NodeProcess {
    const job = startTidemark([
      ...['run', JOB, '--json', '-p', '2'],
      ...settings({
        'execution.checkpointing.dir': `${home()}/checkpoints`,
        'execution.checkpointing.interval': '200ms',
        'execution.checkpointing.min-pause': '0',
      }),
      ...jobArguments(...own),
    ]);
    running.push(job);
    return job;
  }

  const sums = () =>
    finishedFiles(`${home()}/out/sums`)
      .flatMap((file) => fs.readFileSync(file, 'utf8').split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { readonly n: number; readonly value: number });

  it(
    'come again once, through kills',
    async () => {
      fs.mkdirSync(`${home()}/in`, { recursive: true });
      const text = ROWS.map((row) => `${JSON.stringify(row)}\n`).join('');
      fs.writeFileSync(`${home()}/in/a.jsonl`, text);
      const wrong = start();
      for (;;) {
        const { code, stdout } = await runTidemark([
          'dlq',
          'list',
          TABLE,
          ...catalogOptions(),
          '--json',
        ]);
        const found = code === 0 ? (JSON.parse(stdout) as { readonly letters: number }).letters : 0;
        if (found >= NEGATIVE.length) break;
      }
      await wrong.kill('SIGKILL');

      const listed = await dlq('list', TABLE, ...catalogOptions());
      expect(listed).toMatch(new RegExp(`sum +RangeError +${NEGATIVE.length} +0 `));
      const [letter] = await lettersOf(catalog(), TABLE);
      const shown = await dlq('show', TABLE, String(letter?.id), ...catalogOptions());
      expect(shown).toContain('sum: RangeError: less than nothing');
      expect(shown).toMatch(/Key +"k\d"\n/);
      const only = await dlq('list', TABLE, ...catalogOptions(), '--until', '1h', '--json');
      expect(JSON.parse(only)).toMatchObject({ letters: 0 });

      const replay = () => dlq('replay', TABLE, ...catalogOptions(), '--json');
      await Promise.all([replay(), replay()]);
      expect(JSON.parse(await replay())).toMatchObject({
        chosen: [{ operator: 'sum', letters: 0, before: NEGATIVE.length }],
        done: [],
      });
      const ids = (await lettersOf(catalog(), `${TABLE}_replay`)).map(({ id }) => id);
      expect(new Set(ids).size).toBe(NEGATIVE.length);
      expect(ids).toHaveLength(NEGATIVE.length);

      for (let kills = 0; kills < 2; kills += 1) {
        const job = start('--fixed', 'true');
        await job.until(() => job.count('checkpoint-completed') >= 1 + kills);
        await job.kill('SIGKILL');
      }
      const job = start('--fixed', 'true');
      expect(await job.until(() => sums().length >= ROWS.length)).toBe(true);
      const completed = job.count('checkpoint-completed');
      await job.until(() => job.count('checkpoint-completed') > completed + 1);
      await job.kill('SIGTERM');
      expect(
        sums()
          .map(({ n }) => n)
          .toSorted((a, b) => a - b),
      ).toEqual(ROWS.map(({ n }) => n));
      expect(await dlq('list', TABLE, ...catalogOptions())).toMatch(
        new RegExp(`sum .* ${NEGATIVE.length} +${NEGATIVE.length} `),
      );

      // With a job, which is run then; it has nothing more to read, and is refused for what it has no way back.
      const dry = ['replay', TABLE, ...catalogOptions(), '--dry-run', JOB, ...jobArguments()];
      expect(await dlq(...dry)).toContain('Nothing was changed.');
    },
    TEST_MS,
  );

  it(
    'are written once by many at a time, in steps',
    async () => {
      const letters = Array.from({ length: 300 }, (_, n) => madeLetter(n));
      const target = {
        catalog: catalog().connect(world),
        table: tableName('ops.many_replay'),
        world,
        attemptsMax: 20,
      };
      // Each begins elsewhere, so that they meet.
      const results = await Promise.allSettled(
        [0, 100, 200].map(async (from) => {
          const table = new ReplayTable(target);
          const own = [...letters.slice(from), ...letters.slice(0, from)];
          let count = 0;
          for (let at = 0; at < own.length; at += 75) {
            count += (await table.add(own.slice(at, at + 75))).length;
          }
          return count;
        }),
      );
      const counts = results.map((result) => {
        if (result.status === 'rejected') throw result.reason;
        return result.value;
      });
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(300);
      const found = await lettersOf(catalog(), 'ops.many_replay');
      const byId = (all: readonly DeadLetter[]) => all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      expect(byId(found)).toEqual(byId(letters));
    },
    TEST_MS,
  );
});

describe('a command that is killed', () => {
  const COUNT = 30_000;
  const place = { table: 'ops.many' };

  it(
    'has put each letter on its way once when it is run again',
    async () => {
      const catalog = hadoop({ warehouse: `${root}/killed` });
      const target = {
        catalog: catalog.connect(world),
        table: tableName(place.table),
        world,
        attemptsMax: 20,
      };
      // A table of letters is made like one of replays: they have the same columns.
      const letters = Array.from({ length: COUNT }, (_, n) => madeLetter(n));
      await new ReplayTable(target).add(letters);
      const args = ['dlq', 'replay', place.table, '--warehouse', `${root}/killed`];
      const replayed = async () =>
        (await letterTable({ catalog, ...place }, world).replayed()).size;
      for (const least of [1, 15_000]) {
        const killed = startTidemark(args);
        while ((await replayed()) < least) await sleep(systemClock, LOOK_MS);
        await killed.kill('SIGKILL');
      }
      const before = await replayed();
      const run = await runTidemark([...args, '--json']);
      expect(run.code, run.stderr).toBe(0);
      expect(JSON.parse(run.stdout)).toMatchObject({
        chosen: [{ letters: COUNT - before, before }],
      });
      const found = await lettersOf(catalog, `${place.table}_replay`);
      expect(found).toHaveLength(COUNT);
      expect(new Set(found.map(({ id }) => id)).size).toBe(COUNT);
    },
    TEST_MS,
  );

  it('has to be told a table that is there', async () => {
    const missing = await runTidemark(['dlq', 'list', 'ops.none', '--warehouse', `${root}/none`]);
    expect(missing).toMatchObject({ code: 2 });
    expect(missing.stderr).toContain('ICE-002');
  });
});
