/**
 * What only the user may ask who runs the service: jobs from files of this machine, with all their settings.
 * That user is known by a token that stands in a file which nobody else can read.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { StartFrom } from '../cluster/start-from.ts';
import { SETTING_NAMES, type FlinkSettings } from '../settings/flink-settings.ts';
import { Body, jobOf, type Parameters } from './parameters.ts';
import { badRequestError, tokenError } from './rest-error.ts';
import type { RouteContext } from './route-context.ts';

/** Whether a request carries the owner's token. The same time for every wrong one. */
export function isOwner(authorization: string | undefined, token: string): boolean {
  const got = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(got), digest(token));
}

export function addOwnerRoutes({ app, cluster }: RouteContext, token: string): void {
  app.get('/tidemark/jobs/:jobid/submission', async (request) => {
    if (!isOwner(request.headers.authorization, token)) throw tokenError();
    const { jobName, storageUrl, submission } = jobOf(cluster, request.params as Parameters);
    return { jobName, storageUrl, ...submission };
  });
  app.post('/tidemark/jobs', async (request, reply) => {
    if (!isOwner(request.headers.authorization, token)) throw tokenError();
    const body = new Body(request.body);
    const module = body.text('module');
    const folder = body.text('folder');
    if (module === undefined || folder === undefined) {
      throw badRequestError('"module" and "folder" must be there');
    }
    const { jobId, jobName, startMessages } = await cluster.submit({
      module,
      folder,
      arguments: body.texts('arguments') ?? [],
      flink: withSent(cluster.config, body.record('flink')),
      from: startFrom(body),
      name: body.text('name'),
      allowNonRestoredState: body.flag('allowNonRestoredState') ?? false,
    });
    return reply.code(202).send({ jobId, jobName, startMessages });
  });
}

function startFrom(body: Body): StartFrom {
  if (body.flag('fresh') === true) return { kind: 'fresh' };
  const of = body.text('forkOf');
  if (of !== undefined) return { kind: 'fork', of };
  const path = body.text('savepointPath');
  if (path === undefined) return { kind: 'resume' };
  const claimMode = body.word('claimMode', ['CLAIM', 'NO_CLAIM']);
  return { kind: 'snapshot', path, ...(claimMode && { claimMode }) };
}

/**
 * The settings that a command has read, as they came: its user and the service's are the same. What guards
 * the service is not the job's.
 */
export function withSent(
  config: FlinkSettings,
  sent: Readonly<Record<string, unknown>>,
): FlinkSettings {
  const origins = (sent['origins'] ?? {}) as FlinkSettings['origins'];
  // JSON leaves out what is undefined; that it was sent is known by its origin.
  const names = SETTING_NAMES.filter((name) => name in origins);
  return {
    ...config,
    ...(Object.fromEntries(names.map((name) => [name, sent[name]])) as Partial<FlinkSettings>),
    restToken: undefined,
    restSslKeystorePassword: undefined,
    origins: { ...config.origins, ...origins },
    warnings: (sent['warnings'] ?? []) as readonly string[],
  };
}
