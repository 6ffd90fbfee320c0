import path from 'node:path';
import pc from 'picocolors';
import { sleep, systemClock } from '../common/clock.ts';
import { EngineError } from '../common/errors.ts';
import type { UpgradeReport } from '../cluster/upgrade/check-upgrade.ts';
import { missingArgument } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { findJob } from './find-job.ts';
import { absolute, checkpointUrl, storeOpenerOf } from './open-snapshot.ts';
import { badDuration, lostUpgrade, noServiceForUpgrades } from './operating-errors.ts';
import { detachOnSignals, newTriggerId, sayHowToAttach } from './operation.ts';
import { readAll, type ReadSettings, type SettingOptions } from './read-settings.ts';
import { RestClient } from './rest-client.ts';
import { notesOf, type NoteOptions } from './savepoint.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';
import { printReport } from './upgrade-check.ts';

export interface UpgradeOptions extends JsonOption, SettingOptions, Omit<NoteOptions, 'pin'> {
  readonly allowNonRestoredState?: boolean;
  readonly dryRun?: boolean;
  readonly drain?: boolean;
  /** Where the savepoint goes. */
  readonly savepointPath?: string;
  /** So long the new version may take to be well. */
  readonly within: string;
  /** An upgrade that an earlier command began. */
  readonly attach?: string;
}

/** As the service answers. */
interface Upgrade {
  readonly upgradeId: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly phase: string;
  readonly isOver: boolean;
  readonly snapshot?: string;
  readonly report?: UpgradeReport;
  readonly state?: {
    readonly kind: string;
    readonly savepointUrl?: string;
    readonly jobId?: string;
    readonly why?: string;
    readonly note?: string;
  };
  readonly error?: { readonly code?: string; readonly kind?: string; readonly message: string };
}

const LOOK_MS = 200;
/** How long a service that does not answer may take to be started again. */
const AWAY_MS_MAX = 60_000;
/** What it is, for the retention rules. */
const LABEL = 'pre-deploy';

/** `tidemark upgrade`: puts a new version of a running job in its place, or the old one back. */
export function upgradeCommand(
  file: string | undefined,
  job: string | undefined,
  jobArguments: readonly string[],
  options: UpgradeOptions,
): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { parseDurationMs } = await import('../settings/units.ts');
    const withinMs = parseDurationMs(options.within);
    if (withinMs === undefined || withinMs < 1) throw badDuration('--within', options.within);
    const client = await RestClient.ofThisUser();
    if (client === undefined) throw noServiceForUpgrades(job);
    if (options.attach !== undefined) return follow(options.attach, terminal, options);
    if (file === undefined || job === undefined) {
      throw missingArgument(
        file === undefined ? 'the job file' : 'the job',
        'tidemark upgrade job.ts <job>',
      );
    }
    const upgradeId = newTriggerId();
    const read = await readAll(options);
    const { jobUrl } = await import('./load-job-module.ts');
    const module = await jobUrl(file);
    const { jid, name } = await findUpgraded(client, job, read);
    terminal.say(`Checking ${file} against job ${name} (${jid}).`);
    await client.post('/tidemark/upgrades', {
      upgradeId,
      jobId: jid,
      module,
      folder: process.cwd(),
      arguments: jobArguments,
      flink: read.flink,
      allowNonRestoredState: options.allowNonRestoredState === true,
      dryRun: options.dryRun === true,
      drain: options.drain === true,
      withinMs,
      ...notesOf({ label: LABEL, ...options }),
      ...(options.savepointPath !== undefined && {
        targetDirectory: absolute(options.savepointPath, process.cwd()),
      }),
    });
    return follow(upgradeId, terminal, options);
  });
}

/** A job that runs, but not under the service, cannot be upgraded by it: that is said, and how it is done. */
async function findUpgraded(client: RestClient, job: string, { flink }: ReadSettings) {
  try {
    return await findJob(client, job);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'CLI-022') throw error;
    const { readNameRecord } = await import('../checkpoint/name-record.ts');
    const openStore = await storeOpenerOf(flink);
    const store = openStore(checkpointUrl({ flink, folder: path.resolve('.') }));
    const found = await readNameRecord(store, job).catch(() => undefined);
    if (found?.record.state === 'running') throw noServiceForUpgrades(job);
    throw error;
  }
}

