import { EngineError } from './errors.ts';

export function frameTooLarge(sizeBytes: number, maxBytes: number): EngineError {
  return new EngineError('COM-002', 'invalid', 'a message to another process is too large', {
    details: { sizeBytes, maxBytes },
    hint: 'Make the state of sources and of coordinators smaller: they travel as one message.',
  });
}

export function cannotConnect(address: string, error: string, cause?: unknown): EngineError {
  return new EngineError('COM-003', 'unavailable', 'a process of the job cannot be reached', {
    details: { address, error },
    hint: 'Look whether that process has ended, and why; the job restarts without it.',
    ...(cause === undefined ? {} : { cause }),
  });
}

export function wrongPeer(address: string): EngineError {
  return new EngineError('COM-004', 'unavailable', 'who answered is no process of this job', {
    details: { address },
    hint: 'Look for what else listens at this address; the job tries again with the address that is known then.',
  });
}

export function peerGone(address: string, cause?: Error): EngineError {
  return new EngineError('COM-005', 'unavailable', 'the process at the other side is gone', {
    details: { address },
    hint: 'Look into the log of that process, or of the operating system if it was killed.',
    ...(cause === undefined ? {} : { cause }),
  });
}

export function badFrame(address: string, sizeBytes: number): EngineError {
  return new EngineError('COM-006', 'unavailable', 'a connection brought bytes that are no frame', {
    details: { address, sizeBytes },
    hint: 'Run all processes of the job with the same version of Tidemark; report it if they are.',
  });
}

export function peerTakesNothing(address: string, queuedBytes: number): EngineError {
  return new EngineError('COM-007', 'unavailable', 'a process takes nothing that is sent to it', {
    details: { address, queuedBytes },
    hint: 'Look whether that process is stopped or out of memory; the connection to it is given up.',
  });
}

export function cannotListen(address: string, cause: Error): EngineError {
  return new EngineError('COM-008', 'unavailable', 'no port could be opened on this machine', {
    details: { address },
    hint: 'Look at the cause: free ports and file descriptors of this machine, and its rules for 127.0.0.1.',
    cause,
  });
}
