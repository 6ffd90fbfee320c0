/** What a shell can only offer by asking: jobs of the service, snapshots on this machine's disk, settings. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep, systemClock } from '../common/clock.ts';
import { allJobs, isOver, type JobOverview } from './find-job.ts';
import type { Candidate, Kind } from './completion-place.ts';

/** A shell waits for it: who does not answer by then has nothing to say. */
const ANSWER_MS_MAX = 1_000;
/** Folders that are looked into, and snapshots that are offered. */
const FOLDERS_MAX = 500;
/** Beside checkpoints, nothing for people. */
const INNER = new Set(['HEAD', 'shared', 'taskowned', 'by-name', 'job-store']);

/** Never throws: what cannot be had is not offered. */
export async function valuesOfKind(kind: Kind, current: string): Promise<readonly Candidate[]> {
  try {
    switch (kind) {
      case 'job':
        return await jobs(current, false);
      case 'living job':
        return await jobs(current, true);
      case 'snapshot':
        return await snapshots(current);
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

/** Below the folder that is being typed; if none is, those where this project keeps its own. */
async function snapshots(current: string): Promise<Candidate[]> {
  if (/^[a-z0-9+.-]+:/i.test(current) && !current.startsWith('file:')) return [];
  if (/^(\.|~|\/|file:)/.test(current) || current.includes('/')) {
    const cut = current.lastIndexOf('/') + 1;
    const typed = current.slice(0, cut);
    return below(folderOf(typed)).map(({ name, about }) => ({ value: typed + name, about }));
  }
  const { readSettings } = await import('../settings/process-settings.ts');
  const { flink } = readSettings({ env: process.env, cwd: process.cwd() });
  const storage = flink.checkpointStorage ?? '.tidemark/checkpoints';
  const folders = [...new Set([flink.savepointDirectory ?? storage, storage])]
    .filter((one) => !/^[a-z0-9+.-]+:/i.test(one) || one.startsWith('file:'))
    .map((one) => folderOf(one));
  return folders.flatMap((folder) => [...savepointsIn(folder), ...checkpointsIn(folder)]);
}

function folderOf(typed: string): string {
  return path.resolve(typed.startsWith('file:') ? fileURLToPath(new URL(typed)) : typed || '.');
}

interface Entry {
  readonly name: string;
  readonly about: string;
}

/** Snapshots, and folders that may hold some. */
function below(folder: string): Entry[] {
  return foldersIn(folder).map((name) => {
    const about = aboutSnapshot(path.join(folder, name));
    return about === undefined ? { name: `${name}/`, about: '' } : { name, about };
  });
}

function savepointsIn(folder: string): Candidate[] {
  return foldersIn(folder)
    .filter((name) => name.startsWith('savepoint-'))
    .flatMap((name) => candidateAt(path.join(folder, name)));
}

function checkpointsIn(folder: string): Candidate[] {
  const jobFolders = foldersIn(folder).filter((name) => /^[0-9a-f]{32}$/.test(name));
  return jobFolders.slice(0, FOLDERS_MAX).flatMap((job) =>
    foldersIn(path.join(folder, job))
      .filter((name) => name.startsWith('chk-'))
      .flatMap((name) => candidateAt(path.join(folder, job, name))),
  );
}

function candidateAt(folder: string): Candidate[] {
  const about = aboutSnapshot(folder);
  return about === undefined ? [] : [{ value: folder, about }];
}

/** When it was complete; undefined if it is none. */
function aboutSnapshot(folder: string): string | undefined {
  const stat = fs.statSync(path.join(folder, '_metadata'), { throwIfNoEntry: false });
  return stat?.mtime.toISOString().replace(/\.\d+Z$/, 'Z');
}

function foldersIn(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !INNER.has(entry.name) && !entry.name.startsWith('.'))
    .slice(0, FOLDERS_MAX)
    .map(({ name }) => name);
}

async function settingKeys(): Promise<Candidate[]> {
  const { FLINK_SETTINGS, SETTING_NAMES } = await import('../settings/flink-settings.ts');
  return SETTING_NAMES.map((name) => {
    const { key, doc } = FLINK_SETTINGS[name];
    return { value: `${key}=`, about: doc };
  });
}
