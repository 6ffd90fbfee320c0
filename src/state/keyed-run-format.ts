/** The parts of a run file that writer and reader share: docs/formats/keyed-run.md. */
import type { KeyGroupRange } from '../common/key-groups.ts';
import type { CheckpointId, SnapshotKind, StateSchema } from '../contracts/snapshots.ts';

/** `TMKR`, low byte first. */
export const RUN_MAGIC = 0x524b4d54;
export const RUN_END_MAGIC = 0x4b524d54;
export const RUN_FORMAT_VERSION = 1;
/** The oldest reader that understands files of this version. */
export const RUN_MIN_READER = 1;
/** Magic, two versions, length of the header. */
export const PREAMBLE_BYTES = 16;
/** Checksum, length of the index, checksum of the file up to here, end magic. */
export const TRAILER_BYTES = 12;

export const BLOCK_ROWS_MAX = 4096;
/** A block ends when its keys and values have this many bytes. */
export const BLOCK_BYTES = 256 * 1024;
/** A file ends with the block that makes it this long. */
export const FILE_BYTES = 32 * 1024 * 1024;

export const BLOCK_TOMBSTONES = 1;
export const BLOCK_NAMESPACES = 2;
export const BLOCK_SUBS = 4;
export const BLOCK_EXPIRY = 8;

export interface RunHeader {
  readonly uid: string;
  readonly checkpointId: CheckpointId;
  readonly kind: SnapshotKind;
  /** Full, and rows with one hash are in the order of their key's canonical bytes and so on. */
  readonly canonical: boolean;
  readonly maxParallelism: number;
  readonly keyGroups: KeyGroupRange;
  /** Key groups that are here in full; of the others, only the changes. */
  readonly full: readonly KeyGroupRange[];
  readonly states: readonly StateSchema[];
}

/** Where a block is and what it may hold, so that a key can be looked for in few of them. */
export interface BlockEntry {
  /** Position in the header's `states`. */
  readonly state: number;
  readonly tombstones: boolean;
  readonly firstGroup: number;
  readonly lastGroup: number;
  /** The first row's hash, unsigned. */
  readonly firstHash: number;
  readonly rows: number;
  readonly offset: number;
  /** Of the payload and its checksum. */
  readonly length: number;
}
