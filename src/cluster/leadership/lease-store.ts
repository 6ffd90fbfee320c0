import type { World } from '../../contracts/source.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { openStore, type StoreSettings } from '../open-store.ts';
import type { LeaseTimings } from './lease-machine.ts';

/**
 * The storage of the lease, by a way of its own: what checkpoints send does not hold renewals up.
 *
 * A renewal has `renewDeadlineMs - intervalMs` from when it is sent. A try without an answer is given up after half of
 * that, so that one lost request does not cost the leadership, and one that takes almost half is not lost either.
 * Who never has to give up, leads as long as the storage's own settings say.
 *
 * @throws {EngineError} `JOB-001`, `STO-026` (`invalid`)
 */
export function openLeaseStore(
  url: string,
  { world, settings, timings }: LeaseStoreOptions,
): BlobStore {
  const timeMs = timings.renewDeadlineMs - timings.intervalMs;
  return openStore(url, world, {
    ...settings,
    s3RequestTimeoutMs: Math.min(settings.s3RequestTimeoutMs, Math.floor(timeMs / 2)),
    s3RetryTimeoutMs: Math.min(settings.s3RetryTimeoutMs, timeMs),
  });
}

export interface LeaseStoreOptions {
  readonly world: World;
  readonly settings: StoreSettings;
  readonly timings: LeaseTimings;
}
