/**
 * Which savepoints, and which checkpoints of jobs that are over, the rules let go. Pure: who deletes asks again
 * whether anything needs them.
 *
 * Always holds: what is pinned or in use is kept, whatever the rules say, and each verdict has its reason.
 */

export interface RetentionRules {
  /** The newest of each job, by its name. */
  readonly savepointsKept: number;
  /** Age up to which those are kept that were taken before a deployment. */
  readonly preDeployMs: number;
  /** Age up to which the newest of each calendar month is kept. */
  readonly monthlyMs: number;
  /** The newest of each job that is over. */
  readonly checkpointsKept: number;
  /** Age up to which those are kept. */
  readonly checkpointMs: number;
}

export interface RetainedFact {
  readonly url: string;
  readonly completedMs: number;
  /** What would be restored from it; undefined: nothing. */
  readonly usedBy: string | undefined;
}

export interface SavepointFact extends RetainedFact {
  readonly jobName: string;
  readonly label: string | undefined;
  readonly pin: boolean;
}

export interface Verdict {
  readonly keep: boolean;
  readonly why: string;
}

/** How people call it. */
const PRE_DEPLOY = new Set(['pre-deploy', 'pre-deployment']);
const MONTHLY = 'monthly';

/** @returns By URL. */
export function judgeSavepoints(
  savepoints: readonly SavepointFact[],
  rules: RetentionRules,
  nowMs: number,
): ReadonlyMap<string, Verdict> {
  const newestFirst = savepoints.toSorted((a, b) => b.completedMs - a.completedMs);
  const counts = new Map<string, number>();
  const months = new Set<string>();
  const verdicts = new Map<string, Verdict>();
  for (const savepoint of newestFirst) {
    const { url, jobName, completedMs } = savepoint;
    const newer = counts.get(jobName) ?? 0;
    counts.set(jobName, newer + 1);
    const month = `${new Date(completedMs).toISOString().slice(0, 7)} ${jobName}`;
    const isOfMonth = !months.has(month);
    months.add(month);
    verdicts.set(url, judgeSavepoint(savepoint, { newer, isOfMonth, rules, nowMs }));
  }
  return verdicts;
}

interface Circumstances {
  /** Savepoints of the job that are newer. */
  readonly newer: number;
  readonly isOfMonth: boolean;
  readonly rules: RetentionRules;
  readonly nowMs: number;
}

function judgeSavepoint(
  { label = '', pin, usedBy, completedMs }: SavepointFact,
  { newer, isOfMonth, rules, nowMs }: Circumstances,
): Verdict {
  const ageMs = nowMs - completedMs;
  if (pin) return { keep: true, why: 'pinned' };
  if (usedBy !== undefined) return { keep: true, why: usedBy };
  if (newer < rules.savepointsKept) {
    return { keep: true, why: `one of the last ${rules.savepointsKept} of its job` };
  }
  if (PRE_DEPLOY.has(label) && ageMs < rules.preDeployMs) {
    return { keep: true, why: `${label}, younger than ${days(rules.preDeployMs)}` };
  }
  if ((isOfMonth || label === MONTHLY) && ageMs < rules.monthlyMs) {
    return { keep: true, why: `monthly, younger than ${days(rules.monthlyMs)}` };
  }
  return { keep: false, why: `${newer} newer ones, and ${days(ageMs)} old` };
}

/**
 * Of one job that is over.
 *
 * @param checkpoints Oldest first, as HEAD has them.
 * @returns In the same order.
 */
export function judgeCheckpoints(
  checkpoints: readonly RetainedFact[],
  rules: RetentionRules,
  nowMs: number,
): readonly Verdict[] {
  return checkpoints.map(({ usedBy, completedMs }, at) => {
    const ageMs = nowMs - completedMs;
    const newer = checkpoints.length - 1 - at;
    if (usedBy !== undefined) return { keep: true, why: usedBy };
    if (newer >= rules.checkpointsKept) return { keep: false, why: `${newer} newer ones` };
    if (ageMs >= rules.checkpointMs) return { keep: false, why: `${days(ageMs)} old` };
    return { keep: true, why: `younger than ${days(rules.checkpointMs)}` };
  });
}

const DAY_MS = 86_400_000;

function days(ms: number): string {
  const count = ms < 10 * DAY_MS ? Math.floor((10 * ms) / DAY_MS) / 10 : Math.floor(ms / DAY_MS);
  return count === 1 ? '1 day' : `${count} days`;
}
