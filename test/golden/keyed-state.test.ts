import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { BlobHandle, KeyedRunHandle } from '../../src/contracts/snapshots.ts';
import { serializerOf } from '../../src/serde/structural-serializer.ts';
import { OperatorStateBackend } from '../../src/state/operator-state.ts';
import { readKeyedRuns } from '../../src/state/read-keyed-runs.ts';

// Goal: state that release 0.1 wrote can be read by every later one.
// Method: the files hold bytes of format version 1 (a full run and a delta with tombstones, of all
// kinds of state and keys; operator state) and what was in them. They are never edited.

interface GoldenRuns {
  readonly runs: readonly KeyedRunHandle[];
  readonly content: readonly string[];
}

interface GoldenOperatorState {
  readonly handle: BlobHandle;
  readonly splits: readonly unknown[];
  readonly union: readonly number[];
  readonly rules: readonly (readonly [string, number])[];
}

function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
}

async function read(handle: BlobHandle): Promise<Uint8Array> {
  if (handle.kind !== 'inline') expect.unreachable('golden handles are inline');
  return new Uint8Array(Buffer.from(handle.base64, 'base64'));
}

function textOf(entry: unknown): string {
  return JSON.stringify(entry, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
}

test('keyed runs of format version 1', async () => {
  const { runs, content } = load('keyed-run-v1.json') as GoldenRuns;
  const entries: string[] = [];
  for await (const entry of readKeyedRuns(runs, read)) entries.push(textOf(entry));
  expect(entries).toEqual(content);
});

test('operator state of format version 1', async () => {
  const golden = load('operator-state-v1.json') as GoldenOperatorState;
  const text = serializerOf({ kind: 'string' });
  const int32 = serializerOf({ kind: 'int32' });
  const split = serializerOf({
    kind: 'object',
    fields: [
      { name: 'n', type: { kind: 'float64' } },
      { name: 'tags', type: { kind: 'array', of: { kind: 'string' } } },
    ],
  });
  const backend = new OperatorStateBackend({ uid: 'golden', subtask: 0, parallelism: 1 });
  const splits = backend.listState('splits', split);
  const union = backend.unionListState('union', int32);
  const rules = backend.broadcastState({
    kind: 'map',
    name: 'rules',
    ttl: undefined,
    key: text,
    value: int32,
  });
  await backend.restore([{ subtask: 0, parallelism: 1, operator: golden.handle }], read);
  expect(splits.get()).toEqual(golden.splits);
  expect(union.get()).toEqual(golden.union);
  expect([...rules.entries()]).toEqual(golden.rules);
});
