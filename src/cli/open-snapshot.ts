import path from 'node:path';
import { EngineError } from '../common/errors.ts';
import type { OpenStore } from '../cluster/open-store.ts';
import type { StoredSnapshot } from '../cluster/stored-snapshot.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { noSuchSnapshot } from './cli-errors.ts';

/** Where a command looks for snapshots. */
export interface SnapshotPlace {
  readonly flink: FlinkSettings;
  /** Of the command. Absolute. */
  readonly folder: string;
}

/**
 * The snapshot that is meant by a URL, a path, a job's name, or a job's id or the beginning of it: of a job,
 * its latest checkpoint.
 *
 * @throws {EngineError} `CLI-026` (`invalid`) if there is none; `CHK-…`, `STO-…`, `JOB-001` as those say.
 */
export async function openSnapshot(given: string, place: SnapshotPlace): Promise<StoredSnapshot> {
  const openStore = await storeOpenerOf(place.flink);
  const { latestOfJob, snapshotAt } = await import('../cluster/stored-snapshot.ts');
  if (isPath(given)) {
    const url = absolute(given, place.folder);
    const stored = await snapshotAt(url, openStore);
    if (stored !== undefined) return stored;
    throw noSuchSnapshot(given, url);
  }
  const store = openStore(checkpointUrl(place));
  const stored = await latestOfJob(given, store, openStore);
  if (stored !== undefined) return stored;
  // A folder's name without a slash.
  const near = await snapshotAt(path.resolve(place.folder, given), openStore);
  if (near !== undefined) return near;
  throw noSuchSnapshot(given, store.url);
}

/** How often a job may complete another checkpoint while its latest one is looked at. */
const LOOKS_MAX = 5;

/**
 * Looks at what {@link openSnapshot} opens; of a job that runs at its next checkpoint if this one was removed
 * meanwhile.
 *
 * @param look Says what is missing, or throws `CHK-006`.
 */
export async function lookAtSnapshot<T>(
  given: string,
  place: SnapshotPlace,
  look: (stored: StoredSnapshot) => Promise<{ readonly result: T; readonly isWhole: boolean }>,
): Promise<{ readonly stored: StoredSnapshot; readonly result: T }> {
  for (let looks = 1; ; looks += 1) {
    const stored = await openSnapshot(given, place);
    const isCurrent = async (): Promise<boolean> =>
      isPath(given) ||
      looks === LOOKS_MAX ||
      (await openSnapshot(given, place)).found.url === stored.found.url;
    try {
      const { result, isWhole } = await look(stored);
      if (isWhole || (await isCurrent())) return { stored, result };
    } catch (error) {
      const isGone = error instanceof EngineError && error.code === 'CHK-006';
      if (!isGone || (await isCurrent())) throw error;
    }
  }
}

/** Opens stores as the settings say. */
export async function storeOpenerOf(flink: FlinkSettings): Promise<OpenStore> {
  const { defaultWorld } = await import('../cluster/run-job.ts');
  const { storeOpener } = await import('../cluster/open-store.ts');
  return storeOpener(defaultWorld, flink);
}

export function checkpointUrl({ flink, folder }: SnapshotPlace): string {
  return absolute(flink.checkpointStorage ?? '.tidemark/checkpoints', folder);
}

export function absolute(given: string, folder: string): string {
  return /^[a-z][a-z0-9+.-]*:/i.test(given) ? given : path.resolve(folder, given);
}

export function isPath(given: string): boolean {
  return given.includes('/') || given.startsWith('.') || /^[a-z][a-z0-9+.-]*:/i.test(given);
}
