import { isRestored, type RestoreProgress } from '../common/restore-progress.ts';
import { bytesText } from './units.ts';

export { isRestored, type RestoreProgress };

/** `212 of 510 MB, verified 40 %` */
export function restoreText({ totalBytes, loadedBytes, verifiedBytes }: RestoreProgress): string {
  const total = bytesText(totalBytes);
  const loaded = bytesText(loadedBytes);
  const [, unit = ''] = total.split(' ');
  const same = loaded.endsWith(` ${unit}`) ? loaded.slice(0, -unit.length - 1) : loaded;
  const percent = Math.floor((verifiedBytes / Math.max(1, totalBytes)) * 100);
  return `${same} of ${total}, verified ${percent} %`;
}
