import { EngineError } from '../../common/errors.ts';
import type { Lease } from './lease.ts';

/** This JobManager is not the one that leads, or not certainly. */
export function notLeadingError(storeUrl: string): EngineError {
  return new EngineError('JOB-050', 'fenced', 'this JobManager does not lead', {
    details: { store: storeUrl },
    hint: 'Ask the one that leads: tidemark service status says where it is.',
  });
}

export function otherLeadsError(storeUrl: string, { holder, epoch }: Lease): EngineError {
  return new EngineError('JOB-051', 'invalid', 'another JobManager leads on this storage', {
    details: { store: storeUrl, leader: holder.owner, address: holder.address ?? 'none', epoch },
    hint: 'Start this one with --standby so that it waits for its turn; or give it a high-availability.storageDir or cluster-id of its own.',
  });
}

export function leadershipLostError(
  storeUrl: string,
  why: 'late' | 'taken',
  by: Lease | undefined,
): EngineError {
  const reason =
    why === 'late'
      ? 'the lease could not be renewed in time'
      : by === undefined
        ? 'the lease is gone'
        : `${by.holder.owner} has taken it over`;
  return new EngineError('JOB-052', 'fenced', 'this JobManager leads no more', {
    details: { store: storeUrl, why: reason, ...(by && { epoch: by.epoch }) },
    hint: 'Start it again, as a service manager does: it then stands by. Its jobs go on under the one that leads.',
  });
}

export function noSharedStorageError(): EngineError {
  return new EngineError(
    'JOB-053',
    'invalid',
    'a standby needs a storage that all JobManagers share',
    {
      hint: 'Set high-availability.storageDir to a place that each of them reaches, such as file:///var/lib/tidemark-ha.',
    },
  );
}
