import fs from 'node:fs';

/** Removes a folder into which processes of a job that was killed may write for a moment longer. */
export function removeFolder(folder: string): void {
  fs.rmSync(folder, { recursive: true, maxRetries: 50, retryDelay: 100 });
}
