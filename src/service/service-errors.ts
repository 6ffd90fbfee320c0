import { EngineError } from '../common/errors.ts';

export function notRunningError(folder: string): EngineError {
  return new EngineError('CLI-012', 'invalid', 'no service is running on this data folder', {
    details: { folder },
    hint: 'Start one with tidemark service start, or give its data folder with --data or TIDEMARK_HOME.',
  });
}

export function notStartedError(folder: string, said: string): EngineError {
  return new EngineError('CLI-013', 'unavailable', 'the service did not start', {
    details: { folder, said },
    hint: 'Read logs/jobmanager.log and logs/jobmanager.out in its data folder.',
  });
}

export function notStoppedError(folder: string, pid: number, waitedMs: number): EngineError {
  return new EngineError('CLI-014', 'unavailable', 'the service has not ended in time', {
    details: { folder, pid, waitedMs },
    hint: 'Wait a little and look with tidemark service status; kill -9 does no harm: its jobs come back at the next start.',
  });
}
