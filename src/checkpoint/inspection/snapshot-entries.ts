import type { OperatorSnapshot, StateSchema } from '../../contracts/snapshots.ts';
import type { Serializer } from '../../serde/serializer.ts';
import { serializerOf } from '../../serde/structural-serializer.ts';
import { sameSchema } from '../../serde/type-schema.ts';
import { OperatorStateReader } from '../../state/operator-state-format.ts';
import { readKeyedRuns, type KeyedEntry } from '../../state/read-keyed-runs.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { readHandle } from '../handle-reader.ts';
import type { SnapshotMetadata } from '../metadata.ts';

/** One entry of any state of an operator. */
export interface SnapshotEntry extends Omit<KeyedEntry, 'key' | 'namespace'> {
  /** Undefined for operator state, which has no key. */
  readonly key: unknown;
  readonly namespace?: KeyedEntry['namespace'];
  /** Of operator state: whose it was. */
  readonly subtask?: number;
}

/**
 * All that an operator keeps in a snapshot, read without the job: keyed state in the order of its keys, then
 * operator state by subtask. Holds the operator's keyed files in memory.
 *
 * @throws {EngineError} `CHK-001`, `CHK-006`, `STA-001` (`corrupt`); `SER-005` (`invalid`) for a
 * state with a hand-written serializer.
 */
export async function* operatorEntries(
  store: BlobStore,
  { operators }: SnapshotMetadata,
  uid: string,
): AsyncIterable<SnapshotEntry> {
  const own = operators.filter((operator) => operator.uid === uid);
  const runs = own.flatMap(({ keyed }) => keyed);
  if (runs.length > 0) yield* readKeyedRuns(runs, (handle) => readHandle(store, handle));
  for (const operator of own) yield* operatorStateEntries(store, operator);
}

async function* operatorStateEntries(
  store: BlobStore,
  { uid, subtask, operator }: OperatorSnapshot,
): AsyncIterable<SnapshotEntry> {
  if (operator === undefined) return;
  const reader = new OperatorStateReader(await readHandle(store, operator), operator);
  for (const [index, { schema }] of reader.states.entries()) {
    const { keys, values } = reader.read(index, {
      uid,
      serializer: itemSerializer(schema),
      key: schema.key === undefined ? undefined : serializerOf(schema.key),
    });
    for (const [at, value] of values.entries()) {
      const isMap = keys !== undefined;
      yield {
        state: schema.name,
        kind: schema.kind,
        key: undefined,
        subtask,
        ...(isMap && { mapKey: keys[at] }),
        value,
      };
    }
  }
}

/**
 * The engine's own lists (splits of sources, elements in flight) are described as tuples of an element and
 * times, and written as those, one behind the other, without the count that a tuple begins with.
 */
function itemSerializer({ kind, value }: StateSchema): Serializer<unknown> {
  const whole: Serializer<unknown> = serializerOf(value);
  if (kind !== 'operator-list' || value.kind !== 'tuple') return whole;
  const parts = value.of.map((part): Serializer<unknown> => serializerOf(part));
  return {
    write(item, to) {
      for (const [at, part] of parts.entries()) part.write((item as unknown[])[at], to);
    },
    read: (from) => parts.map((part) => part.read(from)),
    copy: (item) => (item as unknown[]).map((part, at) => parts[at]?.copy(part)),
    describe: () => value,
    resolve: (written) => (sameSchema(written, value) ? { kind: 'same' } : whole.resolve(written)),
  };
}

/** Each state of an operator once: the schema that its newest files have. */
export function schemasOf({ operators }: SnapshotMetadata, uid: string): readonly StateSchema[] {
  const found = new Map<string, StateSchema>();
  for (const operator of operators) {
    if (operator.uid !== uid) continue;
    for (const schema of operator.schemas) found.set(schema.name, schema);
  }
  return [...found.values()];
}

/** A value as JSON, for people and programs: what JSON lacks becomes text, lists and objects. */
export function plainJson(value: unknown): string {
  return JSON.stringify(plain(value));
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value === undefined) return null;
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Set) return Array.from(value, plain);
  if (value instanceof Map) return Array.from(value, ([key, item]) => [plain(key), plain(item)]);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
}
