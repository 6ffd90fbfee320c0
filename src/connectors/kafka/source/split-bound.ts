/**
 * Where a split ends is looked up once and is then part of the state, so that a restart does not move it. But it is the
 * answer to a setting: if the job is started again with another one, it is looked up anew, and without one reading goes on.
 */
import type { KafkaSplit } from './kafka-split.ts';
import type { StopAt } from './offsets.ts';

/** The setting as a text, which is the same for the same setting; undefined: no end. */
export function boundOf(bounded: StopAt | undefined): string | undefined {
  if (bounded === undefined || bounded === 'latest') return bounded;
  if ('timestampMs' in bounded) return `timestampMs ${bounded.timestampMs}`;
  const offsets = Object.entries(bounded.offsets).sort(([a], [b]) => (a < b ? -1 : 1));
  return `offsets ${offsets.map((one) => one.join(' ')).join()}`;
}

/** The split for a run with this setting: with its end if that is of the same setting, without one otherwise. */
export function rebound(split: KafkaSplit, bounded: StopAt | undefined): KafkaSplit {
  const bound = boundOf(bounded);
  const { bound: before = bound, stopOffset, ...rest } = split;
  if (bound === undefined || stopOffset === undefined || before !== bound) return rest;
  return { ...rest, stopOffset, bound };
}

/** Whether its end is known. */
export function isBound({ stopOffset }: KafkaSplit): boolean {
  return stopOffset !== undefined;
}
