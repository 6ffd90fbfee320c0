/** What a shell can only offer by asking: jobs of the service, snapshots, settings. */
import { sleep, systemClock } from '../common/clock.ts';
import { allJobs, isOver, type JobOverview } from './find-job.ts';
import type { Candidate, Kind } from './completion-place.ts';

/** A shell waits for it: who does not answer by then has nothing to say. */
const ANSWER_MS_MAX = 1_000;
/** Never throws: what cannot be had is not offered. */
export async function valuesOfKind(kind: Kind, current: string): Promise<readonly Candidate[]> {
  try {
    switch (kind) {
      case 'job':
        return await jobs(current, false);
      case 'living job':
        return await jobs(current, true);
      case 'snapshot':
        return await (await import('./completion-snapshots.ts')).snapshotsFitting(current);
      case 'setting':
        return await settingKeys();
      case 'file':
      case 'directory':
        // The shell knows them better.
        return [];
    }
  } catch {
    return [];
  }
}

async function jobs(current: string, livingOnly: boolean): Promise<Candidate[]> {
  const { RestClient } = await import('./rest-client.ts');
  const client = await RestClient.open({});
  const late = sleep(systemClock, ANSWER_MS_MAX).then(() => []);
  const all = await Promise.race([allJobs(client), late]);
  const known = all.filter((job) => !livingOnly || !isOver(job));
  const newest = known.toSorted((a, b) => b['start-time'] - a['start-time']);
  const names = new Map(newest.toReversed().map((job) => [job.name, job]));
  // Ids of 32 digits between names are noise, unless somebody begins to type one.
  const isId = /^[0-9a-f]+$/i.test(current);
  const about = ({ state, jid }: JobOverview) => `${state} ${jid}`;
  return [
    ...[...names].map(([value, job]) => ({ value, about: about(job) })),
    ...(isId
      ? newest.map(({ jid, name, state }) => ({ value: jid, about: `${state} ${name}` }))
      : []),
  ];
}

async function settingKeys(): Promise<Candidate[]> {
  const { FLINK_SETTINGS, SETTING_NAMES } = await import('../settings/flink-settings.ts');
  return SETTING_NAMES.map((name) => {
    const { key, doc } = FLINK_SETTINGS[name];
    return { value: `${key}=`, about: doc };
  });
}
