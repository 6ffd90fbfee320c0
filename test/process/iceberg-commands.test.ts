/** `tidemark iceberg …` on a table that a job has written: from dist/, as a user has it. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tableRows } from '../../scripts/start/table-rows.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { runTidemark, settings, startTidemark } from '../support/tidemark-process.ts';

const LOOK_MS = 20;

let root: string;

beforeAll(async () => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-iceberg-commands-'));
  const engine = {
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '100ms',
    'execution.checkpointing.min-pause': '0',
  };
  const gate = `${root}/gate`;
  const job = ['--', '--warehouse', `${root}/lake`, '--count', '1000', '--gate', gate];
  const making = startTidemark([
    ...['run', 'test/process/jobs/iceberg.ts', '--json', ...settings(engine)],
    ...job,
  ]);
  // However slow checkpoints are, there is a snapshot with some of the rows, and one with all.
  const hasSome = async () => (await tableRows(`${root}/lake`, 'test.readings')).length > 0;
  while (!(await hasSome()) && !making.isOver) await sleep(systemClock, LOOK_MS);
  fs.writeFileSync(gate, '');
  const made = await making.ended;
  expect(made, made.stdout + made.stderr).toMatchObject({ code: 0 });
});

afterAll(() => {
  fs.rmSync(root, { recursive: true });
});

async function iceberg(command: string, ...args: readonly string[]) {
  const place = ['test.readings', '--warehouse', `${root}/lake`, '--json'];
  const { code, stdout } = await runTidemark(['iceberg', command, ...place, ...args]);
  return { code, answer: JSON.parse(stdout) as Record<string, unknown> };
}

interface Listed {
  readonly id: string;
  readonly totalRows: number;
  readonly isCurrent: boolean;
  readonly job: { readonly uid: string; readonly checkpointId: number };
}

async function snapshots(): Promise<readonly Listed[]> {
  return (await iceberg('snapshots')).answer['snapshots'] as Listed[];
}

it('lists snapshots, rolls back and forth, and tidies up', async () => {
  const listed = await snapshots();
  const [first] = listed;
  const last = listed.at(-1);
  if (first === undefined || last === undefined) expect.unreachable();
  expect(listed.length).toBeGreaterThan(1);
  expect(last).toMatchObject({ totalRows: 1000, isCurrent: true, job: { uid: 'table' } });

  const dry = await iceberg('rollback', '--to', first.id, '--dry-run');
  expect(dry).toMatchObject({
    code: 0,
    answer: { dryRun: true, to: { id: first.id }, rows: 1000 - first.totalRows },
  });
  expect((await snapshots()).find(({ isCurrent }) => isCurrent)?.id).toBe(last.id);

  expect(await iceberg('rollback', '--to', first.id)).toMatchObject({
    code: 0,
    answer: { jobs: [{ uid: 'table', to: first.job.checkpointId }] },
  });
  expect((await snapshots()).find(({ isCurrent }) => isCurrent)?.id).toBe(first.id);
  expect(await iceberg('rollback', '--to', last.id)).toMatchObject({ code: 0 });
  expect((await snapshots()).find(({ isCurrent }) => isCurrent)?.id).toBe(last.id);

  expect(await iceberg('expire', '--dry-run')).toMatchObject({ code: 0, answer: { snapshots: 0 } });
  const orphans = await iceberg('remove-orphans', '--older-than', '0');
  expect(orphans).toMatchObject({ code: 0, answer: { files: [] } });
});

it('refuses what makes no sense, and says what does', async () => {
  const unknown = await iceberg('rollback', '--to', '7');
  expect(unknown.code).toBe(2);
  expect(String(unknown.answer['error'])).toContain('ICE-012');
  const nowhere = await runTidemark(['iceberg', 'snapshots', 'test.readings']);
  expect(nowhere).toMatchObject({ code: 2 });
  expect(nowhere.stderr).toContain('CLI-027');
  const noTable = await runTidemark(['iceberg', 'snapshots', 'a.b', '--warehouse', root]);
  expect(noTable).toMatchObject({ code: 2 });
  expect(noTable.stderr).toContain('ICE-002');
});
