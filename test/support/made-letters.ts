/** Dead letters that no job has written. */
import type { DeadLetter } from '../../src/contracts/dead-letter.ts';

export function madeLetter(n: number, more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    version: 1,
    id: `cafe-0123456789ab-1-0-2-0-parse-${n}`,
    job: 'made',
    operator: 'parse',
    subtask: 0,
    attempt: 0,
    failedAt: new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString(),
    errorName: 'TypeError',
    errorCode: n % 3 === 0 ? 'E3' : null,
    errorMessage: `no number: ${n}`,
    errorStack: null,
    eventTime: n % 2 === 0 ? null : new Date(Date.UTC(2025, 0, 1) + n).toISOString(),
    key: null,
    source: 'rows',
    position: JSON.stringify({ topic: 'in', partition: 0, offset: String(n) }),
    record: JSON.stringify({ n }),
    recordExact: true,
    ...more,
  };
}
