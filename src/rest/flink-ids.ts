/**
 * Flink's clients take an id of a vertex or an operator only if it is 32 hex digits. Ours are the
 * uids of operators, which people choose; their hash is as stable as they are.
 */
import { createHash } from 'node:crypto';

export function flinkId(uid: string): string {
  return createHash('sha256').update(uid).digest('hex').slice(0, 32);
}

export function isFlinkId(text: string): boolean {
  return /^[0-9a-f]{32}$/i.test(text);
}
