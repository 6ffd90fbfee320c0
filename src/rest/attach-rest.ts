/**
 * The service's answers over HTTP: Flink's paths, bodies and status codes, with and without `/v1`,
 * so that what talks to a Flink cluster talks to this one. Everything is read from the `Cluster` at
 * the time of the request; the only things kept here are the results of operations.
 */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import fastifyMultipart from '@fastify/multipart';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { assert } from '../common/assert.ts';
import { systemClock, type Clock } from '../common/clock.ts';
import { EngineError, type ErrorKind } from '../common/errors.ts';
import { systemRandom, type Random } from '../common/random.ts';
import type { Cluster } from '../cluster/dispatcher/cluster.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { AsyncOperations } from './async-operations.ts';
import { addClusterRoutes } from './cluster-routes.ts';
import { requireAllowed } from './guard.ts';
import { addJobRoutes } from './job-routes.ts';
import { isTls, listenInRange, makeServer, requireSafeAddress } from './listen.ts';
import { addOperationRoutes } from './operation-routes.ts';
import { addOwnerRoutes } from './owner-routes.ts';
import { badRequestError, notFoundError, RestError, tooLargeError } from './rest-error.ts';
import { routeContext } from './route-context.ts';
import { addUpgradeOperations } from './upgrade-operations.ts';
import { addUploadRoutes, Runs } from './upload-routes.ts';
import { UploadStore } from './upload-store.ts';
import { addVertexRoutes } from './vertex-routes.ts';

export interface AttachedRest {
  /** `http://127.0.0.1:8081` */
  readonly address: string;
  /** Ends all connections. Jobs go on. */
  close(): Promise<void>;
}

export interface AttachRestOptions {
  /** A token of the process itself, accepted beside that of the settings: for commands of its user. */
  readonly ownToken?: string;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A body of JSON; uploads have their own limit. */
const JSON_BYTES_MAX = 1024 * 1024;
/** A file name may be so long. */
const PARAMETER_LENGTH_MAX = 200;

/**
 * Serves `cluster` where the settings say.
 *
 * @throws {EngineError} `RST-010`, `RST-011` (`invalid`), `RST-012` (`unavailable`)
 */
export async function attachRest(
  cluster: Cluster,
  settings: FlinkSettings,
  { ownToken, clock = systemClock, random = systemRandom }: AttachRestOptions = {},
): Promise<AttachedRest> {
  requireSafeAddress(settings);
  let server: Server | undefined;
  let address = '';
  const uploads = new UploadStore(cluster.folder, random);
  const app = fastify({
    bodyLimit: JSON_BYTES_MAX,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    serverFactory: (handler) => (server = makeServer(settings, handler)),
    frameworkErrors: (_error, request, reply) => {
      void sendError(
        reply,
        badRequestError(`could not read the address ${request.url.slice(0, 200)}`),
      );
    },
  });
  addRules(app, settings, ownToken);
  await app.register(fastifyMultipart, {
    limits: {
      fileSize: settings.restMaxContentBytes,
      files: 2,
      fields: 10,
      fieldSize: JSON_BYTES_MAX,
    },
  });
  const shared = {
    cluster,
    operations: new AsyncOperations(random),
    nowMs: () => clock.wallMs(),
  };
  const uploading = {
    uploads,
    address: () => address,
    bodyBytesMax: settings.restMaxContentBytes,
    runs: new Runs(),
  };
  const canSubmit = settings.webSubmitEnabled;
  const about = { canSubmit, version: ownVersion(), host: settings.restAddress };
  for (const prefix of ['', '/v1']) {
    await app.register(
      async (part) => {
        const context = routeContext(part, shared);
        addClusterRoutes(context, about);
        addJobRoutes(context);
        addVertexRoutes(context);
        addOperationRoutes(context);
        if (canSubmit) addUploadRoutes(context, uploading);
        if (ownToken !== undefined) {
          addOwnerRoutes(context, ownToken);
          addUpgradeOperations(context, ownToken);
        }
      },
      { prefix },
    );
  }
  await app.ready();
  await uploads.clean();
  const listening = server;
  assert(listening !== undefined, 'a ready server is there');
  const port = await listenInRange(listening, settings);
  address = urlOf(settings, port);
  return { address, close: () => close(app, listening) };
}

function urlOf(settings: FlinkSettings, port: number): string {
  const { restAddress: name } = settings;
  const host = name.includes(':') ? `[${name}]` : name;
  return `${isTls(settings) ? 'https' : 'http'}://${host}:${port}`;
}

async function close(app: FastifyInstance, server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeAllConnections();
  await app.close();
  await closed;
}

/** What holds for every request. */
function addRules(
  app: FastifyInstance,
  settings: FlinkSettings,
  ownToken: string | undefined,
): void {
  const guard = {
    token: settings.restToken,
    ownToken,
    names: [settings.restAddress.toLowerCase()],
  };
  app.addHook('onRequest', async ({ headers, method }) => {
    const { authorization, host, origin } = headers;
    const isRead = method === 'GET' || method === 'HEAD';
    requireAllowed({ authorization, host, origin, isRead }, guard);
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    reply.header('cache-control', 'no-store');
    // As Flink spells it.
    if (String(reply.getHeader('content-type')).startsWith('application/json'))
      reply.header('content-type', 'application/json; charset=UTF-8');
  });
  app.removeAllContentTypeParsers();
  // Flink's handlers take what they get for JSON, whatever it is called.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    const text = body.toString().trim();
    try {
      done(null, text === '' ? {} : JSON.parse(text));
    } catch {
      done(badRequestError('the body is not JSON'));
    }
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]?.slice(0, 200) ?? '';
    return sendError(reply, notFoundError(unknownPath(request, path, settings)));
  });
  app.setErrorHandler((error, _request, reply) => sendError(reply, error));
}

function unknownPath({ method }: FastifyRequest, path: string, settings: FlinkSettings): string {
  if (!settings.webSubmitEnabled && /^(\/v1)?\/(jars(\/|$)|jobs$)/.test(path))
    return `Uploads are switched off: web.submit.enable is false, ${method} ${path}`;
  return method === 'GET'
    ? `Unable to load requested file ${path}.`
    : `Not found: ${method} ${path}`;
}

const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  'user-code': 400,
  unavailable: 503,
  fenced: 409,
  corrupt: 500,
};

/** Flink's shape of an error: a list of texts. Stacks stay here. */
function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  const known = knownError(error);
  // An address that cannot be read is answered before any hook.
  reply.type('application/json; charset=UTF-8');
  if (known === undefined) {
    const name = error instanceof Error ? error.name : 'Error';
    return reply.code(500).send({ errors: ['Internal server error.', name] });
  }
  const status = known instanceof RestError ? known.status : STATUS_OF_KIND[known.kind];
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(status).send({ errors: [known.message] });
}

/** The web framework's own errors have a status, and are about the request. */
function knownError(error: unknown): EngineError | undefined {
  if (error instanceof EngineError) return error;
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  if (error.statusCode === 413) return tooLargeError(JSON_BYTES_MAX);
  const { statusCode } = error;
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined;
  return badRequestError(error.message);
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { readonly version: string };
  return version;
}
