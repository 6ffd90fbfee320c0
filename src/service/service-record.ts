/**
 * Which process is the service of a data folder: a file `service-<n>.json` that it makes at its start,
 * with the number of the last one and one more, and removes at its end.
 *
 * Always holds: of those that made one, only the process with the lowest number of the living goes on;
 * a process counts as living only if it has the same number and the same start.
 */
import fs from 'node:fs';
import path from 'node:path';
import { EngineError } from '../common/errors.ts';
import { startOf } from './process-identity.ts';

export interface ServiceRecord {
  readonly pid: number;
  /** See `startOf`. */
  readonly processStart: string;
  /** Wall time. */
  readonly startMs: number;
  readonly version: string;
  /** Where it answers; undefined while it starts or stands by, or if it answers nobody. */
  readonly address: string | undefined;
  readonly state: 'starting' | 'running' | 'standby' | 'stopping';
}

export interface FoundService {
  readonly record: ServiceRecord;
  readonly file: string;
  readonly number: number;
}

const NAME = /^service-(\d{1,9})\.json$/;

/** The service that runs on this data folder. */
export function findService(folder: string): FoundService | undefined {
  return living(folder)[0];
}

function living(folder: string): FoundService[] {
  return all(folder).filter(({ record }) => {
    const start = startOf(record.pid);
    return start !== undefined && start === record.processStart;
  });
}

/** The lowest number first. */
function files(folder: string): Omit<FoundService, 'record'>[] {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  return names
    .flatMap((name) => {
      const [, digits] = NAME.exec(name) ?? [];
      if (digits === undefined) return [];
      return [{ file: path.join(folder, name), number: Number(digits) }];
    })
    .sort((a, b) => a.number - b.number);
}

/** A file that cannot be read is nobody's: its process removes it now, or somebody damaged it. */
function all(folder: string): FoundService[] {
  return files(folder).flatMap((one) => {
    try {
      const record = JSON.parse(fs.readFileSync(one.file, 'utf8')) as ServiceRecord;
      return [{ ...one, record }];
    } catch {
      return [];
    }
  });
}

/** The mark of this process on a data folder. */
export class ServiceMark {
  readonly #file: string;
  #record: ServiceRecord;

  /** @throws {EngineError} `CLI-011` (`invalid`) if a service runs on this folder. */
  constructor(folder: string, about: Pick<ServiceRecord, 'startMs' | 'version'>) {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const other = findService(folder);
    if (other !== undefined) throw runsAlreadyError(folder, other.record);
    const { pid } = process;
    const processStart = startOf(pid) ?? '';
    this.#record = { ...about, pid, processStart, address: undefined, state: 'starting' };
    const { file, number } = take(folder, this.#record);
    this.#file = file;
    // Somebody else may have started at the same moment.
    const first = findService(folder);
    if (first !== undefined && first.number < number) {
      this.remove();
      throw runsAlreadyError(folder, first.record);
    }
    for (const one of files(folder)) if (one.number < number) fs.rmSync(one.file, { force: true });
  }

  change(to: Partial<Pick<ServiceRecord, 'address' | 'state'>>): void {
    this.#record = { ...this.#record, ...to };
    const draft = `${this.#file}.new`;
    fs.writeFileSync(draft, JSON.stringify(this.#record), { mode: 0o600 });
    fs.renameSync(draft, this.#file);
  }

  remove(): void {
    fs.rmSync(this.#file, { force: true });
  }
}

function take(folder: string, record: ServiceRecord): { file: string; number: number } {
  const draft = path.join(folder, `service.${process.pid}.new`);
  fs.writeFileSync(draft, JSON.stringify(record), { mode: 0o600 });
  try {
    for (let number = 1 + (files(folder).at(-1)?.number ?? 0); ; number += 1) {
      const file = path.join(folder, `service-${number}.json`);
      try {
        fs.linkSync(draft, file);
        return { file, number };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function runsAlreadyError(folder: string, { pid }: ServiceRecord): EngineError {
  return new EngineError('CLI-011', 'invalid', 'a service is running on this data folder', {
    details: { folder, pid },
    hint: 'Use the one that runs, stop it with tidemark service stop, or give another folder with --data.',
  });
}
