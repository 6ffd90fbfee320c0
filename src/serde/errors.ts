import { EngineError } from '../common/errors.ts';
import type { Misfit } from './misfit.ts';

/** Bytes that no serializer of ours has written, or not with this schema. */
export function corruptBytes(what: string, at: number): EngineError {
  return new EngineError('SER-001', 'corrupt', `bytes of a value are damaged: ${what}`, {
    details: { at },
    hint: 'Restore an older checkpoint or savepoint, and check the storage that held this one.',
  });
}

/** A value that the serializer for it cannot write. */
export function misfitError({ kind, path, expected, found }: Misfit): EngineError {
  const at = `value${path}`;
  switch (kind) {
    case 'type':
      return new EngineError('SER-002', 'invalid', 'value does not fit its schema', {
        details: { at, expected, found },
        hint: `Make ${at} ${expected}, or widen its schema.`,
      });
    case 'extra':
      return new EngineError('SER-003', 'invalid', 'value has a field that its schema lacks', {
        details: { at },
        hint: `Add ${JSON.stringify(found)} to the schema, remove it from the value, or keep unknown fields with z.looseObject.`,
      });
    case 'unserializable':
      return new EngineError('SER-004', 'invalid', 'value holds something that is no data', {
        details: { at, found },
        hint: `Store plain objects, arrays, Map, Set, Date, Uint8Array and primitives at ${at}, or give a serializer.`,
      });
  }
}

/** A schema, or a part of it at `path`, whose structure cannot be told. */
export function noStructure(path: string, what: string, cause?: unknown): EngineError {
  return new EngineError('SER-006', 'invalid', 'the structure of a schema cannot be told', {
    details: { at: `value${path}`, what },
    hint: 'Describe that part with types that have a structure (for a transform: .pipe(z.number())), or give a serializer instead of the schema.',
    ...(cause === undefined ? {} : { cause }),
  });
}
