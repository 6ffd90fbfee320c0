/**
 * Makes one subtask behave as several: a value that was emitted cannot be changed any more, and the
 * next operator gets another object with the same content, as if it had come over a channel.
 */
import { ByteReader, ByteWriter } from '../serde/bytes.ts';
import { readAny, writeAny } from '../serde/msgpack.ts';
import { cannotTravel } from './errors.ts';

export function checkedValue(value: unknown): unknown {
  const to = new ByteWriter();
  try {
    writeAny(value, to);
  } catch (error) {
    throw cannotTravel(error instanceof Error ? error.message : 'it is no plain data');
  }
  deepFreeze(value);
  return readAny(new ByteReader(to.finish()));
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  // An array buffer's view cannot be frozen.
  if (ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
}
