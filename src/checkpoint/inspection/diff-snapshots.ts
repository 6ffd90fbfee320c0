import { EngineError } from '../../common/errors.ts';
import { schemaText } from '../../serde/misfit.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { FoundSnapshot } from '../metadata.ts';
import { operatorEntries, plainJson, schemasOf, type SnapshotEntry } from './snapshot-entries.ts';
import { HAND_WRITTEN } from './snapshot-summary.ts';

/** Entries of one operator that are compared one by one; they are held in memory. */
export const COMPARED_ENTRIES_MAX = 1_000_000;

export interface OpenSnapshot {
  readonly store: BlobStore;
  readonly found: FoundSnapshot;
}

export interface StateDifference {
  readonly uid: string;
  readonly state: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly same: number;
}

export interface SnapshotDifference {
  readonly addedOperators: readonly string[];
  readonly removedOperators: readonly string[];
  readonly parallelism: readonly {
    readonly uid: string;
    readonly from: number;
    readonly to: number;
  }[];
  /** `from` or `to` is undefined where one of them does not have the state. */
  readonly schemas: readonly {
    readonly uid: string;
    readonly state: string;
    readonly from: string | undefined;
    readonly to: string | undefined;
  }[];
  readonly states: readonly StateDifference[];
  /** Operators whose entries were not compared: too many, or only the job can read them. */
  readonly notCompared: readonly string[];
}

/** What `to` has that `from` has not, and the other way round. */
export async function diffSnapshots(
  from: OpenSnapshot,
  to: OpenSnapshot,
): Promise<SnapshotDifference> {
  const before = from.found.metadata.parallelism;
  const after = to.found.metadata.parallelism;
  const both = Object.keys(before).filter((uid) => uid in after);
  const states: StateDifference[] = [];
  const notCompared: string[] = [];
  for (const uid of both) {
    const compared = await compareEntries(from, to, uid);
    if (compared === undefined) notCompared.push(uid);
    else states.push(...compared);
  }
  return {
    addedOperators: Object.keys(after).filter((uid) => !(uid in before)),
    removedOperators: Object.keys(before).filter((uid) => !(uid in after)),
    parallelism: both.flatMap((uid) => {
      const [one = 0, other = 0] = [before[uid], after[uid]];
      return one === other ? [] : [{ uid, from: one, to: other }];
    }),
    schemas: both.flatMap((uid) => schemaDifferences(from, to, uid)),
    states,
    notCompared,
  };
}

function schemaDifferences(
  from: OpenSnapshot,
  to: OpenSnapshot,
  uid: string,
): SnapshotDifference['schemas'] {
  const textsOf = ({ found }: OpenSnapshot): ReadonlyMap<string, string> =>
    new Map(
      schemasOf(found.metadata, uid).map(({ name, kind, value, key }) => [
        name,
        `${kind} of ${key === undefined ? '' : `${schemaText(key)} to `}${schemaText(value)}`,
      ]),
    );
  const before = textsOf(from);
  const after = textsOf(to);
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((state) => before.get(state) !== after.get(state))
    .map((state) => ({ uid, state, from: before.get(state), to: after.get(state) }));
}

/** Undefined if they cannot be compared. */
async function compareEntries(
  from: OpenSnapshot,
  to: OpenSnapshot,
  uid: string,
): Promise<readonly StateDifference[] | undefined> {
  const counts = new Map<string, Record<'added' | 'removed' | 'changed' | 'same', number>>();
  const count = (state: string, what: 'added' | 'removed' | 'changed' | 'same'): void => {
    const one = counts.get(state) ?? { added: 0, removed: 0, changed: 0, same: 0 };
    one[what] += 1;
    counts.set(state, one);
  };
  try {
    const values = new Map<string, { readonly state: string; readonly value: string }>();
    for await (const entry of operatorEntries(from.store, from.found.metadata, uid)) {
      if (values.size >= COMPARED_ENTRIES_MAX) return undefined;
      values.set(nameOf(entry), { state: entry.state, value: plainJson(entry.value) });
    }
    for await (const entry of operatorEntries(to.store, to.found.metadata, uid)) {
      const name = nameOf(entry);
      const before = values.get(name);
      values.delete(name);
      if (before === undefined) count(entry.state, 'added');
      else count(entry.state, before.value === plainJson(entry.value) ? 'same' : 'changed');
    }
    for (const { state } of values.values()) count(state, 'removed');
  } catch (error) {
    if (error instanceof EngineError && error.code === HAND_WRITTEN) return undefined;
    throw error;
  }
  return Array.from(counts, ([state, one]) => ({ uid, state, ...one }));
}

/** What stays the same of an entry when its value changes; an item of a list state is its value. */
function nameOf({ state, kind, key, namespace, mapKey, value }: SnapshotEntry): string {
  const isNamedByValue = kind === 'timers' || kind === 'operator-list';
  return plainJson([state, key, namespace, mapKey, isNamedByValue ? value : undefined]);
}
