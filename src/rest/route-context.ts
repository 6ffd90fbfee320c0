import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Cluster } from '../cluster/dispatcher/cluster.ts';
import type { AsyncOperations } from './async-operations.ts';
import { Body, type Parameters } from './parameters.ts';

export interface Sent {
  readonly params: Parameters;
  readonly query: Parameters;
  readonly body: Body;
}

/** What a file of routes needs: how to add one, and what it answers from. */
export interface RouteContext {
  readonly cluster: Cluster;
  readonly operations: AsyncOperations;
  readonly nowMs: () => number;
  readonly app: FastifyInstance;
  readonly get: (path: string, answer: (params: Parameters, query: Parameters) => unknown) => void;
  readonly send: (
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    status: number,
    answer: (sent: Sent) => object | Promise<object>,
  ) => void;
}

/** Adds routes to `app`, which stands below `/` or below `/v1`. */
export function routeContext(
  app: FastifyInstance,
  parts: Pick<RouteContext, 'cluster' | 'operations' | 'nowMs'>,
): RouteContext {
  return {
    ...parts,
    app,
    get(path, answer) {
      app.get(path, async (request: FastifyRequest) => answer(paramsOf(request), queryOf(request)));
    },
    send(method, path, status, answer) {
      app.route({
        method,
        url: path,
        handler: async (request: FastifyRequest, reply: FastifyReply) => {
          const [params, query, body] = [paramsOf(request), queryOf(request), request.body];
          const said = await answer({ params, query, body: new Body(body) });
          return reply.code(status).send(said);
        },
      });
    },
  };
}

function paramsOf({ params }: FastifyRequest): Parameters {
  return params as Parameters;
}

/** Of a name that comes several times the last counts. */
export function queryOf({ query }: FastifyRequest): Parameters {
  const found = query as Readonly<Record<string, string | readonly string[] | undefined>>;
  return Object.fromEntries(
    Object.entries(found).map(([name, value]) => [
      name,
      typeof value === 'object' ? value.at(-1) : value,
    ]),
  );
}
