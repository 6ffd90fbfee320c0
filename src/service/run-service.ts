import fs from 'node:fs';
import path from 'node:path';
import { errorText } from '../common/error-text.ts';
import { randomHex } from '../common/random.ts';
import type { Cluster } from '../cluster/dispatcher/cluster.ts';
import { Dispatcher, type DispatcherEntry } from '../cluster/dispatcher/dispatcher.ts';
import { DurableJobs } from '../cluster/dispatcher/durable-jobs.ts';
import { openStore, type StoreSettings } from '../cluster/open-store.ts';
import { UpgradeRecords } from '../cluster/dispatcher/upgrade-records.ts';
import type { World } from '../contracts/source.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { CodeFolder } from './code-folder.ts';
import { NodeJobRunner } from './node-job-runner.ts';
import { RotatedLog } from './rotated-log.ts';
import { ServiceMark } from './service-record.ts';

const TOKEN_LENGTH = 64;

/** Lets others ask the service. */
export type Attach = (
  cluster: Cluster,
  access: {
    readonly config: FlinkSettings;
    /** Stands in a file that only this user can read: who knows it is that user. */
    readonly token: string;
  },
) => Promise<{ readonly address: string; close(): Promise<void> }>;

export interface RunServiceOptions {
  readonly world: World;
  /** Data folder. Absolute. */
  readonly folder: string;
  readonly config: FlinkSettings;
  readonly version: string;
  readonly moduleOf: (url: string) => string;
  /** Absent: nobody can ask it anything; it goes on with the jobs that it has. */
  readonly attach?: Attach | undefined;
  /** Gets each line of the log, too. */
  readonly echo?: (line: string) => void;
}

export interface RunningService {
  readonly address: string | undefined;
  /** Suspends all jobs and ends everything. */
  stop(): Promise<void>;
}

export function tokenFile(folder: string): string {
  return path.join(folder, 'token');
}

export function logFolder(folder: string): string {
  return path.join(folder, 'logs');
}

/**
 * Runs the service in this process: brings its jobs back, then takes new ones.
 *
 * @throws {EngineError} `CLI-011` (`invalid`) if one runs on this data folder.
 * @throws {EngineError} `JOB-001`, `STO-…` if its storage cannot be used.
 */
export async function runService(options: RunServiceOptions): Promise<RunningService> {
  const { world, folder, config, version, attach } = options;
  const mark = new ServiceMark(folder, { startMs: world.clock.wallMs(), version });
  const log = new RotatedLog(path.join(logFolder(folder), 'jobmanager.log'));
  const write = (entry: object): void => {
    const line = JSON.stringify({ at: new Date(world.clock.wallMs()).toISOString(), ...entry });
    log.write(`${line}\n`);
    options.echo?.(line);
  };
  try {
    const token = newToken(folder, world);
    const dispatcher = dispatcherOf(options, (entry) => {
      write(shown(entry));
    });
    write({ kind: 'service-starting', pid: process.pid, version, folder });
    await dispatcher.recover();
    const attached = await attach?.(dispatcher, { config, token });
    mark.change({ state: 'running', address: attached?.address });
    write({ kind: 'service-running', address: attached?.address });
    return {
      address: attached?.address,
      async stop() {
        mark.change({ state: 'stopping' });
        write({ kind: 'service-stopping' });
        await attached?.close();
        await dispatcher.close();
        fs.rmSync(tokenFile(folder), { force: true });
        write({ kind: 'service-stopped' });
        mark.remove();
      },
    };
  } catch (error) {
    write({ kind: 'service-refused', error: errorText(error) });
    mark.remove();
    throw error;
  }
}

function dispatcherOf(
  { world, folder, config, moduleOf }: RunServiceOptions,
  log: (entry: DispatcherEntry) => void,
): Dispatcher {
  const open = (url: string, settings: StoreSettings) => openStore(url, world, settings);
  const store = open(config.highAvailabilityStorage ?? path.join(folder, 'ha'), config);
  return new Dispatcher({
    world,
    jobs: new DurableJobs(store, config),
    upgrades: new UpgradeRecords(store, config),
    runner: new NodeJobRunner({
      world,
      code: new CodeFolder(path.join(folder, 'code')),
      folder,
      logFolder: logFolder(folder),
      moduleOf,
    }),
    openStore: open,
    config,
    folder,
    log,
  });
}

/** A new one at each start. */
function newToken(folder: string, { random }: World): string {
  const token = randomHex(random, TOKEN_LENGTH);
  const file = tokenFile(folder);
  fs.rmSync(file, { force: true });
  fs.writeFileSync(file, token, { mode: 0o600, flag: 'wx' });
  return token;
}

function shown({ submissionId, event }: DispatcherEntry): object {
  switch (event.kind) {
    case 'failure':
    case 'problem':
      return { submissionId, ...event, error: errorText(event.error) };
    case 'ended': {
      const { result } = event;
      const error = result.error === undefined ? undefined : errorText(result.error);
      return { submissionId, ...result, kind: 'ended', error };
    }
    default:
      return { submissionId, ...event };
  }
}
