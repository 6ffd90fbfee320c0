import type { NameRecord } from '../checkpoint/name-record.ts';
import type { RollbackPlan } from '../cluster/rollback/plan-rollback.ts';

/** How long a cancelled job may take to be gone. */
const END_MS_MAX = 60_000;
const LOOK_MS = 50;
/** How long a service may take to name a job that it brings back. */
const BACK_MS_MAX = 10_000;
/** What the start of a process and the clock may differ by. */
const CLOCK_MS = 2_000;

interface Running {
  readonly cancel: () => Promise<void>;
  readonly isThere: () => Promise<boolean>;
}

/**
 * Makes sure that nothing of the job runs any more.
 *
 * @param mayCancel Else a job that runs is refused.
 * @param fence Called before it is cancelled.
 * @returns Whether there was something to cancel.
 * @throws {EngineError} `CLI-086` (`invalid`), `CLI-087` (`unavailable`), and those of a service.
 */
export async function cancelForRollback(
  plan: RollbackPlan,
  mayCancel: boolean,
  fence: () => Promise<unknown>,
): Promise<boolean> {
  const { record, head } = plan;
  const { doesNotEnd, jobStillRuns } = await import('../cluster/rollback/rollback-errors.ts');
  const running = await find(plan);
  if (running === undefined) return false;
  if (!mayCancel) throw jobStillRuns(record.jobName, head.owner);
  await fence();
  await running.cancel();
  const { sleep, systemClock } = await import('../common/clock.ts');
  const untilMs = systemClock.monotonicMs() + END_MS_MAX;
  while (await running.isThere()) {
    if (systemClock.monotonicMs() > untilMs) throw doesNotEnd(record.jobName, head.owner);
    await sleep(systemClock, LOOK_MS);
  }
  return true;
}

/** A job of this user's service, or one that a `tidemark run` of this machine leads. */
async function find({ record, head }: RollbackPlan): Promise<Running | undefined> {
  const found = await inService(record.jobId);
  if (found !== undefined) return found;
  return head.leader === undefined
    ? onThisMachine(record, head.owner)
    : ofService(record, head.owner);
}

/**
 * A job that a service has led, and that the one of this user does not name now: it may be bringing it back at this
 * moment. The process that led it runs other jobs, too, so that it is never ended for the sake of this one.
 */
async function ofService(record: NameRecord, owner: string): Promise<Running | undefined> {
  const there = await processOf(record, owner);
  if (there === undefined) return undefined;
  const { findService } = await import('../service/service-record.ts');
  const { dataFolder } = await import('./data-folder.ts');
  const { sleep, systemClock } = await import('../common/clock.ts');
  if (findService(dataFolder({}))?.record.pid !== there.pid) {
    const { jobStillRuns } = await import('../cluster/rollback/rollback-errors.ts');
    throw jobStillRuns(record.jobName, owner);
  }
  const untilMs = systemClock.monotonicMs() + BACK_MS_MAX;
  while (systemClock.monotonicMs() < untilMs) {
    const found = await inService(record.jobId);
    if (found !== undefined) return found;
    await sleep(systemClock, LOOK_MS);
  }
  return undefined;
}

async function inService(jobId: string): Promise<Running | undefined> {
  const { RestClient } = await import('./rest-client.ts');
  const { allJobs, isOver } = await import('./find-job.ts');
  const client = await RestClient.ofThisUser();
  if (client === undefined) return undefined;
  const isThere = async (): Promise<boolean> =>
    (await allJobs(client)).some((job) => job.jid === jobId && !isOver(job));
  if (!(await isThere())) return undefined;
  return {
    cancel: async () => {
      await client.patch(`/jobs/${jobId}?mode=cancel`);
    },
    isThere,
  };
}

async function onThisMachine(record: NameRecord, owner: string): Promise<Running | undefined> {
  const there = await processOf(record, owner);
  if (there === undefined) return undefined;
  return {
    cancel: () => {
      process.kill(there.pid, 'SIGTERM');
      return Promise.resolve();
    },
    isThere: () => Promise.resolve(there.isThere()),
  };
}

/** Of another machine nothing is known: its process can complete and commit nothing once the rollback leads. */
async function processOf(record: NameRecord, owner: string) {
  // `running` is also said of a job that crashed.
  if (record.state !== 'running') return undefined;
  const { hostname } = await import('node:os');
  const { startOf, startedMs } = await import('../service/process-identity.ts');
  const at = owner.lastIndexOf(':');
  const pid = Number(owner.slice(at + 1));
  const start = startOf(pid);
  if (owner.slice(0, at) !== hostname() || start === undefined) return undefined;
  // The job's process was there when it took the name; whoever came later only has its number.
  if ((startedMs(pid) ?? record.atMs) > record.atMs + CLOCK_MS) return undefined;
  return { pid, isThere: () => startOf(pid) === start };
}
