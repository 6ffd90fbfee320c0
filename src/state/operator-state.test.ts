import { describe, expect, test } from 'vitest';
import { crc32 } from '../common/crc32.ts';
import type { BlobHandle, OperatorSnapshot } from '../contracts/snapshots.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { OperatorStateBackend } from './operator-state.ts';

const int32 = serializerOf({ kind: 'int32' });
const text = serializerOf({ kind: 'string' });
const rules = { kind: 'map', name: 'rules', ttl: undefined, key: text, value: int32 } as const;

const files = new Map<string, Uint8Array>();

function stored(bytes: Uint8Array): BlobHandle {
  const path = `f${files.size}`;
  files.set(path, bytes);
  return { kind: 'blob', path, sizeBytes: bytes.length, crc32: crc32(bytes) };
}

async function read(handle: BlobHandle): Promise<Uint8Array> {
  return files.get(handle.kind === 'blob' ? handle.path : '') ?? new Uint8Array();
}

function start(subtask: number, parallelism: number) {
  const backend = new OperatorStateBackend({ uid: 'source', subtask, parallelism });
  return {
    backend,
    splits: backend.listState('splits', int32),
    seen: backend.unionListState('seen', text),
    rules: backend.broadcastState(rules),
  };
}

type Old = Pick<OperatorSnapshot, 'subtask' | 'parallelism' | 'operator'>;

function snapshots(parallelism: number): Old[] {
  return Array.from({ length: parallelism }, (_, subtask) => {
    const { backend, ...states } = start(subtask, parallelism);
    for (let i = 0; i < 5; i++) states.splits.add(subtask * 100 + i);
    states.seen.add(`s${subtask}`);
    states.rules.put('limit', 7);
    states.rules.put('copy', subtask);
    const bytes = backend.snapshot();
    return { subtask, parallelism, operator: bytes === undefined ? undefined : stored(bytes) };
  });
}

async function restored(old: readonly Old[], parallelism: number) {
  const made = Array.from({ length: parallelism }, (_, subtask) => start(subtask, parallelism));
  for (const { backend } of made) await backend.restore(old, read);
  return made;
}

describe('operator state', () => {
  test('deals list items out in turn over another parallelism', async () => {
    for (const parallelism of [1, 2, 5]) {
      const made = await restored(snapshots(3), parallelism);
      const items = made.map(({ splits }) => splits.get());
      expect(items.flat().toSorted((a, b) => a - b)).toEqual(
        [0, 1, 2].flatMap((subtask) => [0, 1, 2, 3, 4].map((i) => subtask * 100 + i)),
      );
      const sizes = items.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }
  });

  test('gives each subtask its own items back at the same parallelism', async () => {
    const made = await restored(snapshots(3), 3);
    expect(made[1]?.splits.get()).toEqual([100, 101, 102, 103, 104]);
  });

  test('gives union lists to all, and the broadcast copy of subtask mod old parallelism', async () => {
    const made = await restored(snapshots(2), 3);
    for (const [subtask, { seen, rules: copy }] of made.entries()) {
      expect(seen.get()).toEqual(['s0', 's1']);
      expect([...copy.entries()]).toEqual([
        ['limit', 7],
        ['copy', subtask % 2],
      ]);
    }
  });

  test('keeps every item over 2 → 8 → 3 → 2, and what is added at each step', async () => {
    const model = { splits: new Set<number>(), limit: 0 };
    let old: Old[] = [];
    for (const [step, parallelism] of [2, 8, 3, 2].entries()) {
      const made = await restored(old, parallelism);
      const items = made.flatMap(({ splits }) => splits.get());
      expect(items.toSorted((a, b) => a - b)).toEqual([...model.splits].sort((a, b) => a - b));
      old = made.map(({ backend, ...states }, subtask) => {
        if (step > 0) {
          expect(states.rules.get('limit')).toBe(model.limit);
          // A union list is the user's to make smaller: each has all, and here keeps its own part.
          const own = states.seen.get().filter((_, index) => index % parallelism === subtask);
          states.seen.update(own);
        } else if (subtask === 0) {
          states.seen.update(['a', 'b', 'c']);
        }
        const added = step * 100 + subtask;
        states.splits.add(added);
        model.splits.add(added);
        states.rules.put('limit', step);
        const bytes = backend.snapshot();
        return { subtask, parallelism, operator: bytes === undefined ? undefined : stored(bytes) };
      });
      model.limit = step;
      const [again] = await restored(old, 1);
      expect(again?.seen.get().toSorted()).toEqual(['a', 'b', 'c']);
    }
    expect(model.splits.size).toBe(2 + 8 + 3 + 2);
  });

  test('writes nothing when there is nothing', () => {
    expect(start(0, 1).backend.snapshot()).toBeUndefined();
  });

  test('reports states that nobody declares', async () => {
    const backend = new OperatorStateBackend({ uid: 'source', subtask: 0, parallelism: 1 });
    backend.listState('splits', int32);
    const { undeclared } = await backend.restore(snapshots(1), read);
    expect(undeclared.map(({ name }) => name)).toEqual(['seen', 'rules']);
  });

  test('names operator and state when a type does not fit', async () => {
    const backend = new OperatorStateBackend({ uid: 'source', subtask: 0, parallelism: 1 });
    backend.listState('splits', serializerOf({ kind: 'boolean' }));
    await expect(backend.restore(snapshots(1), read)).rejects.toThrow(/STA-002.*source.*splits/);
  });

  test('refuses a state of another kind', async () => {
    const backend = new OperatorStateBackend({ uid: 'source', subtask: 0, parallelism: 1 });
    backend.listState('rules', int32);
    await expect(backend.restore(snapshots(1), read)).rejects.toMatchObject({ code: 'STA-003' });
  });

  test('refuses two states of one name', () => {
    const { backend } = start(0, 1);
    expect(() => backend.listState('splits', int32)).toThrow(/STA-004/);
  });

  test('finds every damaged byte and every cut', async () => {
    const [old] = snapshots(1);
    if (old?.operator === undefined) expect.unreachable();
    const good = await read(old.operator);
    const attempt = async (bytes: Uint8Array) => {
      const { backend } = start(0, 1);
      await backend.restore([old], async () => bytes);
    };
    for (let at = 0; at < good.length; at++) {
      const bad = good.slice();
      bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8));
      await expect(attempt(bad)).rejects.toMatchObject({ kind: 'corrupt', code: 'STA-001' });
      await expect(attempt(good.slice(0, at))).rejects.toMatchObject({ kind: 'corrupt' });
    }
  });
});
