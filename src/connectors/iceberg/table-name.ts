import type { TableName } from './catalog.ts';
import { badIcebergOption } from './errors.ts';

/** @throws {EngineError} `ICE-001` (`invalid`). */
export function tableName(text: string): TableName {
  const parts = text.split('.');
  const name = parts.at(-1);
  const isGood = parts.every((part) => /^[^\s/\\:*?"<>|.]+$/.test(part)) && parts.length >= 2;
  if (name === undefined || !isGood) throw badIcebergOption('table', text, '"health.vitals"');
  return { namespace: parts.slice(0, -1), name };
}
