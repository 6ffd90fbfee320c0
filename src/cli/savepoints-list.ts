import pc from 'picocolors';
import type { FoundSnapshot } from '../checkpoint/metadata.ts';
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
    const { snapshotsIn } = await import('../cluster/stored-snapshot.ts');
    const found: FoundSnapshot[] = [];
    const damaged: { readonly url: string; readonly error: string }[] = [];
    for await (const { url, stored, error } of snapshotsIn(folder, openStore)) {
      if (error !== undefined) damaged.push({ url, error: error.message });
      if (stored?.found.metadata.kind === 'savepoint') found.push(stored.found);
    }
    found.sort((a, b) => b.metadata.completedMs - a.metadata.completedMs);
    const savepoints = found.map(({ url, metadata }) => {
      const { jobName, jobId, checkpointId, completedMs, stateBytes } = metadata;
      const { label, who, why, pin } = metadata;
      return { url, jobName, jobId, checkpointId, completedMs, stateBytes, label, who, why, pin };
    });
    terminal.answer({ folder, savepoints, damaged });
    if (savepoints.length + damaged.length === 0)
      terminal.say(`There are no savepoints in ${folder}.`);
    const rows = savepoints.map(({ jobName, completedMs, stateBytes, label, pin, url }) => [
      jobName,
      timeText(completedMs),
      bytesText(stateBytes),
      label ?? '',
      pin === true ? 'pinned' : '',
      url,
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
