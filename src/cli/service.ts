import path from 'node:path';
import type { ClusterMembers } from '../service/cluster-place.ts';
import type { ServiceRecord } from '../service/service-record.ts';
import { dataFolder } from './data-folder.ts';

/** Exit codes; that nothing runs is 3, as for services of the system. */
const EXIT = { done: 0, refused: 2, notRunning: 3 } as const;
/** All jobs let go within a bound of their own. */
const STOP_MS_MAX = 60_000;
const LOOK_MS = 20;

export interface ServiceArguments {
  readonly data?: string;
  readonly D?: readonly string[];
  readonly config?: string;
  readonly json?: boolean;
  /** Waits for its turn when another one leads. */
  readonly standby?: boolean;
}

/** `tidemark service run`: the service in this process. */
export function serviceRunCommand(options: ServiceArguments): Promise<number> {
  return reported(options, async () => {
    const folder = await takeSettings(options);
    const { serve } = await import('./job-manager-main.ts');
    await serve({
      folder,
      echo: (line) => {
        process.stdout.write(`${line}\n`);
      },
      onRunning: () => undefined,
    });
    return EXIT.done;
  });
}

/** `tidemark service start`: the service in the background; returns when it runs. */
export function serviceStartCommand(options: ServiceArguments): Promise<number> {
  return reported(options, async (say) => {
    const folder = await takeSettings(options);
    const { startInBackground } = await import('../service/start-service.ts');
    // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
    const entry = new URL(`./job-manager-main${import.meta.url.slice(-3)}`, import.meta.url);
    const { pid, address, role } = await startInBackground(entry, folder);
    const text =
      role === 'standby'
        ? `The service stands by on ${folder}, pid ${pid}: another one leads.`
        : `The service runs${at(address)}, pid ${pid}.`;
    say({ kind: 'started', pid, address, role, folder }, text);
    return EXIT.done;
  });
}

/** `tidemark service stop`: suspends all jobs; they come back at the next start. */
export function serviceStopCommand(options: ServiceArguments): Promise<number> {
  return reported(options, async (say) => {
    const { findService } = await import('../service/service-record.ts');
    const { notRunningError, notStoppedError } = await import('../service/service-errors.ts');
    const { sleep, systemClock } = await import('../common/clock.ts');
    const folder = dataFolder(options);
    const found = findService(folder);
    if (found === undefined) throw notRunningError(folder);
    const { pid, state } = found.record;
    process.kill(pid, 'SIGTERM');
    const endMs = systemClock.monotonicMs() + STOP_MS_MAX;
    while (findService(folder)?.record.processStart === found.record.processStart) {
      if (systemClock.monotonicMs() > endMs) throw notStoppedError(folder, pid, STOP_MS_MAX);
      await sleep(systemClock, LOOK_MS);
    }
    say(
      { kind: 'stopped', pid, folder },
      state === 'standby'
        ? 'The standby has stopped.'
        : 'The service has stopped. Its jobs are suspended: they go on at the next start, or under a standby.',
    );
    return EXIT.done;
  });
}

/** `tidemark service status`. */
export function serviceStatusCommand(options: ServiceArguments): Promise<number> {
  return reported(options, async (say) => {
    const { findService } = await import('../service/service-record.ts');
    const { clusterMembers } = await import('../service/cluster-place.ts');
    const folder = dataFolder(options);
    const record = findService(folder)?.record;
    let others: string[] = [];
    let members: ClusterMembers | undefined;
    try {
      members = await clusterMembers(folder);
      others = membersText(members);
    } catch (error) {
      // What is known of this machine is said all the same.
      others = [`Leader: not known. ${error instanceof Error ? error.message : String(error)}`];
    }
    const event = { kind: 'status', folder, ...members };
    if (record === undefined) {
      const lines = [`No service runs on ${folder}.`, ...others];
      say({ ...event, state: 'not running' }, lines.join('\n'));
      return EXIT.notRunning;
    }
    const { pid, state, address, startMs, version } = record;
    const text = [statusText(record), ...others].join('\n');
    say({ ...event, pid, state, address, startMs, version }, text);
    return EXIT.done;
  });
}

function statusText({ pid, state, address, startMs, version }: ServiceRecord): string {
  const since = new Date(startMs).toISOString();
  const does = state === 'standby' ? 'stands by' : `is ${state}`;
  return `The service ${does}${at(address)}, pid ${pid}, version ${version}, since ${since}.`;
}

function membersText(members: ClusterMembers | undefined): string[] {
  if (members === undefined) return [];
  const { leader, standbys } = members;
  const leads =
    leader === undefined
      ? 'Leader: none'
      : `Leader: ${leader.owner}${at(leader.address)}, data folder ${leader.folder}, epoch ${leader.epoch}`;
  return [
    leads,
    ...standbys.map(({ owner, folder }) => `Standby: ${owner}, data folder ${folder}`),
  ];
}

function at(address: string | undefined): string {
  return address === undefined ? '' : ` at ${address}`;
}

/**
 * Reads the settings and makes them those of this process and of those that it starts.
 *
 * @returns The data folder. A standby that names none takes the usual one, or, beside a service that runs
 * there, a folder in it.
 */
async function takeSettings(options: ServiceArguments): Promise<string> {
  const { dynamicProperties } = await import('../settings/parse-settings.ts');
  const { handDown, readSettings } = await import('../settings/process-settings.ts');
  const { requireConsistent } = await import('../settings/judge-settings.ts');
  const dynamic = dynamicProperties(options.D ?? []);
  const sources = { env: process.env, cwd: process.cwd(), configPath: options.config, dynamic };
  const { flink, variables } = readSettings(sources);
  for (const warning of flink.warnings) process.stderr.write(`Warning: ${warning}\n`);
  requireConsistent(flink);
  const { highAvailabilityStorage: said } = flink;
  // A path is from the working folder; an address stays as it is.
  const isPath = said !== undefined && !/^[a-z][a-z0-9+.-]*:/i.test(said);
  let storage = isPath ? path.resolve(said) : said;
  let folder = dataFolder(options);
  const type = options.standby === true ? 'LEASE' : flink.highAvailabilityType;
  if (options.standby === true && options.data === undefined) {
    const { findService } = await import('../service/service-record.ts');
    storage ??= path.join(folder, 'ha');
    if (findService(folder) !== undefined) folder = path.join(folder, 'standby');
  }
  handDown({ ...flink, highAvailabilityStorage: storage, highAvailabilityType: type }, variables);
  return folder;
}

type Say = (event: object, text: string) => void;

async function reported(
  { json = false }: ServiceArguments,
  act: (say: Say) => Promise<number>,
): Promise<number> {
  const { RunReporter } = await import('./run-reporter.ts');
  const reporter = new RunReporter(json, process.stdout, process.stderr);
  try {
    return await act((event, text) => {
      process.stdout.write(`${json ? JSON.stringify(event) : text}\n`);
    });
  } catch (error) {
    reporter.error(error);
    const { EngineError } = await import('../common/errors.ts');
    const isMissing = error instanceof EngineError && error.code === 'CLI-012';
    return isMissing ? EXIT.notRunning : EXIT.refused;
  }
}
