import path from 'node:path';
import type { Clock } from '../common/clock.ts';
import { errorText } from '../common/error-text.ts';
import type { DispatcherEntry } from '../cluster/dispatcher/dispatcher.ts';
import { RotatedLog } from './rotated-log.ts';

export function logFolder(folder: string): string {
  return path.join(folder, 'logs');
}

/** What a service does: a JSON object a line. */
export class ServiceLog {
  readonly #clock: Clock;
  readonly #file: RotatedLog;
  readonly #echo: ((line: string) => void) | undefined;

  /** @param folder Data folder. @param echo Gets each line, too. */
  constructor(clock: Clock, folder: string, echo: ((line: string) => void) | undefined) {
    this.#clock = clock;
    this.#file = new RotatedLog(path.join(logFolder(folder), 'jobmanager.log'));
    this.#echo = echo;
  }

  write(entry: object): void {
    const line = JSON.stringify({ at: new Date(this.#clock.wallMs()).toISOString(), ...entry });
    this.#file.write(`${line}\n`);
    this.#echo?.(line);
  }

  problem(what: string, error: unknown): void {
    this.write({ kind: 'problem', what, error: errorText(error) });
  }

  dispatched({ submissionId, event }: DispatcherEntry): void {
    switch (event.kind) {
      case 'failure':
      case 'problem':
        this.write({ submissionId, ...event, error: errorText(event.error) });
        return;
      case 'ended': {
        const { result } = event;
        const error = result.error === undefined ? undefined : errorText(result.error);
        this.write({ submissionId, ...result, kind: 'ended', error });
        return;
      }
      default:
        this.write({ submissionId, ...event });
    }
  }
}
