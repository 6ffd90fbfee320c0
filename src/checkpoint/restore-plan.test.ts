import { expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { FULL_METADATA } from '../../test/support/full-metadata.ts';
import { keyGroupRangeOf } from '../common/key-groups.ts';
import type { OperatorSnapshot } from '../contracts/snapshots.ts';
import type { SnapshotMetadata } from './metadata.ts';
import { planRestore, type RestoreInput } from './restore-plan.ts';

const MAX_PARALLELISM = 128;
const OPERATORS = [
  { uid: 'words', parallelism: 1 },
  { uid: 'count', parallelism: 2 },
  { uid: 'files', parallelism: 2 },
];
const INPUT: RestoreInput = {
  metadata: FULL_METADATA,
  snapshot: 's3://jobs/wordcount/sp-1',
  operators: OPERATORS,
  allowNonRestoredState: false,
  continues: 'same-job',
};

it('gives every key group to the one subtask that owns it, at any parallelism', () => {
  const parallelism = fc.integer({ min: 1, max: MAX_PARALLELISM });
  fc.assert(
    fc.property(parallelism, parallelism, (before, after) => {
      const plan = planRestore({
        ...INPUT,
        metadata: snapshotOf(before),
        operators: [{ uid: 'count', parallelism: after }],
      });
      const subtasks = plan.operators.get('count') ?? [];
      expect(subtasks).toHaveLength(after);
      subtasks.forEach(({ subtasks: old, reusableBase }, subtask) => {
        const own = keyGroupRangeOf(subtask, MAX_PARALLELISM, after);
        const covered = new Set<number>();
        for (const { keyGroups } of old.flatMap(({ keyed }) => keyed)) {
          expect(keyGroups.start <= own.end && own.start <= keyGroups.end).toBe(true);
          for (let group = keyGroups.start; group <= keyGroups.end; group += 1) covered.add(group);
        }
        for (let group = own.start; group <= own.end; group += 1) {
          expect(covered.has(group)).toBe(true);
        }
        expect(old).toHaveLength(before);
        expect(reusableBase).toBe(before === after);
      });
      expect(plan.full).toBe(before !== after);
    }),
    { numRuns: 60 },
  );
});

it('takes the lowest watermark on a rescale, and each its own without one', () => {
  const watermarks = (parallelism: number, metadata = snapshotOf(3)) =>
    planRestore({ ...INPUT, metadata, operators: [{ uid: 'count', parallelism }] })
      .operators.get('count')
      ?.map(({ watermarkMs }) => watermarkMs);
  expect(watermarks(3)).toEqual([100, 101, 102]);
  expect(watermarks(2)).toEqual([100, 100]);
  const [first, ...others] = snapshotOf(3).operators;
  if (first === undefined) return;
  const withFirst = (change: Partial<OperatorSnapshot>) => ({
    ...snapshotOf(3),
    operators: [{ ...first, ...change }, ...others],
  });
  expect(watermarks(1, withFirst({ watermarkMs: undefined }))).toEqual([undefined]);
  expect(watermarks(1, withFirst({ watermarkMs: Infinity, finished: true }))).toEqual([101]);
});

it('takes an operator for finished only if all its subtasks were', () => {
  const plan = planRestore(INPUT);
  expect(plan.operators.get('words')?.map(({ finished }) => finished)).toEqual([true]);
  expect(plan.operators.get('count')?.map(({ finished }) => finished)).toEqual([false, false]);
  expect(plan.operators.has('files')).toBe(false);
  expect(plan.committables).toHaveLength(1);
});

it('never takes a savepoint, or what another job owns, for a base', () => {
  const reusable = (input: Partial<RestoreInput>) => !planRestore({ ...INPUT, ...input }).full;
  expect(reusable({})).toBe(true);
  expect(reusable({ metadata: { ...FULL_METADATA, kind: 'savepoint' } })).toBe(false);
  expect(reusable({ continues: 'same-lineage' })).toBe(false);
});

it('leaves the pending output of another lineage alone, and says so', () => {
  const plan = planRestore({ ...INPUT, continues: 'fork' });
  expect(plan.committables).toEqual([]);
  expect(plan.leftCommittables).toHaveLength(1);
});

it('refuses state that nobody takes, with both sides and the way out', () => {
  const operators = [{ uid: 'tally', parallelism: 2 }];
  expect(() => planRestore({ ...INPUT, operators })).toThrowErrorMatchingInlineSnapshot(`
    [EngineError: CHK-004: cannot map checkpoint/savepoint state for operator "count", snapshot=\`s3://jobs/wordcount/sp-1\`, unmatched=\`count, files, words\`, operatorsOfJob=\`tally\`
      Give an operator of this job the uid 'count', or pass --allowNonRestoredState to drop its state.
      docs/errors/CHK-004.md]
  `);
  const plan = planRestore({ ...INPUT, operators, allowNonRestoredState: true });
  expect(plan.dropped).toEqual(['count', 'files', 'words']);
  expect([...plan.operators]).toEqual([]);
  expect(plan.committables).toEqual([]);
});

it('refuses more subtasks than key groups', () => {
  const operators = [...OPERATORS.slice(0, 2), { uid: 'files', parallelism: 129 }];
  expect(() => planRestore({ ...INPUT, operators })).toThrowErrorMatchingInlineSnapshot(`
    [EngineError: CHK-005: the parallelism is above the maximum of the snapshot, snapshot=\`s3://jobs/wordcount/sp-1\`, operator=\`files\`, parallelism=\`129\`, maxParallelism=\`128\`
      Start with -p 128 or less: the maximum is fixed when a job first starts.
      docs/errors/CHK-005.md]
  `);
});

function snapshotOf(parallelism: number): SnapshotMetadata {
  const operators = Array.from({ length: parallelism }, (_, subtask): OperatorSnapshot => {
    const keyGroups = keyGroupRangeOf(subtask, MAX_PARALLELISM, parallelism);
    const blob = { kind: 'blob', path: `run-${subtask}`, sizeBytes: 1, crc32: 1 } as const;
    return {
      uid: 'count',
      subtask,
      parallelism,
      keyed: [{ blob, keyGroups, checkpointId: 7, rows: 1 }],
      operator: undefined,
      schemas: [],
      watermarkMs: 100 + subtask,
      finished: false,
      committables: [],
    };
  });
  return { ...FULL_METADATA, operators, coordinators: {}, committables: [] };
}
