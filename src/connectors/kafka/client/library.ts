/**
 * The protocol library, which takes a third of a second to load: not when a job imports `tidemark/kafka`, but when
 * something first connects to a broker. So whoever has a connection, or bytes that came through one, has the
 * library as well.
 *
 * Always holds: nothing else imports the library, save its types (`.dependency-cruiser.cjs`).
 */
import { assert } from '../../../common/assert.ts';

export type Library = typeof import('@platformatic/kafka');

let loaded: Library | undefined;

export async function loadLibrary(): Promise<Library> {
  loaded ??= await import('@platformatic/kafka');
  return loaded;
}

/** For code that only runs after something was connected to a broker. */
export function library(): Library {
  assert(loaded !== undefined, 'the Kafka library is used before anything was connected');
  return loaded;
}

/** Undefined: not loaded, so that no object of it can be about. */
export function libraryIfLoaded(): Library | undefined {
  return loaded;
}
