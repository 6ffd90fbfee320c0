import { EngineError } from '../common/errors.ts';

export function badAddress(address: string): EngineError {
  return new EngineError('CLI-020', 'invalid', 'this is no address of a service', {
    details: { address },
    hint: 'Give host:port, such as -m localhost:8081.',
  });
}

export function noService(address: string, cause: unknown): EngineError {
  return new EngineError('CLI-021', 'unavailable', 'no service answers', {
    details: { address },
    hint: 'Start the service, or give its address with -m host:port.',
    cause,
  });
}

export function noSuchJob(job: string, known: readonly string[]): EngineError {
  return new EngineError('CLI-022', 'invalid', 'there is no such job', {
    details: { job, known: known.length === 0 ? 'none' : known.join(', ') },
    hint: 'Give its id, the beginning of its id, or its name; tidemark list -a shows all.',
  });
}

export function ambiguousJob(job: string, found: readonly string[]): EngineError {
  return new EngineError('CLI-023', 'invalid', 'several jobs are meant by this', {
    details: { job, found: found.join(', ') },
    hint: 'Give more of the id of the one that you mean.',
  });
}

export function operationFailed(what: string, why: string): EngineError {
  return new EngineError('CLI-024', 'unavailable', `${what} failed`, {
    details: { why },
    hint: 'Do what the reason says; the job goes on as before.',
  });
}

export function requestRefused(request: string, status: number, why: string): EngineError {
  const kind = status >= 500 ? 'unavailable' : 'invalid';
  return new EngineError('CLI-025', kind, 'the service refused the request', {
    details: { request, status, why },
    hint: 'Do what the reason says; the log of the service has more.',
  });
}

export function noSuchSnapshot(snapshot: string, lookedIn: string): EngineError {
  return new EngineError('CLI-026', 'invalid', 'there is no such checkpoint or savepoint', {
    details: { snapshot, lookedIn },
    hint: 'Give the folder that holds _metadata, the name or id of a job with a checkpoint, or latest.',
  });
}

export function missingArgument(what: string, example: string): EngineError {
  return new EngineError('CLI-027', 'invalid', `${what} is missing`, {
    hint: `Write it as in ${example}.`,
  });
}

export function noSuchState(state: string, known: readonly string[]): EngineError {
  return new EngineError('CLI-028', 'invalid', 'the snapshot has no such state', {
    details: { state, known: known.join(', ') },
    hint: 'Name it as uid/state; tidemark inspect without --state lists all.',
  });
}

export function noServiceForJobs(): EngineError {
  return new EngineError('CLI-029', 'unavailable', 'no service runs here that could take the job', {
    hint: 'Start one with tidemark service start, or run the job in this process, without -d.',
  });
}

export function noSuchLetter(id: string, found: number, place: string): EngineError {
  const what =
    found === 0 ? 'there is no such dead letter' : 'several dead letters are meant by this';
  return new EngineError('CLI-080', 'invalid', what, {
    details: { id, found, place },
    hint: 'Give an id, or the end of one that fits only one, as tidemark dlq list --ids shows them.',
  });
}

/** @param from What a way back would have to read. */
export function noWayBack(operator: string, job: string, from: string): EngineError {
  return new EngineError('CLI-081', 'invalid', 'the job has no way back for these dead letters', {
    details: { operator, job, from },
    hint: `Unite a source of letters that are replayed, with operator: '${operator}' and this place, with the input of '${operator}', or leave the operator out with --operator.`,
  });
}

export function badTime(option: string, text: string): EngineError {
  return new EngineError('CLI-082', 'invalid', `${option} is no time`, {
    details: { [option]: text },
    hint: 'Write it as 2026-01-31T12:00:00Z, or as how long ago: 90m, 2h, 7d.',
  });
}

export function badLetterPlace(place: string): EngineError {
  return new EngineError('CLI-050', 'invalid', 'this is no place of dead letters', {
    details: { place },
    hint: 'Give a folder, kafka://host:port/topic, or a table with --warehouse or --uri.',
  });
}

export function unreadableProperties(path: string, cause: unknown): EngineError {
  return new EngineError('CLI-051', 'invalid', 'the file of properties cannot be read', {
    details: { path },
    hint: 'Give with --command-config a file of lines such as security.protocol=SASL_SSL.',
    cause,
  });
}

export function noSuchJobOrFile(given: string, known: string): EngineError {
  return new EngineError(
    'CLI-052',
    'invalid',
    'this is neither a job file nor a job of the service',
    {
      details: { given, known },
      hint: "Give the path of the job's module with its settings, or the id, its beginning, or the name of a job that tidemark list -a shows.",
    },
  );
}
