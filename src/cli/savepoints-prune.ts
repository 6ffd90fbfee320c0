import pc from 'picocolors';
import type { PruneItem } from '../checkpoint/prune.ts';
import { systemClock } from '../common/clock.ts';
import { systemRandom } from '../common/random.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { EXIT } from './exit-codes.ts';
import { absolute, checkpointUrl, storeOpenerOf } from './open-snapshot.ts';
import { readAll, type SettingOptions } from './read-settings.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';
import { bytesText, timeText } from './units.ts';

export interface PruneOptions extends JsonOption, SettingOptions {
  readonly dryRun?: boolean;
  /** Show what is kept, too. */
  readonly all?: boolean;
}

/** `tidemark savepoints prune`: removes what the retention rules let go. No service is needed. */
export function pruneCommand(
  directory: string | undefined,
  options: PruneOptions,
): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { flink } = await readAll(options);
    const { planPrune, applyPrune } = await import('../checkpoint/prune.ts');
    const folder = process.cwd();
    const openStore = await storeOpenerOf(flink);
    const store = openStore(checkpointUrl({ flink, folder }));
    const given = directory ?? flink.savepointDirectory;
    const others = given === undefined ? store : openStore(absolute(given, folder));
    const pruning = {
      store,
      savepoints: others.url === store.url ? [store] : [others, store],
      openStore,
      random: systemRandom,
      rules: rulesOf(flink),
      nowMs: systemClock.wallMs(),
    };
    const plan = await planPrune(pruning);
    const shown = options.all === true ? plan.items : plan.items.filter(({ keep }) => !keep);
    show(shown, terminal);
    const removed: PruneItem[] = [];
    if (options.dryRun !== true) await applyPrune(plan, pruning, (item) => removed.push(item));
    const unreadable = plan.unreadable.map(({ url, error }) => ({ url, error: error.message }));
    terminal.answer({ dryRun: options.dryRun === true, items: shown, removed, unreadable });
    for (const { url, error } of unreadable) terminal.say(pc.red(`${url}: ${error}`));
    terminal.say(summaryOf(plan.items, removed, options.dryRun === true));
    return unreadable.length === 0 ? EXIT.done : EXIT.corrupt;
  });
}

function rulesOf(flink: FlinkSettings) {
  return {
    savepointsKept: flink.retentionSavepointsKept,
    preDeployMs: flink.retentionPreDeployMs,
    monthlyMs: flink.retentionMonthlyMs,
    checkpointsKept: flink.retentionCheckpointsKept,
    checkpointMs: flink.retentionCheckpointAgeMs,
  };
}

const COLUMNS = [
  { title: '' },
  { title: 'WHAT' },
  { title: 'JOB' },
  { title: 'TAKEN' },
  { title: 'SIZE', right: true },
  { title: 'LABEL' },
  { title: 'WHY' },
  { title: 'PATH' },
];

function show(items: readonly PruneItem[], terminal: Terminal): void {
  if (items.length === 0) return;
  const rows = items.map((item) => [
    item.keep ? pc.green('keep') : pc.yellow('remove'),
    item.kind,
    item.jobName === '' ? item.jobId.slice(0, 8) : item.jobName,
    timeText(item.completedMs),
    bytesText(item.sizeBytes),
    item.label ?? '',
    item.why,
    item.url,
  ]);
  for (const line of tableOf(COLUMNS, rows)) terminal.say(line);
}

function summaryOf(
  items: readonly PruneItem[],
  removed: readonly PruneItem[],
  dryRun: boolean,
): string {
  const going = dryRun ? items.filter(({ keep }) => !keep) : removed;
  const bytes = going.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const what = dryRun ? 'would be removed' : 'removed';
  return `${going.length} of ${items.length} ${what}, ${bytesText(bytes)}.`;
}
