import { EngineError } from '../../../common/errors.ts';

export function replaysGone(topic: string, partition: number, first: number): EngineError {
  return new EngineError('DLQ-010', 'invalid', 'replays of before are not known any more', {
    details: { topic, partition, first },
    hint: 'Set retention.ms and retention.bytes of the topic to -1, and see the page of this error for how to go on.',
  });
}

export function anotherReplay(topic: string, cause: unknown): EngineError {
  return new EngineError('DLQ-011', 'unavailable', 'other replays of these letters are under way', {
    details: { topic },
    hint: 'Run the command again when the others are done; nothing is replayed twice.',
    cause,
  });
}
