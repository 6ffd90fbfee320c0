import type { FastifyRequest } from 'fastify';
import type { JobView } from '../cluster/dispatcher/cluster.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { dynamicProperties, parseSettings } from '../settings/parse-settings.ts';
import { hasEnded } from './job-body.ts';
import { Body, type Parameters } from './parameters.ts';
import { badRequestError, tooLargeError, tooManyError } from './rest-error.ts';
import { queryOf, type RouteContext } from './route-context.ts';
import type { Upload, UploadStore } from './upload-store.ts';

/** Each start loads a job in processes of its own. */
const STARTS_MAX = 8;

export interface UploadRouteOptions {
  readonly uploads: UploadStore;
  readonly address: () => string;
  readonly bodyBytesMax: number;
  /** Shared by the routes with and without `/v1`. */
  readonly runs: Runs;
}

/** Which jobs run from which bundle, in this process. */
export class Runs {
  readonly #jobs = new Map<string, JobView[]>();
  #starting = 0;

  isRunning(id: string): boolean {
    return this.#of(id).length > 0;
  }

  async start(id: string, submit: () => Promise<JobView>): Promise<JobView> {
    if (this.#starting >= STARTS_MAX) throw tooManyError('jobs that are being started', STARTS_MAX);
    this.#starting += 1;
    try {
      const job = await submit();
      this.#jobs.set(id, [...this.#of(id), job]);
      return job;
    } finally {
      this.#starting -= 1;
    }
  }

  #of(id: string): JobView[] {
    const running = (this.#jobs.get(id) ?? []).filter((job) => !hasEnded(job));
    if (running.length === 0) this.#jobs.delete(id);
    return running;
  }
}

/** Upload of bundles and their runs, in the shape of Flink's jars. */
export function addUploadRoutes(context: RouteContext, options: UploadRouteOptions): void {
  const { get, send, app } = context;
  const { uploads, runs } = options;
  get('/jars', async () => ({
    address: options.address(),
    files: (await uploads.list()).map(fileEntry),
  }));
  app.post('/jars/upload', async (request) => {
    const { upload } = await receive(request, options);
    return { filename: upload.id, status: 'success' };
  });
  send('POST', '/jars/:jarid/run', 200, async ({ params, query, body }) => {
    const upload = await uploads.find(params['jarid'] ?? '');
    const job = await runUpload(context, options, upload, runRequest(body, query));
    return { jobid: job.jobId };
  });
  send('DELETE', '/jars/:jarid', 200, async ({ params: { jarid = '' } }) => {
    await uploads.remove(jarid, runs.isRunning(jarid));
    return {};
  });
  app.post('/jobs', async (request, reply) => {
    const { upload, fields } = await receive(request, options);
    const body = new Body(parseField(fields.get('request')));
    const job = await runUpload(context, options, upload, runRequest(body, queryOf(request)));
    return reply.code(202).send({ jobUrl: `/jobs/${job.jobId}` });
  });
}

function fileEntry({ id, name, uploadedMs }: Upload): object {
  return { id, name, uploaded: uploadedMs, entry: [{ name, description: null }] };
}

/** The one file of a multipart body, and its fields. */
async function receive(
  request: FastifyRequest,
  { uploads, bodyBytesMax }: UploadRouteOptions,
): Promise<{ readonly upload: Upload; readonly fields: ReadonlyMap<string, string> }> {
  if (!request.isMultipart()) throw badRequestError('send multipart/form-data with one module');
  const fields = new Map<string, string>();
  let upload: Upload | undefined;
  for await (const part of request.parts()) {
    if (part.type === 'field') {
      fields.set(part.fieldname, String(part.value));
    } else if (upload === undefined) {
      const { file } = part;
      upload = await uploads.save(part.filename, file, () => {
        if (file.truncated) throw tooLargeError(bodyBytesMax);
        return true;
      });
    } else {
      part.file.resume();
      throw badRequestError('send exactly one file: the bundled module of the job');
    }
  }
  if (upload === undefined) throw badRequestError('the body holds no file');
  return { upload, fields };
}

function parseField(text: string | undefined): unknown {
  if (text === undefined || text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw badRequestError('the field "request" is not JSON');
  }
}

interface RunRequest {
  readonly arguments: readonly string[];
  readonly savepointPath: string | undefined;
  readonly allowNonRestoredState: boolean;
  readonly flink: Readonly<Record<string, string>>;
}

/** The body wins over the query, as in Flink. */
function runRequest(body: Body, query: Parameters): RunRequest {
  const parallelism = body.number('parallelism') ?? query['parallelism'];
  const flink = body.textMap('flinkConfiguration') ?? {};
  const words = body.text('programArgs') ?? query['program-args'];
  const list = body.texts('programArgsList') ?? query['programArg']?.split(',');
  return {
    arguments: list ?? words?.split(/\s+/).filter((word) => word !== '') ?? [],
    savepointPath: body.text('savepointPath') ?? query['savepointPath'],
    allowNonRestoredState:
      body.flag('allowNonRestoredState') ?? query['allowNonRestoredState'] === 'true',
    flink:
      parallelism === undefined ? flink : { ...flink, 'parallelism.default': String(parallelism) },
  };
}

function runUpload(
  { cluster }: RouteContext,
  { uploads, runs }: UploadRouteOptions,
  upload: Upload,
  { flink, savepointPath, arguments: args, allowNonRestoredState }: RunRequest,
): Promise<JobView> {
  const submission = {
    module: uploads.moduleOf(upload),
    arguments: args,
    flink: withKeys(cluster.config, flink),
    from:
      savepointPath === undefined || savepointPath === ''
        ? ({ kind: 'resume' } as const)
        : ({ kind: 'snapshot', path: savepointPath } as const),
    allowNonRestoredState,
    folder: cluster.folder,
  };
  return runs.start(upload.id, () => cluster.submit(submission));
}

/**
 * The JobManager's settings with those of the request. What guards this service is not the job's.
 *
 * @throws {EngineError} `SET-001` (`invalid`)
 */
function withKeys(config: FlinkSettings, keys: Readonly<Record<string, string>>): FlinkSettings {
  const dynamic = dynamicProperties(Object.entries(keys).map(([key, text]) => `${key}=${text}`));
  const asked = parseSettings({ env: {}, dynamic });
  const said = Object.entries(asked.origins).filter(([, { kind }]) => kind === 'dynamic');
  const names = said.map(([name]) => name as keyof typeof asked.origins);
  return {
    ...config,
    ...(Object.fromEntries(names.map((name) => [name, asked[name]])) as Partial<FlinkSettings>),
    restToken: undefined,
    restSslKeystorePassword: undefined,
    origins: { ...config.origins, ...Object.fromEntries(said) },
    warnings: asked.warnings,
  };
}
