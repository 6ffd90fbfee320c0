import type { World } from '../../contracts/source.ts';
import type { FileSplit } from './file-split.ts';
import type { RecordView } from './row-handler.ts';

export type RecordsStep =
  | 'record'
  | 'problem'
  /** The disk has not answered yet; `ready` will be called. */
  | 'later'
  /** The file ends in the middle of a record, and its end must not be taken for the record's. */
  | 'incomplete'
  | 'end';

/** The records of one file from a split's position on, whatever the format. */
export interface SplitRecords {
  readonly split: FileSplit;
  /** The last record or problem. */
  readonly parser: RecordView;
  /** Bytes of a plain file up to which it was read. */
  readonly readBytes: number;
  /**
   * Goes to the next record, which is then in `parser`.
   * @throws {EngineError} `FIL-…` if the file cannot be read or changed, `FMT-…` if it makes no sense.
   */
  next(): RecordsStep;
  /** The split with what was taken so far behind it. */
  progress(): FileSplit;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly world: World;
  readonly split: FileSplit;
  /** Whether the end of the file is the end of its last record, or may still be written. */
  readonly takeLastLine: boolean;
  /** Called when `next` may get on. */
  readonly ready: () => void;
}

export type OpenRecords = (options: OpenOptions) => SplitRecords;
