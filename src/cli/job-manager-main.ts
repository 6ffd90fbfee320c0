/**
 * The entry point of the service's process, in the background (`tidemark service start`) or not
 * (`tidemark service run`, which calls `serve`).
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { defaultWorld } from '../cluster/run-job.ts';
import type { Cancel } from '../common/clock.ts';
import { transferError } from '../common/error-transfer.ts';
import { runService, type Attach } from '../service/run-service.ts';
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
const HOLD_MS = 3_600_000;

export interface ServeOptions {
  /** Data folder. Absolute. */
  readonly folder: string;
  readonly attach?: Attach | undefined;
  readonly echo?: (line: string) => void;
  /** The service runs. */
  readonly onRunning: (address: string | undefined) => void;
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
  onRunning(service.address);
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
      onRunning: (address) => {
        tell({ kind: 'running', pid: process.pid, address });
      },
    });
    process.exit(0);
  } catch (error) {
    process.exitCode = 2;
    tell({ kind: 'refused', error: transferError(error) });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? '');