/** Shows what happens until it is over. */
async function follow(
  upgradeId: string,
  terminal: Terminal,
  { within }: UpgradeOptions,
): Promise<number> {
  const operation = { what: 'upgrade', attach: `tidemark upgrade --attach ${upgradeId}` };
  const stopSignals = detachOnSignals(operation);
  const shown = new Set<string>();
  try {
    for (;;) {
      const upgrade = await ask(upgradeId, terminal);
      show(upgrade, shown, terminal, within);
      if (upgrade.isOver) {
        terminal.answer(upgrade);
        return exitOf(upgrade);
      }
      terminal.progress(pc.dim(`${upgrade.phase} …`));
      await sleep(systemClock, LOOK_MS);
    }
  } catch (error) {
    if (error instanceof EngineError && error.code === 'CLI-021') sayHowToAttach(operation);
    throw error;
  } finally {
    stopSignals();
  }
}

/** The service may die and be started again meanwhile: it goes on with the upgrade. */
async function ask(upgradeId: string, terminal: Terminal): Promise<Upgrade> {
  const startMs = systemClock.monotonicMs();
  for (;;) {
    try {
      const client = await RestClient.ofThisUser();
      if (client === undefined) throw noServiceForUpgrades(undefined);
      return await client.get<Upgrade>(`/tidemark/upgrades/${upgradeId}`);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (error.code === 'CLI-025' && /status=.?404/.test(error.message))
        throw lostUpgrade(upgradeId);
      const isAway = error.code === 'CLI-021' || error.code === 'CLI-040';
      if (!isAway || systemClock.monotonicMs() - startMs > AWAY_MS_MAX) throw error;
      terminal.progress(pc.yellow('the service does not answer; waiting for it …'));
      await sleep(systemClock, LOOK_MS);
    }
  }
}

/** Each line once. */
function show(upgrade: Upgrade, shown: Set<string>, terminal: Terminal, within: string): void {
  const { phase, report, snapshot = '', state, jobName } = upgrade;
  const once = (what: string, say: () => void): void => {
    if (!shown.has(what)) say();
    shown.add(what);
  };
  if (report !== undefined) {
    once('report', () => {
      printReport(terminal, report, snapshot);
    });
  }
  if (state === undefined) return;
  once('stopping', () => {
    terminal.say(`Stopping ${jobName} with a savepoint.`);
  });
  const { savepointUrl, why = '', jobId = '', note } = state;
  if (savepointUrl !== undefined) {
    once('savepoint', () => {
      terminal.say(`Savepoint completed. Path: ${savepointUrl}`);
      terminal.say(
        `Starting the new version from it. It has ${within} to run and complete its first checkpoint.`,
      );
    });
  }
  if (phase === 'going-back' || phase === 'gone-back') {
    once('going-back', () => {
      terminal.say(pc.red(`The new version is not well: ${why}`));
      terminal.say(`Going back: the old version is started from ${savepointUrl ?? ''}`);
    });
  }
  if (phase === 'gone-back') {
    terminal.say(`The old version runs again, as job ${jobId}. Nothing was lost or done twice.`);
  }
  if (phase === 'upgraded') {
    terminal.say(`${pc.green('Upgraded')}: the new version of ${jobName} is job ${jobId}.`);
    if (note !== undefined) terminal.say(pc.red(`It was not taken back: ${note}`));
  }
  if (phase === 'given-up') terminal.say(pc.red(`Given up: ${why}`));
}

function exitOf({ phase, report, error, state }: Upgrade): number {
  if (error !== undefined) {
    process.stderr.write(`${pc.red(error.message)}\n`);
    if (state?.savepointUrl !== undefined) {
      process.stderr.write(
        `Neither version runs. All state is in ${state.savepointUrl}: the next start of the service tries the old version again.\n`,
      );
      return EXIT.failed;
    }
    return error.kind === 'unavailable' ? EXIT.unavailable : EXIT.refused;
  }
  if (phase === 'refused') return report?.fits === false ? EXIT.doesNotFit : EXIT.refused;
  if (phase === 'gone-back') return EXIT.goneBack;
  if (phase === 'given-up' || state?.note !== undefined) return EXIT.failed;
  return EXIT.done;
}
