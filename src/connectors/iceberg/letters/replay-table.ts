/**
 * The table of letters that enter their operators again: `<table>_replay`, with the columns of dead letters.
 *
 * Always holds: no letter is in it twice. A step reads the ids of all that is in the current snapshot, writes what
 * is missing, and commits only on top of that very snapshot; if another command was first, it reads on and chooses
 * again. A command that dies leaves files that no snapshot needs.
 */
import { sleep } from '../../../common/clock.ts';
import { randomHex } from '../../../common/random.ts';
import type { DeadLetter } from '../../../contracts/dead-letter.ts';
import { LetterIds } from '../../../contracts/letter-ids.ts';
import { appendAttempt } from '../append-snapshot.ts';
import { tableText, type LoadedTable } from '../catalog.ts';
import type { PendingManifest } from '../committable.ts';
import { deadLetterColumns } from '../dead-letter-columns.ts';
import { IcebergWriter, type FileLimits } from '../iceberg-writer.ts';
import { prepareTable, type WantedTable } from '../prepare-table.ts';
import { removeLeftovers } from '../remove-leftovers.ts';
import { type Attempt, type CommitTarget, commitToTable } from '../table-commit.ts';
import { placeOf } from '../table-io.ts';
import { currentSnapshot, currentSnapshotId } from '../table-metadata.ts';
import { tableBusy } from './errors.ts';
import { dataFilesOf, idsIn } from './letter-rows.ts';

const UID = 'dlq-replay';
const TRIES_MAX = 10;
const WAIT_MS = 200;
const MIB = 1024 * 1024;
const LIMITS: FileLimits = {
  compression: 'zstd',
  targetFileSizeBytes: 128 * MIB,
  openFilesMax: 1,
  rowGroupRows: 50_000,
  rowGroupBytes: 8 * MIB,
  bufferBytesMax: 64 * MIB,
};
const WANTED: WantedTable = {
  columns: deadLetterColumns.columns,
  partitionBy: [],
  properties: { 'write.metadata.delete-after-commit.enabled': 'true' },
  evolve: false,
};

export function replayTableOf(table: string): string {
  return `${table}_replay`;
}

export class ReplayTable {
  readonly #target: CommitTarget;
  readonly #ids = new LetterIds();
  /** Data files, whose content never changes. */
  readonly #read = new Set<string>();

  constructor(target: CommitTarget) {
    this.#target = target;
  }

  /** The ids of all letters in it. */
  async ids(): Promise<LetterIds> {
    const { catalog, table } = this.#target;
    const loaded = await catalog.load(table);
    if (loaded !== undefined) await this.#readOn(loaded);
    return this.#ids;
  }

  /**
   * @returns those that were not there.
   * @throws {EngineError} `DLQ-011` (`unavailable`) if other commands are first each time; `ICE-…`, `STO-…`.
   */
  async add(letters: readonly DeadLetter[]): Promise<readonly DeadLetter[]> {
    const { table, world } = this.#target;
    for (let tries = 1; ; tries += 1) {
      const { table: loaded } = await prepareTable(this.#target, WANTED);
      await this.#readOn(loaded);
      const left = letters.filter(({ id }) => !this.#ids.has(id));
      if (left.length === 0) return [];
      if (await this.#append(loaded, left)) return left;
      if (tries === TRIES_MAX) throw tableBusy(tableText(table));
      await sleep(world.clock, world.random.next() * WAIT_MS * tries);
    }
  }

  async #readOn(loaded: LoadedTable): Promise<void> {
    const { table, world } = this.#target;
    const snapshot = currentSnapshot(loaded.metadata);
    if (snapshot === undefined) return;
    for await (const file of dataFilesOf(loaded, table, snapshot)) {
      const place = placeOf(file.location);
      if (this.#read.has(place)) continue;
      for await (const id of idsIn(loaded.io, file, world)) this.#ids.add(id);
      this.#read.add(place);
    }
  }

  /** False: the table is not as it was any more, and nothing was changed. */
  async #append(base: LoadedTable, letters: readonly DeadLetter[]): Promise<boolean> {
    const target = this.#target;
    const checkpointId = Number(base.metadata['last-sequence-number']) + 1;
    const writerId = randomHex(target.world.random, 16);
    const pending = await this.#write(letters, writerId, checkpointId);
    const parent = currentSnapshotId(base.metadata);
    const stamp = { lineage: UID, uid: UID, checkpointId };
    const isDone = await commitToTable<boolean>(
      target,
      async (table): Promise<Attempt<boolean>> => {
        const { metadata } = table;
        const isBase =
          metadata['table-uuid'] === base.metadata['table-uuid'] &&
          currentSnapshotId(metadata) === parent;
        if (!isBase) return { kind: 'nothing', result: false };
        const attempt = await appendAttempt(target, table, stamp, pending);
        return { ...attempt, result: true };
      },
    );
    if (!isDone) await removeLeftovers(target, UID, (id) => id === writerId);
    return isDone;
  }

  async #write(
    letters: readonly DeadLetter[],
    writerId: string,
    checkpointId: number,
  ): Promise<PendingManifest[]> {
    const { world } = this.#target;
    const writer = new IcebergWriter<DeadLetter>(
      { world, uid: UID, subtask: 0, parallelism: 1, writerId },
      { target: this.#target, wanted: WANTED, toRow: (letter) => letter, limits: LIMITS },
    );
    try {
      await writer.open();
      for (const letter of letters) await writer.write(letter);
      return await writer.prepareCommit(checkpointId);
    } finally {
      await writer.close();
    }
  }
}
