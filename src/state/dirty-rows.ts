/**
 * The rows of a table that were changed, by epoch: what a delta takes beyond the checkpoint that was confirmed last.
 *
 * Always holds: a list that was handed out stays as it is; a snapshot that drains judges rows by it.
 */
import { doubled } from './doubled.ts';

/** The rows that were changed, and of those the ones deleted, in one epoch. */
export interface DirtyList {
  readonly epoch: number;
  readonly rows: Int32Array;
  readonly tombstones: Int32Array;
}

export class DirtyRows {
  /** Of the current epoch. */
  #rows = new Int32Array(64);
  #count = 0;
  #tombstones = new Int32Array(16);
  #tombstoneCount = 0;
  #sealed: DirtyList[] = [];

  /** Each row once in an epoch. */
  add(row: number): void {
    if (this.#count === this.#rows.length) this.#rows = doubled(this.#rows);
    this.#rows[this.#count++] = row;
  }

  addTombstone(row: number): void {
    if (this.#tombstoneCount === this.#tombstones.length) {
      this.#tombstones = doubled(this.#tombstones);
    }
    this.#tombstones[this.#tombstoneCount++] = row;
  }

  /**
   * Ends the current epoch; its list stays until `forget`.
   *
   * @param table How many rows there are, and the epoch of each one's last change.
   */
  seal(epoch: number, table: { readonly rowCount: number; readonly rowEpoch: Int32Array }): void {
    if (this.#count > 0) {
      this.#sealed.push({
        epoch,
        rows: this.#rows.slice(0, this.#count),
        tombstones: this.#tombstones.slice(0, this.#tombstoneCount),
      });
      this.#count = 0;
      this.#tombstoneCount = 0;
    }
    this.#bound(table.rowCount, table.rowEpoch);
  }

  /** The lists after an epoch, the current one not among them. */
  since(after: number): readonly DirtyList[] {
    return this.#sealed.filter((list) => list.epoch > after);
  }

  /** Drops the lists up to an epoch, and returns them. */
  forget(epoch: number): readonly DirtyList[] {
    const gone = this.#sealed.filter((list) => list.epoch <= epoch);
    this.#sealed = this.#sealed.filter((list) => list.epoch > epoch);
    return gone;
  }

  /**
   * While no checkpoint is confirmed, lists pile up. Once they hold more than twice the rows there
   * are, doubles are dropped: a row counts only in the list of its last change.
   */
  #bound(rowCount: number, rowEpoch: Int32Array): void {
    let total = 0;
    for (const { rows } of this.#sealed) total += rows.length;
    if (total <= 2 * rowCount + 1024) return;
    this.#sealed = this.#sealed
      .map(({ epoch, rows, tombstones }) => ({
        epoch,
        rows: rows.filter((row) => rowEpoch[row] === epoch),
        tombstones: tombstones.filter((row) => rowEpoch[row] === epoch),
      }))
      .filter(({ rows }) => rows.length > 0);
  }
}
