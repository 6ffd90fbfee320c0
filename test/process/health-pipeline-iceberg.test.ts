/*
 * Goal: the main job's tables hold exactly what a program without Tidemark computes, whatever is killed,
 * and who looks while it runs sees no row twice and none that must not be there.
 * Method: npm start with kills. While it runs the tables are read again and again, each version that is
 * met once; in the end PyIceberg reads them, and test/reference/health_pipeline.py compares every row.
 * Replay: npm run test:process -- health-pipeline-iceberg
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { tableRows } from '../../scripts/start/table-rows.ts';
import { ICEBERG_PACKAGES, PYTHON_SETUP_MS, pythonWith, run } from '../support/python.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { NodeProcess, REPOSITORY, runReference, settings } from '../support/tidemark-process.ts';

const DATA = `${REPOSITORY}/examples/data`;
const TABLES = ['vitals', 'vitals_hourly', 'dlq'];
const ROWS = { vitals: 116_479, vitals_hourly: 8_855, dlq: 1_256 };
const LOOK_MS = 50;

let root: string;
let python: string;

beforeAll(() => {
  python = pythonWith(ICEBERG_PACKAGES);
}, PYTHON_SETUP_MS);

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-tables-')));
});

afterEach(() => {
  removeFolder(root);
});

/** What PyIceberg sees, as JSON lines in a folder. */
function readByOther(out: string, to: string): unknown {
  const program = `${REPOSITORY}/test/reference/health_tables.py`;
  return JSON.parse(run(python, [program, `${out}/warehouse`, to]));
}

function versionsOf(out: string, name: string): number {
  const folder = `${out}/warehouse/health/${name}/metadata`;
  if (!fs.existsSync(folder)) return 0;
  return fs.readdirSync(folder).filter((file) => file.endsWith('.metadata.json')).length;
}

/** Looks whenever there is a new version, until the process is over. Returns how many versions it has read. */
async function watch(out: string, isOver: () => boolean): Promise<number> {
  const seen = new Map<string, number>();
  let looks = 0;
  while (!isOver()) {
    for (const name of TABLES) {
      const versions = versionsOf(out, name);
      if (versions === (seen.get(name) ?? 0)) continue;
      seen.set(name, versions);
      looks += 1;
      const rows = (await tableRows(`${out}/warehouse`, `health.${name}`)).map((row) =>
        JSON.stringify(row),
      );
      expect(new Set(rows).size, `${name} at version ${versions}`).toBe(rows.length);
    }
    await sleep(systemClock, LOOK_MS);
  }
  return looks;
}

// Behind the last kill a quarter of the input is left: what a kill waits for must come in time, also on a machine that
// is ten times slower.
it.each([
  ['TaskManagers', ['--kills', '3', '--rate', '2000']],
  ['the whole job', ['--victim', 'job', '--kills', '3', '--rate', '2000', '-p', '3']],
])('are right after kills of %s', async (_, args) => {
  const out = `${root}/out`;
  const start = new NodeProcess([
    ...[`${REPOSITORY}/scripts/start.ts`, '--out', out, '--json', ...args],
    ...settings({
      'execution.checkpointing.interval': '300ms',
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.delay': '0',
    }),
  ]);
  let isOver = false;
  const ended = start.ended.finally(() => (isOver = true));
  const looks = await watch(out, () => isOver);
  const { code, stdout, stderr } = await ended;

  expect(code, stdout + stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, valid: ROWS.vitals, restarts: 3 });
  expect(looks).toBeGreaterThan(TABLES.length);
  expect(readByOther(out, `${root}/read`)).toEqual(ROWS);
  const check = runReference('check', DATA, `${root}/read`);
  expect(check, check.stderr).toMatchObject({ code: 0 });
});
