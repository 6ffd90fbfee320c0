import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { receiveError, type TransferredError } from '../common/error-transfer.ts';
import { notStartedError } from './service-errors.ts';
import { logFolder } from './service-log.ts';

/** What the process of a service tells the one that started it, once. */
export type ServiceNews =
  | {
      readonly kind: 'running';
      readonly pid: number;
      readonly address: string | undefined;
      readonly role: 'leading' | 'standby';
    }
  | { readonly kind: 'refused'; readonly error: TransferredError };

/** What is quoted of a process that ended while it started. */
const QUOTED_MAX = 2_000;

/**
 * Starts the service as a process that outlives this one, and waits until it runs.
 *
 * @param entry The program; it is told the data folder.
 * @throws {EngineError} what it was refused for; `CLI-013` (`unavailable`) if it ended without a word.
 */
export async function startInBackground(
  entry: URL,
  folder: string,
): Promise<Extract<ServiceNews, { kind: 'running' }>> {
  const logs = logFolder(folder);
  fs.mkdirSync(logs, { recursive: true, mode: 0o700 });
  // Beside its log, what Node itself prints; anew with each start.
  const printed = path.join(logs, 'jobmanager.out');
  const output = fs.openSync(printed, 'w', 0o600);
  const options = process.execArgv.filter((option) => !option.startsWith('--inspect'));
  const child = spawn(process.execPath, [...options, fileURLToPath(entry), folder], {
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  });
  fs.closeSync(output);
  const news = await newsOf(child);
  if (child.connected) child.disconnect();
  child.unref();
  if (news?.kind === 'running') return news;
  if (news?.kind === 'refused') throw receiveError(news.error);
  throw notStartedError(folder, fs.readFileSync(printed, 'utf8').trim().slice(-QUOTED_MAX));
}

/** Undefined if it ends without a word. */
function newsOf(child: ChildProcess): Promise<ServiceNews | undefined> {
  return new Promise((resolve) => {
    child.once('message', (news) => {
      resolve(news as ServiceNews);
    });
    child.once('exit', () => {
      resolve(undefined);
    });
    child.once('error', () => {
      resolve(undefined);
    });
  });
}
