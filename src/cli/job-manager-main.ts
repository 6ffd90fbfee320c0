/**
 * The entry point of the service's process, in the background (`tidemark service start`) or not
 * (`tidemark service run`, which calls `serve`).
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { defaultWorld } from '../cluster/run-job.ts';
import type { Cancel } from '../common/clock.ts';
import { errorText } from '../common/error-text.ts';
import { transferError } from '../common/error-transfer.ts';
import type { Attach } from '../service/led-cluster.ts';
import { runService, type RunningService } from '../service/run-service.ts';
import type { ServiceNews } from '../service/start-service.ts';
import { settings } from '../settings/process-settings.ts';
import { jobModule } from './load-job-module.ts';

/** How others ask the service. */
const attach: Attach = async (cluster, { config, token }) => {
  const { attachRest } = await import('../rest/attach-rest.ts');
  return attachRest(cluster, config, { ownToken: token });
};

/** Of a signal that ends the process at once, as for shells. */
const INTERRUPTED = 130;
/** Of a process that leads no more; "try again" by convention. Whoever restarts it gets a standby. */
const STEPPED_DOWN = 75;
const HOLD_MS = 3_600_000;

export interface ServeOptions {
  /** Data folder. Absolute. */
  readonly folder: string;
  readonly attach?: Attach | undefined;
  readonly echo?: (line: string) => void;
  /** The service runs, or stands by. */
  readonly onRunning: (service: Pick<RunningService, 'address' | 'role'>) => void;
}

/**
 * Runs the service until a signal ends it. Resolves when nothing of it is left.
 *
 * @throws {EngineError} what keeps it from starting.
 */
export async function serve({ folder, echo, onRunning, ...given }: ServeOptions): Promise<void> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(INTERRUPTED);
      asked = true;
      stop();
    });
  }
  const service = await runService({
    world: defaultWorld,
    folder,
    config: settings.flink,
    version: ownVersion(),
    moduleOf: jobModule,
    attach: given.attach ?? attach,
    ...(echo && { echo }),
  });
  // At once: its jobs are another's, and what its TaskManagers still do counts for nothing.
  void service.lost.then((error) => {
    process.stderr.write(`${errorText(error)}\n`);
    process.exit(STEPPED_DOWN);
  });
  onRunning(service);
  // Whoever stands by has everything loaded when its turn comes.
  if (service.role === 'standby') void import('../rest/attach-rest.ts');
  const release = hold();
  await stopped;
  release();
  await service.stop();
}

/** Signals alone keep no process: one that has no job, and that nobody can ask, would end. */
function hold(): Cancel {
  let cancel: Cancel = () => undefined;
  const wait = (): void => {
    cancel = defaultWorld.clock.after(HOLD_MS, wait);
  };
  wait();
  return () => {
    cancel();
  };
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** In the background: whoever started this process is told how it went, and then left alone. */
async function main(folder: string): Promise<void> {
  const tell = (news: ServiceNews): void => {
    process.send?.(news, undefined, undefined, () => {
      if (process.connected) process.disconnect();
    });
  };
  // Nobody at a terminal is meant.
  process.on('SIGHUP', () => undefined);
  try {
    await serve({
      folder,
      onRunning: ({ address, role }) => {
        tell({ kind: 'running', pid: process.pid, address, role });
      },
    });
    process.exit(0);
  } catch (error) {
    process.exitCode = 2;
    tell({ kind: 'refused', error: transferError(error) });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? '');
