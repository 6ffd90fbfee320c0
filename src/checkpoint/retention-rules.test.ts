import { describe, expect, it } from 'vitest';
import {
  judgeCheckpoints,
  judgeSavepoints,
  type RetentionRules,
  type SavepointFact,
} from './retention-rules.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 5, 15);

const RULES: RetentionRules = {
  savepointsKept: 3,
  preDeployMs: 30 * DAY_MS,
  monthlyMs: 365 * DAY_MS,
  checkpointsKept: 10,
  checkpointMs: 7 * DAY_MS,
};

/** So many days old. */
function savepoint(days: number, more: Partial<SavepointFact> = {}): SavepointFact {
  const completedMs = NOW_MS - days * DAY_MS;
  const none = { label: undefined, pin: false, usedBy: undefined };
  return { url: `sp-${days}`, jobName: 'a', completedMs, ...none, ...more };
}

function keptDays(savepoints: readonly SavepointFact[]): readonly number[] {
  const verdicts = judgeSavepoints(savepoints, RULES, NOW_MS);
  return savepoints
    .filter(({ url }) => verdicts.get(url)?.keep === true)
    .map(({ url }) => Number(url.slice(3)));
}

describe('savepoints', () => {
  it('the last three of a job are kept, and the newest of each month for a year', () => {
    // Days 0 to 14 are in June, 15 to 45 in May.
    const all = Array.from({ length: 500 }, (_, days) => savepoint(days));
    const kept = keptDays(all);
    expect(kept.slice(0, 5)).toEqual([0, 1, 2, 15, 46]);
    expect(kept).toHaveLength(3 + 12);
    expect(Math.max(...kept)).toBeLessThan(365);
  });

  it('of each job by itself', () => {
    const one = [1, 2, 3, 4].map((days) => savepoint(days));
    const other = [5, 6, 7].map((days) => savepoint(days, { jobName: 'b' }));
    expect(keptDays([...one, ...other])).toEqual([1, 2, 3, 5, 6, 7]);
  });

  it.each([
    ['pre-deploy, before its time', { label: 'pre-deploy' }, 8, true],
    ['pre-deploy, after it', { label: 'pre-deploy' }, 44, false],
    ['any other label', { label: 'nightly' }, 8, false],
    ['monthly by its label', { label: 'monthly' }, 300, true],
    ['monthly, after its time', { label: 'monthly' }, 366, false],
    ['pinned', { pin: true }, 5000, true],
    ['used', { usedBy: 'job x would be restored from it' }, 5000, true],
  ] as const)('%s', (_, more, days, expected) => {
    // Three newer ones, and a newer one in its month.
    const newer = [0, 1, 2].map((age) => savepoint(age));
    const sameMonth = savepoint(days - 0.5, { url: 'same' });
    const verdict = judgeSavepoints([...newer, sameMonth, savepoint(days, more)], RULES, NOW_MS);
    expect(verdict.get(`sp-${days}`)?.keep).toBe(expected);
  });
});

it('checkpoints: the last ten, not older than seven days, and what is used', () => {
  const ages = [30, 8, 6.9, ...Array.from({ length: 10 }, (_, at) => 5 - at / 10)];
  const facts = ages.map((days, at) => ({
    url: `chk-${at}`,
    completedMs: NOW_MS - days * DAY_MS,
    usedBy: at === 0 ? 'a fork' : undefined,
  }));
  const kept = judgeCheckpoints(facts, RULES, NOW_MS).map(({ keep }) => keep);
  expect(kept).toEqual([true, false, false, ...Array.from({ length: 10 }, () => true)]);
  expect(judgeCheckpoints(facts.slice(0, 3), RULES, NOW_MS)).toMatchObject([
    { keep: true, why: 'a fork' },
    { keep: false, why: '8 days old' },
    { keep: true },
  ]);
});
