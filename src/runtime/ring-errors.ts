import { EngineError } from '../common/errors.ts';

export function recordTooLarge(sizeBytes: number, maxBytes: number): EngineError {
  return new EngineError('RUN-101', 'user-code', 'a record is too large for a channel', {
    details: { sizeBytes, maxBytes },
    hint: 'Split the record before the exchange, or emit a reference to where its content is stored.',
  });
}

export function channelOverflow(records: number): EngineError {
  return new EngineError(
    'RUN-102',
    'user-code',
    'one call of a function emitted more records than a full channel can hold back',
    {
      details: { records },
      hint: 'Emit fewer records per call: split the input record, or spread the output over several timers.',
    },
  );
}

export function unreadableChannel(channel: number, what: string, cause?: unknown): EngineError {
  return new EngineError(
    'RUN-103',
    'unavailable',
    'a channel brought a frame that cannot be read',
    {
      details: { channel, what },
      hint: 'Run all processes of the job from one installation of Tidemark; report it if they are.',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
