/** The Avro codec, loaded when a source or a sink that needs it opens. */
import { assert } from '../../../common/assert.ts';

export type AvroLibrary = typeof import('avsc');

let loaded: AvroLibrary | undefined;

export async function loadAvro(): Promise<AvroLibrary> {
  loaded ??= (await import('avsc')).default;
  return loaded;
}

/** For code that only runs after `loadAvro`. */
export function avroLibrary(): AvroLibrary {
  assert(loaded !== undefined, 'the Avro library is used before it is loaded');
  return loaded;
}
