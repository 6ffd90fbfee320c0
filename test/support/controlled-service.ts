/**
 * The service from dist/, asked over HTTP by tests: `node controlled-service.ts <data folder>`. Prints
 * `{"kind":"running","address":…}` when it runs.
 */
import http, { type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type * as mainModule from '../../src/cli/job-manager-main.ts';
import type { Cluster, JobView } from '../../src/cluster/dispatcher/cluster.ts';
import { dynamicProperties } from '../../src/settings/parse-settings.ts';
import { readSettings } from '../../src/settings/process-settings.ts';
import type { Attach } from '../../src/service/led-cluster.ts';

/** What a test submits. */
export interface AskedJob {
  /** URL of its module. */
  readonly module: string;
  readonly arguments: readonly string[];
  readonly folder: string;
  /** `key=value`. */
  readonly settings: readonly string[];
}

const main = new URL('../../dist/cli/job-manager-main.js', import.meta.url).href;
const { serve } = (await import(main)) as typeof mainModule;

const attach: Attach = async (cluster, { token }) => {
  const server = http.createServer((request, response) => {
    const reply = (status: number, body: unknown): void => {
      response.statusCode = status;
      response.end(JSON.stringify(body ?? null));
    };
    if (request.headers.authorization !== `Bearer ${token}`) {
      reply(401, 'no token');
      return;
    }
    answer(cluster, request).then(
      (body) => {
        reply(200, body);
      },
      (error: unknown) => {
        reply(400, error instanceof Error ? error.message : String(error));
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
};

async function answer(cluster: Cluster, request: IncomingMessage): Promise<unknown> {
  const [, what = '', id = ''] = (request.url ?? '').split('/');
  const job = cluster.jobs().find(({ jobId }) => jobId === id);
  switch (what) {
    case 'submit': {
      const asked = JSON.parse(await textOf(request)) as AskedJob;
      const { flink } = readSettings({
        env: {},
        cwd: asked.folder,
        dynamic: dynamicProperties(asked.settings),
      });
      const { module, arguments: args, folder } = asked;
      const from = { kind: 'resume' } as const;
      const rest = { flink, from, allowNonRestoredState: false, folder };
      return shown(await cluster.submit({ module, arguments: args, ...rest }));
    }
    case 'jobs':
      return cluster.jobs().map(shown);
    case 'task-managers':
      return cluster.taskManagers();
    case 'cancel':
      job?.cancel();
      return undefined;
    default:
      throw new TypeError(`nothing is at ${what}`);
  }
}

function shown(job: JobView): object {
  const { jobId, jobName, status, restarts, plan, endMs } = job;
  return {
    jobId,
    jobName,
    status,
    restarts,
    endMs,
    counts: job.counts(),
    failures: job.failures(),
    vertices: plan.vertices.map(({ id, name }) => ({ name, subtasks: job.subtasks(id) })),
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

await serve({
  folder: process.argv[2] ?? '',
  attach,
  onRunning: ({ address, role }) => {
    process.stdout.write(`${JSON.stringify({ kind: 'running', address, role })}\n`);
  },
});
process.exit(0);
