import path from 'node:path';
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
}

/** `tidemark service run`: the service in this process. */
export function serviceRunCommand(options: ServiceArguments): Promise<number> {
  return reported(options, async () => {
    await takeSettings(options);
    const { serve } = await import('./job-manager-main.ts');
    const folder = dataFolder(options);
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
    await takeSettings(options);
    const folder = dataFolder(options);
    const { startInBackground } = await import('../service/start-service.ts');
    // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
    const entry = new URL(`./job-manager-main${import.meta.url.slice(-3)}`, import.meta.url);
    const { pid, address } = await startInBackground(entry, folder);
    say({ kind: 'started', pid, address, folder }, `The service runs${at(address)}, pid ${pid}.`);
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
    const { pid } = found.record;
    process.kill(pid, 'SIGTERM');
    const endMs = systemClock.monotonicMs() + STOP_MS_MAX;
    while (findService(folder)?.record.processStart === found.record.processStart) {
      if (systemClock.monotonicMs() > endMs) throw notStoppedError(folder, pid, STOP_MS_MAX);
      await sleep(systemClock, LOOK_MS);
    }
    say(
      { kind: 'stopped', pid, folder },
      'The service has stopped. Its jobs are suspended: they go on at the next start.',
    );
    return EXIT.done;
  });
}

/** `tidemark service status`. */
export function serviceStatusCommand(options: ServiceArguments): Promise<number> {
  return reported(options, async (say) => {
    const { findService } = await import('../service/service-record.ts');
    const folder = dataFolder(options);
    const record = findService(folder)?.record;
    if (record === undefined) {
      say({ kind: 'status', state: 'not running', folder }, `No service runs on ${folder}.`);
      return EXIT.notRunning;
    }
    const { pid, state, address, startMs, version } = record;
    say({ kind: 'status', folder, pid, state, address, startMs, version }, statusText(record));
    return EXIT.done;
  });
}

function statusText({ pid, state, address, startMs, version }: ServiceRecord): string {
  const since = new Date(startMs).toISOString();
  return `The service is ${state}${at(address)}, pid ${pid}, version ${version}, since ${since}.`;
}

function at(address: string | undefined): string {
  return address === undefined ? '' : ` at ${address}`;
}

/** Reads the settings and makes them those of this process and of those that it starts. */
async function takeSettings(options: ServiceArguments): Promise<void> {
  const { dynamicProperties } = await import('../settings/parse-settings.ts');
  const { handDown, readSettings } = await import('../settings/process-settings.ts');
  const dynamic = dynamicProperties(options.D ?? []);
  const sources = { env: process.env, cwd: process.cwd(), configPath: options.config, dynamic };
  const { flink, variables } = readSettings(sources);
  for (const warning of flink.warnings) process.stderr.write(`Warning: ${warning}\n`);
  const { highAvailabilityStorage: said } = flink;
  // A path is from the working folder; an address stays as it is.
  const isPath = said !== undefined && !/^[a-z][a-z0-9+.-]*:/i.test(said);
  const absolute = isPath ? { highAvailabilityStorage: path.resolve(said) } : {};
  handDown({ ...flink, ...absolute }, variables);
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
