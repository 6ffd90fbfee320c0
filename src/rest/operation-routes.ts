import type { TriggerOutcome } from '../checkpoint/coordinator-types.ts';
import type { JobView } from '../cluster/dispatcher/cluster.ts';
import type { OperationResult } from './async-operations.ts';
import { failureCause } from './java-throwable.ts';
import { hasEnded } from './job-body.ts';
import { idOf, jobOf, type Body, type Parameters } from './parameters.ts';
import { badRequestError, conflictError, notFoundError, RestError } from './rest-error.ts';
import type { RouteContext } from './route-context.ts';

const FORMATS = ['CANONICAL', 'NATIVE'] as const;

/** What changes something: cancel, savepoint, stop, checkpoint, disposal; and what became of it. */
export function addOperationRoutes(context: RouteContext): void {
  const { get, send, cluster, operations } = context;
  addCancelRoutes(context);
  send('POST', '/jobs/:jobid/savepoints', 202, ({ params, body }) => {
    const job = jobOf(cluster, params);
    const format = body.word('formatType', FORMATS);
    const directory = body.text('target-directory') ?? job.config.savepointDirectory;
    const request = { directory, notes: notesOf(format, body) };
    const take = body.flag('cancel-job')
      ? () => job.cancelWithSavepoint(request)
      : () => job.savepoint(request);
    return started(operations.start(scopeOf(job), body.id('triggerId'), located(take)));
  });
  send('POST', '/jobs/:jobid/stop', 202, ({ params, body }) => {
    const job = jobOf(cluster, params);
    const format = body.word('formatType', FORMATS);
    const directory = body.text('targetDirectory') ?? job.config.savepointDirectory;
    const drain = body.flag('drain') ?? false;
    const take = () => job.stop({ directory, drain, notes: notesOf(format, body) });
    return started(operations.start(scopeOf(job), body.id('triggerId'), located(take)));
  });
  get('/jobs/:jobid/savepoints/:triggerid', (params) =>
    statusOf(`savepoint/${idOf('jobid', params)}`, params),
  );
  send('POST', '/jobs/:jobid/checkpoints', 202, ({ params, body }) => {
    const job = jobOf(cluster, params);
    const type = body.word('checkpointType', ['CONFIGURED', 'FULL', 'INCREMENTAL']);
    const take = async () => {
      const outcome = completed(await job.checkpoint({ full: type === 'FULL' }));
      return { checkpointId: outcome.checkpointId };
    };
    return started(operations.start(`checkpoint/${job.jobId}`, body.id('triggerId'), take));
  });
  get('/jobs/:jobid/checkpoints/:triggerid', (params) =>
    statusOf(`checkpoint/${idOf('jobid', params)}`, params),
  );
  send('POST', '/savepoint-disposal', 200, ({ body }) => {
    const path = body.text('savepoint-path');
    if (path === undefined || path === '')
      throw badRequestError('"savepoint-path" must name the savepoint');
    const dispose = async () => {
      await cluster.disposeSavepoint(path);
      return {};
    };
    return started(operations.start('disposal', undefined, dispose));
  });
  get('/savepoint-disposal/:triggerid', (params) => statusOf('disposal', params));

  function statusOf(scope: string, params: Parameters): object {
    const id = idOf('triggerid', params);
    const found = operations.find(scope, id);
    if (found === undefined)
      throw notFoundError(`There is no savepoint operation with triggerId=${id}.`);
    return resultBody(found);
  }
}

function addCancelRoutes({ send, cluster }: RouteContext): void {
  const cancel = (job: JobView): object => {
    if (hasEnded(job) && job.status !== 'CANCELED')
      throw conflictError(
        `Job cancellation failed because the job has already reached another terminal state (${job.status}).`,
      );
    job.cancel();
    return {};
  };
  send('PATCH', '/jobs/:jobid', 202, ({ params, query }) => {
    const { mode = 'cancel' } = query;
    const job = jobOf(cluster, params);
    if (mode === 'cancel') return cancel(job);
    if (mode !== 'stop') throw badRequestError(`the mode "${mode}" is not known; use "cancel"`);
    throw new RestError(
      'RST-008',
      308,
      'invalid',
      'The termination mode "stop" has been removed.',
      {
        hint: 'Send POST /jobs/:jobid/stop to stop with a savepoint, or ?mode=cancel.',
      },
    );
  });
}

function scopeOf({ jobId }: JobView): string {
  return `savepoint/${jobId}`;
}

function started(id: string): object {
  return { 'request-id': id };
}

/** A savepoint here is one format, whichever of Flink's two is asked for. */
function notesOf(_format: (typeof FORMATS)[number] | undefined, body: Body) {
  const [label, who, why] = [body.text('label'), body.text('who'), body.text('why')];
  const pin = body.flag('pin');
  return {
    ...(label === undefined ? {} : { label }),
    ...(who === undefined ? {} : { who }),
    ...(why === undefined ? {} : { why }),
    ...(pin === undefined ? {} : { pin }),
  };
}

function located(take: () => Promise<TriggerOutcome>): () => Promise<object> {
  return async () => ({ location: completed(await take()).url });
}

type Completed = Extract<TriggerOutcome, { kind: 'completed' }>;

function completed(outcome: TriggerOutcome): Completed {
  if (outcome.kind === 'completed') return outcome;
  throw new RestError('RST-009', 500, 'unavailable', 'the snapshot failed', {
    details: { reason: outcome.reason, message: outcome.message },
    hint: 'Look at the message and at GET /jobs/:jobid/checkpoints, and ask for it again.',
  });
}

function resultBody(result: OperationResult): object {
  switch (result.kind) {
    case 'running':
      return { status: { id: 'IN_PROGRESS' }, operation: null };
    case 'done':
      return { status: { id: 'COMPLETED' }, operation: result.operation };
    case 'failed':
      return {
        status: { id: 'COMPLETED' },
        operation: { 'failure-cause': failureCause(result.error) },
      };
  }
}
