/**
 * Where things lie in a checkpoint directory. docs/formats/layout.md.
 *
 * Always holds: a data file's name tells the checkpoint, the epoch and the attempt it was written
 * for, so that the sweep can judge it without reading anything.
 */
import { crc32 } from '../common/crc32.ts';
import { randomHex, type Random } from '../common/random.ts';

export const METADATA_NAME = '_metadata';
/** Lies in a savepoint's folder while it is being written, and only then. */
export const IN_PROGRESS_NAME = '_in-progress';

export interface JobPaths {
  readonly folder: string;
  readonly head: string;
  readonly shared: string;
  /** Reserved as in Flink; nothing is written or removed there. */
  readonly taskOwned: string;
  readonly checkpoint: (checkpointId: number) => string;
}

export function jobPaths(jobId: string): JobPaths {
  return {
    folder: jobId,
    head: `${jobId}/HEAD`,
    shared: `${jobId}/shared`,
    taskOwned: `${jobId}/taskowned`,
    checkpoint: (checkpointId) => `${jobId}/chk-${checkpointId}`,
  };
}

export function metadataPath(folder: string): string {
  return folder === '' ? METADATA_NAME : `${folder}/${METADATA_NAME}`;
}

/** `savepoint-<6 of job id>-<12 hex>`, under `directory` (which may be the root, `''`). */
export function savepointFolder(directory: string, jobId: string, random: Random): string {
  const name = `savepoint-${jobId.slice(0, 6)}-${randomHex(random, 12)}`;
  return directory === '' ? name : `${directory}/${name}`;
}

/** The number in `<job id>/chk-<n>/…`; undefined for any other path. */
export function checkpointIdOfPath(jobId: string, path: string): number | undefined {
  if (!path.startsWith(`${jobId}/chk-`)) return undefined;
  const found = /^chk-(0|[1-9]\d{0,15})\//.exec(path.slice(jobId.length + 1));
  return found === null ? undefined : Number(found[1]);
}

/** Who wrote a file, and for which checkpoint. */
export interface FileStamp {
  readonly checkpointId: number;
  readonly epoch: number;
  readonly attempt: number;
}

export interface FileName extends FileStamp {
  readonly uid: string;
  readonly subtask: number;
  /** What the state calls it. */
  readonly name: string;
  /** Counts the files of one subtask in one snapshot. */
  readonly sequence: number;
}

const UID_SLUG_MAX = 60;
const NAME_SLUG_MAX = 60;

export function dataFileName(file: FileName): string {
  const { checkpointId, epoch, attempt, sequence } = file;
  const who = `${slug(file.uid, UID_SLUG_MAX)}-${file.subtask}`;
  return `${who}-${slug(file.name, NAME_SLUG_MAX)}-c${checkpointId}-e${epoch}-a${attempt}-${sequence}`;
}

/** Undefined for a name that we did not make. */
export function stampOfFile(path: string): FileStamp | undefined {
  const found = /-c(\d{1,16})-e(\d{1,16})-a(\d{1,16})-\d{1,16}$/.exec(path);
  if (found === null) return undefined;
  const [, checkpointId, epoch, attempt] = found;
  return { checkpointId: Number(checkpointId), epoch: Number(epoch), attempt: Number(attempt) };
}

/** Folder of the records of names. */
export const NAMES = 'by-name';

/** The record of the last job of a name. */
export function nameRecordPath(jobName: string): string {
  return `${NAMES}/${encodeName(jobName)}`;
}

const SEGMENT_CHARS = 200;

/**
 * Any text as a path, differing whenever the texts differ; short ASCII names stay readable. A long
 * one is a path of several segments, of which all but the last end in `%`.
 */
export function encodeName(name: string): string {
  let text = '';
  for (const byte of new TextEncoder().encode(name)) {
    const char = String.fromCharCode(byte);
    text += /[A-Za-z0-9_-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`;
  }
  const segments = text.match(new RegExp(`.{1,${SEGMENT_CHARS}}`, 'g')) ?? ['%%'];
  return segments.join('%/');
}

/** For people's eyes; what makes a file's name unique comes after it. */
function slug(text: string, charsMax: number): string {
  const plain = text.replaceAll(/[^A-Za-z0-9_]+/g, '_');
  if (plain === text && plain.length <= charsMax) return plain;
  return `${plain.slice(0, charsMax)}~${hex8(crc32(new TextEncoder().encode(text)))}`;
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}
