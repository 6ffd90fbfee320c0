/** What a keyed snapshot holds, without the job that wrote it: for tests and the inspector. */
import { keyGroupOf } from '../common/key-groups.ts';
import type { BlobHandle, KeyedRunHandle, StateSchema } from '../contracts/snapshots.ts';
import { encodeKey } from '../serde/key-serializer.ts';
import type { DecodedBlock } from './block-rows.ts';
import { compareRows, type RowName } from './canonical-order.ts';
import { KeyedRunReader } from './keyed-run-reader.ts';
import type { Namespace } from './keyed-state-backend.ts';
import type { ListRow } from './list-state.ts';
import { rawRowsOf } from './row-codec.ts';
import { isSuperseded, lastFull } from './run-chain.ts';

export interface KeyedEntry {
  readonly state: string;
  readonly kind: StateSchema['kind'];
  readonly key: unknown;
  readonly namespace: Namespace;
  readonly mapKey?: unknown;
  /** A list's elements as an array; of a timer, its time in milliseconds. */
  readonly value: unknown;
  readonly expiresMs?: number;
}

interface Row extends RowName {
  readonly hash: number;
  readonly entry: KeyedEntry;
}

/**
 * Everything that runs of any old parallelism hold, in the order of key group, key hash, key, state,
 * namespace and map key. Expired entries are among it, with their time. Holds all files and one key
 * group's entries in memory.
 *
 * @throws {EngineError} `STA-001` (`corrupt`); `SER-005` (`invalid`) for a state with a hand-written
 * serializer, whose bytes only the job can read.
 */
export async function* readKeyedRuns(
  handles: readonly KeyedRunHandle[],
  read: (handle: BlobHandle) => Promise<Uint8Array>,
): AsyncIterable<KeyedEntry> {
  const runs = handles.toSorted((a, b) => a.checkpointId - b.checkpointId);
  const last = lastFull(runs);
  const readers: { run: KeyedRunHandle; reader: KeyedRunReader }[] = [];
  for (const run of runs) {
    readers.push({ run, reader: new KeyedRunReader(await read(run.blob), run) });
  }
  const groups = new Set<number>();
  for (const { reader } of readers) {
    for (const { firstGroup, lastGroup } of reader.blocks) {
      for (let group = firstGroup; group <= lastGroup; group++) groups.add(group);
    }
  }
  for (const group of [...groups].sort((a, b) => a - b)) {
    const rows = new Map<string, Row>();
    for (const { run, reader } of readers) {
      if (!isSuperseded(run, group, last)) collectGroup(reader, group, rows);
    }
    for (const { entry } of [...rows.values()].sort(compare)) yield entry;
  }
}

function collectGroup(reader: KeyedRunReader, group: number, rows: Map<string, Row>): void {
  for (const [number, block] of reader.blocks.entries()) {
    if (block.firstGroup > group || block.lastGroup < group) continue;
    const schema = reader.schemaOf(block);
    collectBlock(reader.decode(number, rawRowsOf(schema)), schema, {
      rows,
      isMine: (hash) => keyGroupOf(hash, reader.header.maxParallelism) === group,
    });
  }
}

function collectBlock(
  block: DecodedBlock,
  { name, kind }: StateSchema,
  { rows, isMine }: { rows: Map<string, Row>; isMine: (hash: number) => boolean },
): void {
  for (let i = 0; i < block.rows; i++) {
    const hash = block.hashes[i] ?? 0;
    if (!isMine(hash)) continue;
    const key = block.keys[i];
    const namespace = block.namespaces?.[i];
    const sub = block.subs?.[i];
    const id = idOf(name, { key, namespace, sub });
    // A tombstone comes from a newer run than what it deletes, or stands beside nothing.
    if (block.tombstones) {
      rows.delete(id);
      continue;
    }
    const expiresMs = block.expiries?.[i] ?? Infinity;
    const value = block.values[i];
    const entry: KeyedEntry = {
      state: name,
      kind,
      key,
      namespace,
      ...(kind === 'map' ? { mapKey: sub } : {}),
      value: kind === 'timers' ? sub : kind === 'list' ? (value as ListRow).items : value,
      ...(expiresMs === Infinity ? {} : { expiresMs }),
    };
    rows.set(id, { key, namespace, sub, hash, entry });
  }
}

function idOf(state: string, { key, namespace, sub }: RowName): string {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  const window = namespace === undefined ? '' : `${namespace.start}:${namespace.end}`;
  return [text(encodeKey(key)), window, sub === undefined ? '' : text(encodeKey(sub)), state].join(
    '/',
  );
}

function compare(a: Row, b: Row): number {
  const byHash = (a.hash >>> 0) - (b.hash >>> 0);
  if (byHash !== 0) return byHash;
  const byKey = compareRows(
    { ...a, namespace: undefined, sub: undefined },
    { ...b, namespace: undefined, sub: undefined },
  );
  if (byKey !== 0) return byKey;
  if (a.entry.state !== b.entry.state) return a.entry.state < b.entry.state ? -1 : 1;
  return compareRows(a, b);
}
