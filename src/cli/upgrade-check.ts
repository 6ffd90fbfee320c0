import pc from 'picocolors';
import type {
  OperatorUpgrade,
  UpgradeReport,
  UpgradeVerdict,
} from '../cluster/upgrade/check-upgrade.ts';
import { EXIT } from './exit-codes.ts';
import { openSnapshot } from './open-snapshot.ts';
import { readAll, type SettingOptions } from './read-settings.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';

export interface UpgradeCheckOptions extends JsonOption, SettingOptions {
  readonly allowNonRestoredState?: boolean;
}

/** `tidemark upgrade check`: whether a job can go on from a snapshot. Nothing is started or changed. */
export function upgradeCheckCommand(
  file: string,
  snapshot: string,
  jobArguments: readonly string[],
  options: UpgradeCheckOptions,
): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { jobModule, jobUrl } = await import('./load-job-module.ts');
    const { checkUpgradeInThread } = await import('../cluster/upgrade/upgrade-thread.ts');
    const { flink } = await readAll(options);
    const url = await jobUrl(file);
    const { store, found } = await openSnapshot(snapshot, { flink, folder: process.cwd() });
    const { report } = await checkUpgradeInThread({
      module: jobModule(url),
      arguments: jobArguments,
      flink,
      storeUrl: store.url,
      snapshot: { folder: found.folder },
      allowNonRestoredState: options.allowNonRestoredState === true,
    });
    terminal.answer({ snapshot: found.url, ...report });
    printReport(terminal, report, found.url);
    return report.fits ? EXIT.done : EXIT.doesNotFit;
  });
}

const COLUMNS = [
  { title: 'OPERATOR OR STATE' },
  { title: 'VERDICT' },
  { title: 'SUBTASKS' },
  { title: '' },
];

export function printReport(terminal: Terminal, report: UpgradeReport, url: string): void {
  const { jobName, fits, operators, problems, warnings } = report;
  terminal.say(`${pc.bold(jobName)} on ${url}`);
  terminal.say('');
  for (const line of tableOf(COLUMNS, operators.flatMap(rowsOf))) terminal.say(line);
  for (const warning of warnings) terminal.say(pc.yellow(`Warning: ${warning}`));
  terminal.say('');
  for (const { message } of problems) terminal.say(pc.red(message));
  terminal.say(
    fits
      ? `${pc.green('Fits')}: a run of this job can go on from there.`
      : `${pc.red('Does not fit')}: the restore would fail with ${problems[0]?.code ?? ''}.`,
  );
}

function rowsOf(operator: OperatorUpgrade): readonly (readonly string[])[] {
  const { uid, verdict, parallelism, parallelismBefore, states } = operator;
  return [
    [uid, verdictText(verdict), parallelismText(parallelismBefore, parallelism), noteOf(operator)],
    ...states.map(({ name, kind, verdict: each, why }) => [
      `  ${name} (${kind})`,
      verdictText(each),
      '',
      why ?? '',
    ]),
  ];
}

function noteOf({ parallelism, parallelismBefore, verdict }: OperatorUpgrade): string {
  if (parallelismBefore === undefined) return 'not in the snapshot: starts empty';
  if (parallelism !== undefined) return '';
  return verdict === 'same' ? 'not in the job; it had no state' : 'not in the job';
}

function parallelismText(before: number | undefined, now: number | undefined): string {
  if (before === now) return String(now ?? '');
  return `${before ?? '-'} → ${now ?? '-'}`;
}

function verdictText(verdict: UpgradeVerdict): string {
  const colour = {
    same: pc.green,
    new: pc.green,
    migrate: pc.cyan,
    drop: pc.yellow,
    refuse: pc.red,
  };
  return colour[verdict](verdict);
}
