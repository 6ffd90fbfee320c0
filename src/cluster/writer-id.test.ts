import { describe, expect, it } from 'vitest';
import { isLeftoverOf, writerIdOf } from './writer-id.ts';

const TASK = { vertex: 'a b/c', subtask: 3, attempt: 2 };
const JOB = { jobId: '0123456789abcdef', lineage: 'aa', epoch: 5 };

it('is safe in file names', () => {
  expect(writerIdOf(JOB, TASK)).toBe('aa-0123456789ab-5-2-a_b_c-3');
});

describe('leftovers', () => {
  it.each([
    ['of this leadership', JOB, true],
    ['of an earlier one', { ...JOB, epoch: 4 }, true],
    // A leader that was frozen and comes back would take its successor's output away.
    ['of a later one', { ...JOB, epoch: 6 }, false],
    ['of the job that it started from', { ...JOB, jobId: 'ffff', epoch: 9 }, true],
    ['of another job of the lineage', { ...JOB, jobId: 'eeee', epoch: 1 }, false],
    ['of another lineage', { ...JOB, lineage: 'bb', epoch: 1 }, false],
  ])('%s: %o is %s', (_, writer, expected) => {
    expect(isLeftoverOf(JOB, ['ffff'], writerIdOf(writer, TASK))).toBe(expected);
  });

  it('are only those of the job itself where it began without a snapshot', () => {
    expect(isLeftoverOf(JOB, [], writerIdOf({ ...JOB, jobId: 'ffff' }, TASK))).toBe(false);
  });
});
