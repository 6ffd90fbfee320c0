import { EngineError } from '../../common/errors.ts';
import type { BlobHandle, OperatorSnapshot, StateSchema } from '../../contracts/snapshots.ts';
import { schemaText } from '../../serde/misfit.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { FoundSnapshot, SnapshotMetadata } from '../metadata.ts';
import { operatorEntries, plainJson, schemasOf } from './snapshot-entries.ts';

export interface StateSummary {
  readonly name: string;
  readonly kind: StateSchema['kind'];
  /** Of a value, an element, or a map's values. */
  readonly type: string;
  /** Of a map's keys. */
  readonly keyType?: string;
  readonly ttlMs?: number;
  /** Undefined: not counted. */
  readonly entries?: number;
  readonly keys?: number;
  /** The first key of it, as JSON: what the keys are like. */
  readonly keyExample?: string;
}

export interface OperatorSummary {
  readonly uid: string;
  readonly parallelism: number;
  readonly files: number;
  readonly stateBytes: number;
  /** The lowest of its subtasks; undefined: none yet. */
  readonly watermarkMs: number | undefined;
  readonly finished: boolean;
  /** Output that is not committed yet. */
  readonly committables: number;
  readonly states: readonly StateSummary[];
}

/** Summarizes a snapshot. Entries are counted if `count` says so, which reads all its files. */
export async function summarize(
  store: BlobStore,
  { metadata }: FoundSnapshot,
  count: boolean,
): Promise<readonly OperatorSummary[]> {
  const summaries: OperatorSummary[] = [];
  for (const [uid, parallelism] of Object.entries(metadata.parallelism)) {
    const own = metadata.operators.filter((operator) => operator.uid === uid);
    const handles = own.flatMap(handlesOf);
    const counts = count ? await countEntries(store, metadata, uid) : undefined;
    summaries.push({
      uid,
      parallelism,
      files: handles.filter(({ kind }) => kind === 'blob').length,
      stateBytes: handles.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      watermarkMs: lowestWatermark(own),
      finished: metadata.finishedOperators.includes(uid),
      committables: metadata.committables.filter((one) => one.uid === uid).length,
      states: schemasOf(metadata, uid).map((schema) => stateSummary(schema, counts)),
    });
  }
  return summaries;
}

export function handlesOf({ keyed, operator }: OperatorSnapshot): readonly BlobHandle[] {
  return [...keyed.map(({ blob }) => blob), ...(operator === undefined ? [] : [operator])];
}

interface Counted {
  entries: number;
  keys: number;
  readonly keyExample: string | undefined;
  lastKey: string | undefined;
}

/** Undefined if the state cannot be read without the job. */
async function countEntries(
  store: BlobStore,
  metadata: SnapshotMetadata,
  uid: string,
): Promise<ReadonlyMap<string, Counted> | undefined> {
  const counts = new Map<string, Counted>();
  try {
    for await (const { state, key } of operatorEntries(store, metadata, uid)) {
      const text = key === undefined ? undefined : plainJson(key);
      let counted = counts.get(state);
      if (counted === undefined) {
        counted = { entries: 0, keys: 0, keyExample: text, lastKey: undefined };
        counts.set(state, counted);
      }
      counted.entries += 1;
      // All entries of a key stand together.
      if (text !== undefined && text !== counted.lastKey) counted.keys += 1;
      counted.lastKey = text;
    }
  } catch (error) {
    if (error instanceof EngineError && error.code === HAND_WRITTEN) return undefined;
    throw error;
  }
  return counts;
}

/** A state whose serializer is the user's own: only the job can read it. */
export const HAND_WRITTEN = 'SER-005';

function stateSummary(
  schema: StateSchema,
  counts: ReadonlyMap<string, Counted> | undefined,
): StateSummary {
  const { name, kind, value, key, ttlMs } = schema;
  const counted = counts?.get(name);
  return {
    name,
    kind,
    type: kind === 'timers' ? 'timer' : schemaText(value),
    ...(key !== undefined && { keyType: schemaText(key) }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(counts !== undefined && { entries: counted?.entries ?? 0, keys: counted?.keys ?? 0 }),
    ...(counted?.keyExample !== undefined && { keyExample: counted.keyExample }),
  };
}

function lowestWatermark(own: readonly OperatorSnapshot[]): number | undefined {
  let lowest = Infinity;
  for (const { watermarkMs } of own) {
    if (watermarkMs === undefined) return undefined;
    lowest = Math.min(lowest, watermarkMs);
  }
  return own.length === 0 ? undefined : lowest;
}
