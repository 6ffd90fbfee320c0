import { EngineError } from '../common/errors.ts';

export function elementWithoutTimestamp(uid: string): EngineError {
  return new EngineError('OPR-101', 'invalid', 'an element has no timestamp', {
    details: { operator: uid },
    hint: `Give the source watermarks with a timestamp, or call assignTimestampsAndWatermarks before '${uid}', or use windows by processing time.`,
  });
}

export function badTriggerResult(uid: string, returned: unknown): EngineError {
  return new EngineError('OPR-102', 'user-code', 'a trigger returned no result', {
    details: { operator: uid, returned: String(returned) },
    hint: `Return 'continue', 'fire', 'purge' or 'fire-and-purge' from each method of the trigger of '${uid}'.`,
  });
}

export function badTriggerTime(uid: string, timestampMs: number): EngineError {
  return new EngineError('OPR-103', 'user-code', 'a trigger set a timer for no time', {
    details: { operator: uid, timestampMs },
    hint: 'Give milliseconds since 1970 as a number; look for elements without a timestamp.',
  });
}
