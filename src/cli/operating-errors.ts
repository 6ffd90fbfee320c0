import { EngineError } from '../common/errors.ts';

/** @param job Undefined: whatever was meant. */
export function noServiceForUpgrades(job: string | undefined): EngineError {
  return new EngineError('CLI-040', 'unavailable', 'no service here runs the job', {
    details: { ...(job === undefined ? {} : { job }) },
    hint: 'Start the service; or, for a job of tidemark run: check with tidemark upgrade check, end its process with kill -9, and start the new code by the same command, which resumes.',
  });
}

export function lostUpgrade(upgradeId: string): EngineError {
  return new EngineError('CLI-041', 'unavailable', 'the service does not know the upgrade', {
    details: { upgrade: upgradeId },
    hint: 'It was started again before the job was touched, or the upgrade is long over: look with tidemark list, and ask again.',
  });
}

export function badDuration(option: string, value: string): EngineError {
  return new EngineError('CLI-042', 'invalid', 'this is no duration', {
    details: { option, value },
    hint: 'Write it as in --within 60s or --within 5min.',
  });
}
