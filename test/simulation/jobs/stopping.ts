/* A job on a simulated machine that is stopped with a savepoint, or has one taken. */
import { fail } from 'node:assert/strict';
import type { TriggerOutcome } from '../../../src/checkpoint/coordinator-types.ts';
import type { SimulatedJob, SubmitOptions } from '../../../src/testing/simulated-job.ts';
import type { Topology } from './topology.ts';
import { check, submitOptions } from './crash-sweep.ts';
import { problemOfAll, problemOfState, visible } from './check.ts';

export interface StopOptions {
  readonly drain?: boolean;
  readonly directory?: string;
}

/** Asks for the stop, and waits for the answer. Undefined: the process died before. */
export function stop(
  machine: SimulatedJob,
  { drain = false, directory }: StopOptions = {},
): Promise<TriggerOutcome | undefined> {
  return machine.request({ kind: 'stop', drain, directory, notes: {} });
}

/** As `stop`, where it must succeed. Returns the savepoint's URL. */
export async function stopped(machine: SimulatedJob, options?: StopOptions): Promise<string> {
  const outcome = await stop(machine, options);
  if (outcome?.kind !== 'completed') fail(`the stop is ${JSON.stringify(outcome)}`);
  const result = await machine.runToEnd();
  if (result.status !== 'FINISHED') fail(`the stopped job is ${result.status}`);
  if (result.savepointUrl !== outcome.url) fail(`it says ${String(result.savepointUrl)}`);
  const record = await machine.record();
  if (record?.state !== 'stopped' || record.savepointUrl !== outcome.url) {
    fail(`its record says ${JSON.stringify(record)}`);
  }
  return outcome.url;
}

/** Goes on from wherever the job is, to its end: from its savepoint if it was stopped. */
export async function goOn(
  machine: SimulatedJob,
  topology: Topology,
  parallelism: number,
): Promise<void> {
  const record = await machine.record();
  const from = startOf(record);
  if (from === undefined && (await machine.isOver())) return;
  const options: SubmitOptions = { ...submitOptions(topology, parallelism), ...from };
  await machine.submit(topology.job, options);
  const result = await machine.runToEnd();
  if (result.status !== 'FINISHED')
    fail(`the last run is ${result.status}: ${String(result.error)}`);
}

/** What to submit a stopped job with. */
export function startOf(
  record: { readonly state: string; readonly savepointUrl?: string } | undefined,
): Pick<SubmitOptions, 'from'> | undefined {
  if (record?.state !== 'stopped' || record.savepointUrl === undefined) return undefined;
  return { from: { kind: 'snapshot', path: record.savepointUrl } };
}

/** Output and state are the model's. */
export async function requireAll(machine: SimulatedJob, topology: Topology): Promise<void> {
  check(problemOfAll(await visible(machine, topology), topology));
  check(await problemOfState(machine, topology));
}
