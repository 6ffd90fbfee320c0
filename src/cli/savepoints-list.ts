import pc from 'picocolors';
import { EXIT } from './exit-codes.ts';
import { absolute, checkpointUrl, storeOpenerOf } from './open-snapshot.ts';
import { readAll, type SettingOptions } from './read-settings.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption } from './terminal.ts';
import { bytesText, timeText } from './units.ts';

/** `tidemark savepoints list`: the savepoints in a folder. No service is needed. */
export function savepointsListCommand(
  directory: string | undefined,
  options: JsonOption & SettingOptions,
): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { flink } = await readAll(options);
    const place = { flink, folder: process.cwd() };
    const given = directory ?? flink.savepointDirectory;
    const folder = given === undefined ? checkpointUrl(place) : absolute(given, place.folder);
    const openStore = await storeOpenerOf(flink);
    const { listSnapshots } = await import('../checkpoint/snapshot-list.ts');
    const { snapshots, unreadable } = await listSnapshots(openStore(folder));
    const savepoints = snapshots
      .filter(({ kind }) => kind === 'savepoint')
      .map((one) => {
        const { url, jobName, jobId, checkpointId, completedMs, stateBytes } = one;
        const { label, who, why, pin, complete } = one;
        const notes = { label, who, why, pin, complete };
        return { url, jobName, jobId, checkpointId, completedMs, stateBytes, ...notes };
      });
    // What is in the folder of a job are its checkpoints.
    const damaged = unreadable
      .filter(({ url }) => !/\/[0-9a-f]{32}\//.test(url))
      .map(({ url, error }) => ({ url, error: error.message }));
    terminal.answer({ folder, savepoints, damaged });
    if (savepoints.length + damaged.length === 0)
      terminal.say(`There are no savepoints in ${folder}.`);
    const rows = savepoints.map((one) => [
      one.jobName,
      timeText(one.completedMs),
      bytesText(one.stateBytes),
      one.label ?? '',
      [one.pin ? 'pinned' : '', one.complete ? '' : 'incomplete'].join(' ').trim(),
      one.url,
    ]);
    if (rows.length > 0) for (const line of tableOf(COLUMNS, rows)) terminal.say(line);
    for (const { url, error } of damaged) terminal.say(pc.red(`${url}: ${error}`));
    return damaged.length === 0 ? EXIT.done : EXIT.corrupt;
  });
}

const COLUMNS = [
  { title: 'JOB' },
  { title: 'TAKEN' },
  { title: 'SIZE', right: true },
  { title: 'LABEL' },
  { title: '' },
  { title: 'PATH' },
];
