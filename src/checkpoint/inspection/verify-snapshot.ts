import { EngineError } from '../../common/errors.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { readHandle } from '../handle-reader.ts';
import type { FoundSnapshot } from '../metadata.ts';
import { operatorEntries } from './snapshot-entries.ts';
import { handlesOf, HAND_WRITTEN } from './snapshot-summary.ts';

export interface SnapshotDamage {
  readonly uid: string;
  readonly code: string;
  readonly message: string;
}

export interface Verified {
  readonly files: number;
  readonly bytes: number;
  /** What could be read back, entry by entry. */
  readonly entries: number;
  /** Operators whose entries only the job can read: their checksums are right. */
  readonly unread: readonly string[];
  readonly damage: readonly SnapshotDamage[];
}

/**
 * Reads every file that a snapshot refers to, checks all checksums, and puts all state together as a restore
 * does. Damage does not end it: everything that is wrong is in the answer.
 *
 * @throws {EngineError} `STO-001` (`unavailable`) if the storage does not answer.
 */
export async function verifySnapshot(
  store: BlobStore,
  { metadata }: FoundSnapshot,
): Promise<Verified> {
  const damage: SnapshotDamage[] = [];
  const unread: string[] = [];
  let files = 0;
  let bytes = 0;
  let entries = 0;
  for (const { uid, ...operator } of metadata.operators) {
    for (const handle of handlesOf({ uid, ...operator })) {
      files += handle.kind === 'blob' ? 1 : 0;
      bytes += handle.sizeBytes;
      await check(uid, damage, () => readHandle(store, handle));
    }
  }
  const damaged = new Set(damage.map(({ uid }) => uid));
  for (const uid of new Set(metadata.operators.map((operator) => operator.uid))) {
    // Its files are named already.
    if (damaged.has(uid)) continue;
    await check(uid, damage, async () => {
      try {
        for await (const _ of operatorEntries(store, metadata, uid)) entries += 1;
      } catch (error) {
        if (!(error instanceof EngineError) || error.code !== HAND_WRITTEN) throw error;
        unread.push(uid);
      }
    });
  }
  return { files, bytes, entries, unread, damage };
}

async function check(
  uid: string,
  damage: SnapshotDamage[],
  act: () => Promise<unknown>,
): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind === 'unavailable') throw error;
    damage.push({ uid, code: error.code, message: error.message });
  }
}
