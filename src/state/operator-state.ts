/**
 * State of an operator subtask that belongs to no key: lists whose items are dealt out anew when the
 * parallelism changes (splits of sources with their progress), lists that each subtask gets whole,
 * and broadcast state, which is equal on all subtasks.
 *
 * It is small and is written whole into each snapshot: docs/formats/operator-state.md.
 */
import type { BlobHandle, OperatorSnapshot, StateSchema } from '../contracts/snapshots.ts';
import type { BroadcastState, ListState, MapStateDescriptor } from '../contracts/state.ts';
import type { Serializer } from '../serde/serializer.ts';
import { BroadcastMap } from './broadcast-map.ts';
import { declaredTwice, kindChanged } from './errors.ts';
import {
  encodeOperatorState,
  OperatorStateReader,
  type OperatorStateKind,
  type OperatorStateValues,
} from './operator-state-format.ts';

export interface OperatorStateOptions {
  readonly uid: string;
  readonly subtask: number;
  readonly parallelism: number;
}

export interface OperatorRestoreResult {
  /** States in the snapshot that no one declares now. Their contents were not loaded. */
  readonly undeclared: readonly StateSchema[];
}

interface Declared {
  readonly schema: StateSchema;
  readonly distribution: OperatorStateKind;
  readonly serializer: Serializer<unknown>;
  readonly key: Serializer<unknown> | undefined;
  /** What a snapshot writes. */
  readonly values: () => OperatorStateValues;
  /** Adds what a snapshot of one old subtask gives to this subtask. */
  readonly load: (values: OperatorStateValues) => void;
}

/** Declare all states, restore if there is something, then use them. */
export class OperatorStateBackend {
  readonly #options: OperatorStateOptions;
  readonly #states = new Map<string, Declared>();

  constructor(options: OperatorStateOptions) {
    this.#options = options;
  }

  /**
   * A list whose items belong to this subtask. With another parallelism they are dealt out in turn;
   * with the same one each subtask gets its own back, as in Flink.
   */
  listState<T>(name: string, element: Serializer<T>): ListState<T> {
    return this.#list(name, 'split', element);
  }

  /** A list of which each subtask gets the items of all subtasks after a restore. */
  unionListState<T>(name: string, element: Serializer<T>): ListState<T> {
    return this.#list(name, 'union', element);
  }

  broadcastState<K, V>(descriptor: MapStateDescriptor<K, V>): BroadcastState<K, V> {
    const map = new BroadcastMap<unknown, unknown>();
    const { name, key, value } = descriptor;
    const schema: StateSchema = {
      name,
      kind: 'broadcast',
      value: value.describe(),
      key: key.describe(),
    };
    this.#add({
      schema,
      distribution: 'broadcast',
      serializer: value,
      key: key,
      values: () => ({ keys: [...map.keys()], values: [...map.values()] }),
      load: ({ keys, values }) => {
        for (const [i, each] of (keys ?? []).entries()) map.put(each, values[i]);
      },
    });
    return map as unknown as BroadcastState<K, V>;
  }

  schemas(): readonly StateSchema[] {
    return Array.from(this.#states.values(), ({ schema }) => schema);
  }

  /** Everything as it is now; `undefined` if there is nothing. */
  snapshot(): Uint8Array | undefined {
    const states = Array.from(this.#states.values(), (state) => ({
      ...state,
      content: state.values(),
    }));
    if (states.every(({ content }) => content.values.length === 0)) return undefined;
    return encodeOperatorState(this.#options.uid, states);
  }

  /**
   * Loads this subtask's part of what all old subtasks had.
   *
   * @throws {EngineError} `STA-001` (`corrupt`); `STA-002`, `STA-003` (`invalid`) if a stored schema
   * does not fit the declared one.
   */
  async restore(
    subtasks: readonly Pick<OperatorSnapshot, 'subtask' | 'parallelism' | 'operator'>[],
    read: (handle: BlobHandle) => Promise<Uint8Array>,
  ): Promise<OperatorRestoreResult> {
    const undeclared = new Map<string, StateSchema>();
    /** Items seen so far of each split list, over all old subtasks in order. */
    const dealt = new Map<string, number>();
    for (const old of subtasks.toSorted((a, b) => a.subtask - b.subtask)) {
      if (old.operator === undefined) continue;
      const reader = new OperatorStateReader(await read(old.operator), old.operator);
      for (const [index, stored] of reader.states.entries()) {
        const state = this.#states.get(stored.schema.name);
        if (state === undefined) undeclared.set(stored.schema.name, stored.schema);
        else this.#load(state, reader, index, old, dealt);
      }
    }
    return { undeclared: [...undeclared.values()] };
  }

  #list<T>(name: string, distribution: 'split' | 'union', element: Serializer<T>): ListState<T> {
    const list = new OperatorList<unknown>();
    this.#add({
      schema: { name, kind: 'operator-list', value: element.describe() },
      distribution,
      serializer: element,
      key: undefined,
      values: () => ({ keys: undefined, values: list.get() }),
      load: ({ values }) => list.addAll(values),
    });
    return list as ListState<T>;
  }

  #add(state: Declared): void {
    const { name } = state.schema;
    if (this.#states.has(name)) throw declaredTwice(this.#options.uid, name);
    this.#states.set(name, state);
  }

  #load(
    state: Declared,
    reader: OperatorStateReader,
    index: number,
    old: Pick<OperatorSnapshot, 'subtask' | 'parallelism'>,
    dealt: Map<string, number>,
  ): void {
    const { uid, subtask, parallelism } = this.#options;
    const { name, kind } = state.schema;
    const stored = reader.states[index]?.schema.kind ?? kind;
    if (stored !== kind) throw kindChanged({ uid, state: name, stored, declared: kind });
    const content = reader.read(index, { uid, serializer: state.serializer, key: state.key });
    switch (state.distribution) {
      case 'union':
        state.load(content);
        return;
      case 'broadcast':
        if (old.subtask === subtask % old.parallelism) state.load(content);
        return;
      case 'split': {
        const first = dealt.get(name) ?? 0;
        dealt.set(name, first + content.values.length);
        const isMine = (i: number) =>
          old.parallelism === parallelism
            ? old.subtask === subtask
            : (first + i) % parallelism === subtask;
        state.load({ keys: undefined, values: content.values.filter((_, i) => isMine(i)) });
      }
    }
  }
}

class OperatorList<T> implements ListState<T> {
  #items: T[] = [];

  get(): readonly T[] {
    return [...this.#items];
  }

  add(value: T): void {
    this.#items.push(value);
  }

  addAll(values: readonly T[]): void {
    for (const value of [...values]) this.#items.push(value);
  }

  update(values: readonly T[]): void {
    this.#items = [...values];
  }

  clear(): void {
    this.#items = [];
  }
}
