import pc from 'picocolors';
import type { BlobStore } from '../storage/blob-store.ts';
import { EXIT } from './exit-codes.ts';
import { absolute, checkpointUrl, storeOpenerOf } from './open-snapshot.ts';
import { readAll, type SettingOptions } from './read-settings.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption } from './terminal.ts';
import { bytesText } from './units.ts';

export type StorageOptions = JsonOption & SettingOptions;

interface Usage {
  readonly jobId: string;
  jobName: string;
  /** As the records of names say; `replaced`: a later job has its name. */
  state: string;
  checkpoints: number;
  checkpointBytes: number;
}

/** `tidemark storage`: how much the checkpoints and savepoints of each job take. No service is needed. */
export function storageCommand(options: StorageOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { flink } = await readAll(options);
    const folder = process.cwd();
    const openStore = await storeOpenerOf(flink);
    const store = openStore(checkpointUrl({ flink, folder }));
    const { listSnapshots } = await import('../checkpoint/snapshot-list.ts');
    const jobs = await usagesIn(store);
    const given = flink.savepointDirectory;
    const { snapshots } = await listSnapshots(
      given === undefined ? store : openStore(absolute(given, folder)),
    );
    const ones = snapshots.filter(({ kind }) => kind === 'savepoint');
    const ofSavepoints = [...new Set(ones.map(({ jobName }) => jobName))].map((name) => {
      const own = ones.filter(({ jobName }) => jobName === name);
      const savepointBytes = own.reduce((sum, { folderBytes }) => sum + folderBytes, 0);
      return { jobName: name, savepoints: own.length, savepointBytes };
    });
    const total =
      jobs.reduce((sum, { checkpointBytes }) => sum + checkpointBytes, 0) +
      ofSavepoints.reduce((sum, { savepointBytes }) => sum + savepointBytes, 0);
    terminal.answer({ storage: store.url, jobs, savepoints: ofSavepoints, totalBytes: total });
    terminal.say(`${pc.bold(store.url)}: ${bytesText(total)}`);
    const rows = [
      ...jobs.map(({ jobName, jobId, state, checkpoints, checkpointBytes }) => [
        jobName,
        jobId.slice(0, 12),
        state,
        `${checkpoints} checkpoints`,
        bytesText(checkpointBytes),
      ]),
      ...ofSavepoints.map(({ jobName, savepoints: count, savepointBytes }) => [
        jobName,
        '',
        '',
        `${count} savepoints`,
        bytesText(savepointBytes),
      ]),
    ];
    if (rows.length > 0) for (const line of tableOf(COLUMNS, rows)) terminal.say(line);
    return EXIT.done;
  });
}

const COLUMNS = [
  { title: 'JOB' },
  { title: 'ID' },
  { title: 'STATE' },
  { title: 'WHAT' },
  { title: 'SIZE', right: true },
];

/** All files in the folders of jobs. */
async function usagesIn(store: BlobStore): Promise<readonly Usage[]> {
  const { readHead } = await import('../checkpoint/head.ts');
  const { allNameRecords } = await import('../checkpoint/name-record.ts');
  const usages = new Map<string, Usage>();
  for await (const { path, sizeBytes } of store.list('')) {
    const jobId = /^[0-9a-f]{32}(?=\/)/.exec(path)?.[0];
    if (jobId === undefined) continue;
    const none = { jobId, jobName: '', state: 'replaced', checkpoints: 0, checkpointBytes: 0 };
    const usage = usages.get(jobId) ?? none;
    usages.set(jobId, { ...usage, checkpointBytes: usage.checkpointBytes + sizeBytes });
  }
  for (const { jobId, jobName, state } of await allNameRecords(store)) {
    const usage = usages.get(jobId);
    if (usage !== undefined) Object.assign(usage, { jobName, state });
  }
  for (const usage of usages.values()) {
    const found = await readHead(store, usage.jobId);
    usage.checkpoints = found?.head.checkpoints.length ?? 0;
  }
  return [...usages.values()].sort((a, b) => b.checkpointBytes - a.checkpointBytes);
}
