/** Upgrades over HTTP: for the user alone who runs the service, since they bring code of this machine. */
import type { FastifyRequest } from 'fastify';
import type { UpgradeView } from '../cluster/dispatcher/cluster.ts';
import { errorText } from '../common/error-text.ts';
import { EngineError } from '../common/errors.ts';
import { isOwner, withSent } from './owner-routes.ts';
import { Body, idOf, jobOf, type Parameters } from './parameters.ts';
import { badRequestError, notFoundError, tokenError } from './rest-error.ts';
import type { RouteContext } from './route-context.ts';

const WITHIN_MS_MAX = 24 * 3_600_000;

export function addUpgradeOperations({ app, cluster }: RouteContext, token: string): void {
  const requireOwner = ({ headers }: FastifyRequest): void => {
    if (!isOwner(headers.authorization, token)) throw tokenError();
  };
  app.post('/tidemark/upgrades', async (request, reply) => {
    requireOwner(request);
    const body = new Body(request.body);
    const [upgradeId, module, folder] = [
      body.id('upgradeId'),
      body.text('module'),
      body.text('folder'),
    ];
    if (upgradeId === undefined || module === undefined || folder === undefined) {
      throw badRequestError('"upgradeId", "module" and "folder" must be there');
    }
    const known = cluster.upgrades.find(upgradeId);
    if (known !== undefined) return reply.code(202).send(bodyOf(known));
    const job = jobOf(cluster, { jobid: body.text('jobId') });
    const view = cluster.upgrades.start({
      upgradeId,
      jobId: job.jobId,
      submission: {
        module,
        folder,
        arguments: body.texts('arguments') ?? [],
        flink: withSent(cluster.config, body.record('flink')),
        from: { kind: 'resume' },
        allowNonRestoredState: body.flag('allowNonRestoredState') ?? false,
      },
      savepoint: {
        directory: body.text('targetDirectory'),
        drain: body.flag('drain') ?? false,
        notes: notesOf(body),
      },
      withinMs: withinOf(body),
      dryRun: body.flag('dryRun') ?? false,
    });
    return reply.code(202).send(bodyOf(view));
  });
  app.get('/tidemark/upgrades/:upgradeid', async (request) => {
    requireOwner(request);
    const id = idOf('upgradeid', request.params as Parameters);
    const view = cluster.upgrades.find(id);
    if (view === undefined) throw notFoundError(`There is no upgrade ${id}.`);
    return bodyOf(view);
  });
}

function notesOf(body: Body) {
  const [label, who, why] = [body.text('label'), body.text('who'), body.text('why')];
  return { ...(label && { label }), ...(who && { who }), ...(why && { why }) };
}

function withinOf(body: Body): number {
  const ms = body.number('withinMs');
  if (ms === undefined || !(ms >= 1 && ms <= WITHIN_MS_MAX)) {
    throw badRequestError(`"withinMs" must be from 1 to ${WITHIN_MS_MAX}`);
  }
  return ms;
}

function bodyOf({ error, state, ...view }: UpgradeView): object {
  return {
    ...view,
    ...(state === undefined ? {} : { state }),
    ...(error === undefined ? {} : { error: errorOf(error) }),
  };
}

function errorOf(error: unknown): object {
  const known = error instanceof EngineError ? { code: error.code, kind: error.kind } : {};
  return { ...known, message: errorText(error).split('\n    at ')[0] };
}
