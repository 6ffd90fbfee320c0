import pc from 'picocolors';
import type { RollbackPlan, SinkPart } from '../cluster/rollback/plan-rollback.ts';
import { timeOf } from './dlq-letters.ts';
import { EXIT } from './exit-codes.ts';
import { jobToRollBack, runAgain, type JobToRollBack } from './job-to-roll-back.ts';
import type { RunArguments } from './run-arguments.ts';
import { tableOf } from './table.ts';
import { onTerminal, type Terminal } from './terminal.ts';
import { countText, timeText } from './units.ts';

export interface RollbackJobOptions extends RunArguments {
  readonly before: string;
  readonly dryRun?: boolean;
  readonly cancel?: boolean;
  readonly leave: readonly string[];
  /** False with `--no-start`. */
  readonly start: boolean;
}

/**
 * `tidemark rollback`: finds the checkpoint, the snapshots of tables and the positions in sources that belong
 * together, takes back what came later, and runs the job from there. It may be repeated at any point.
 *
 * @param given The job's module; or the id, the beginning of the id, or the name of a job of the service, which is
 * run there again as it was submitted.
 */
export async function rollbackJobCommand(
  given: string,
  rest: readonly string[],
  options: RollbackJobOptions,
): Promise<number> {
  let job: JobToRollBack | undefined;
  const code = await onTerminal(options, async (terminal) => {
    job = await jobToRollBack(given, rest, options);
    if (options.detached === true && options.start && options.dryRun !== true) {
      const { serviceForJobs } = await import('./run-detached.ts');
      // Found out before anything is taken back.
      await serviceForJobs();
    }
    return rollBack(terminal, job, options);
  });
  if (code !== EXIT.done || options.dryRun === true || !options.start) return code;
  if (job?.submission !== undefined) return runAgain(job.submission, options);
  if (options.detached === true) {
    const { runDetachedCommand } = await import('./run-detached.ts');
    return runDetachedCommand(given, rest, options);
  }
  const { runCommand } = await import('./run.ts');
  return runCommand(given, rest, options);
}

async function rollBack(
  terminal: Terminal,
  { graph, store, openStore }: JobToRollBack,
  options: RollbackJobOptions,
): Promise<number> {
  const { defaultWorld: world, thisProcess: owner } = await import('../cluster/run-job.ts');
  const { planRollback } = await import('../cluster/rollback/plan-rollback.ts');
  const { leadJob, performRollback } = await import('../cluster/rollback/perform-rollback.ts');
  const { cancelForRollback } = await import('./cancel-for-rollback.ts');
  const beforeMs = timeOf('--before', options.before, world.clock.wallMs()) ?? 0;
  const given = { store, openStore, world, graph, beforeMs, leave: options.leave };
  const plan = await planRollback(given);
  const dryRun = options.dryRun === true;
  tell(terminal, plan, dryRun);
  if (dryRun) {
    terminal.say('Nothing was changed.');
    return EXIT.done;
  }
  const leader = { store, world, owner };
  const canceled = await cancelForRollback(plan, options.cancel === true, () =>
    leadJob(plan, leader),
  );
  // Until it was gone it may have completed and committed more.
  await performRollback(canceled ? await planRollback(given) : plan, leader);
  const how = canceled ? 'The job was cancelled and is' : 'The job is';
  terminal.say(`${how} back at checkpoint ${plan.to.checkpointId}.`);
  return EXIT.done;
}

function tell(terminal: Terminal, plan: RollbackPlan, dryRun: boolean): void {
  const { record, to, dropped, sources, sinks } = plan;
  terminal.answer({
    dryRun,
    jobName: record.jobName,
    jobId: record.jobId,
    goesOn: plan.goesOn,
    checkpoint: { id: to.checkpointId, url: to.url, completedMs: to.completedMs },
    dropped: dropped.map(({ checkpointId }) => checkpointId),
    sources,
    sinks: sinks.map(({ uid, kind, rollback }) => {
      return { uid, kind, place: rollback?.place, change: rollback?.change };
    }),
  });
  const ago = `checkpoint ${to.checkpointId} of ${timeText(to.completedMs)}`;
  terminal.say(pc.bold(`${record.jobName} ${dryRun ? 'would go' : 'goes'} back to ${ago}`));
  if (plan.goesOn) terminal.say('A rollback to it has begun, and is gone on with.');
  terminal.say(pc.dim(to.url));
  const later = dropped.map(({ checkpointId }) => checkpointId).join(', ');
  terminal.say(later === '' ? 'No later checkpoint is kept.' : `Forgotten: checkpoints ${later}.`);
  terminal.say('');
  const rows = [
    ...sources.map(({ uid, kind, splits, finished }) => [
      uid,
      `source ${kind}`,
      finished ? 'is at its end' : 'goes on at',
      '',
      splits.join(' '),
    ]),
    ...sinks.map(sinkRow),
  ];
  for (const line of tableOf(COLUMNS, rows)) terminal.say(line);
  terminal.say('');
}

const COLUMNS = [
  { title: 'OPERATOR' },
  { title: 'KIND' },
  { title: 'WHAT' },
  { title: 'ROWS', right: true },
  { title: 'WHERE' },
];

function sinkRow({ uid, kind, rollback }: SinkPart): string[] {
  const what = `sink ${kind}`;
  if (rollback === undefined) return [uid, what, 'stays as it is', '', ''];
  const { change, place } = rollback;
  if (change === undefined) return [uid, what, 'has nothing newer', '', place];
  const rows = change.rows === undefined ? '?' : countText(-change.rows);
  return [uid, what, `${change.from} → ${change.to}`, rows, place];
}
