/**
 * A service that answers as Flink's was recorded to answer its own client, in the shape of its bodies; what it
 * is asked is kept, to be compared with what Flink's client asks.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string;
  /** Without `/v1`. */
  readonly path: string;
  readonly body: unknown;
  readonly authorization: string | undefined;
}

export interface RecordedJob {
  readonly jid: string;
  readonly name: string;
  readonly state: string;
}

/** What an operation answers when it is looked at. */
export type Outcome =
  | { readonly location: string }
  | { readonly checkpointId: number }
  | { readonly failure: string }
  | Record<string, never>;

export class RecordedService {
  readonly asked: Asked[] = [];
  readonly address: string;
  outcome: Outcome = {};
  /** How often an operation is still under way before it is done. */
  looksUntilDone = 1;
  readonly #server: http.Server;
  readonly #jobs: readonly RecordedJob[];
  readonly #looks = new Map<string, number>();

  static async start(jobs: readonly RecordedJob[]): Promise<RecordedService> {
    const server = http.createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return new RecordedService(server, jobs);
  }

  private constructor(server: http.Server, jobs: readonly RecordedJob[]) {
    this.#server = server;
    this.#jobs = jobs;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (part: string) => (text += part));
      request.on('end', () => {
        const path = (request.url ?? '').replace(/^\/v1/, '');
        const { method = '', headers } = request;
        const body: unknown = text === '' ? undefined : JSON.parse(text);
        this.asked.push({ method, path, body, authorization: headers.authorization });
        const { status, answer } = this.#answer(method, path, body);
        response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' });
        response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
      });
    });
  }

  /** What was asked that changes something. */
  changes(): readonly Asked[] {
    return this.asked.filter(({ method }) => method !== 'GET');
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(method: string, path: string, body: unknown): { status: number; answer: unknown } {
    const ok = (answer: unknown, status = 200) => ({ status, answer });
    if (path === '/jobs/overview') return ok({ jobs: this.#jobs.map(overview) });
    const [, kind = '', jid = '', what = '', id] = path.split('?')[0]?.split('/') ?? [];
    if (kind === 'savepoint-disposal') return this.#operation(method, body, jid || undefined);
    const job = this.#jobs.find((each) => each.jid === jid);
    if (kind !== 'jobs' || job === undefined) {
      return ok(
        {
          errors: [
            `org.apache.flink.runtime.rest.NotFoundException: Job ${jid} not found\n\tat x.Y`,
          ],
        },
        404,
      );
    }
    if (method === 'PATCH') {
      if (job.state !== 'FINISHED') return ok({}, 202);
      return ok(
        {
          errors: [
            'Job cancellation failed because the job has already reached another terminal state (FINISHED).',
          ],
        },
        409,
      );
    }
    if (what === '') return ok(details(job));
    if (what === 'exceptions')
      return ok({ exceptionHistory: { entries: [FAILURE], truncated: false } });
    if (what === 'checkpoints' && id === undefined && method === 'GET') return ok(CHECKPOINTS);
    if (what === 'checkpoints' && id === 'details') return ok(DETAILS);
    return this.#operation(method, body, id);
  }

  #operation(method: string, body: unknown, id: string | undefined) {
    if (method === 'POST') {
      const { triggerId } = body as { readonly triggerId?: string };
      return {
        status: 202,
        answer: { 'request-id': triggerId ?? '36fdb5513efc37965e79a96a660bb1b4' },
      };
    }
    const looks = (this.#looks.get(id ?? '') ?? 0) + 1;
    this.#looks.set(id ?? '', looks);
    if (looks <= this.looksUntilDone) {
      return { status: 200, answer: { status: { id: 'IN_PROGRESS' }, operation: null } };
    }
    const { outcome } = this;
    const operation =
      'failure' in outcome
        ? { 'failure-cause': { class: 'java.lang.Exception', 'stack-trace': outcome.failure } }
        : outcome;
    return { status: 200, answer: { status: { id: 'COMPLETED' }, operation } };
  }
}

const START_MS = 1_795_250_617_036;

function overview({ jid, name, state }: RecordedJob): unknown {
  const tasks = {
    running: 2,
    canceling: 0,
    canceled: 0,
    total: 2,
    created: 0,
    scheduled: 0,
    deploying: 0,
    reconciling: 0,
    finished: 0,
    initializing: 0,
    failed: 0,
  };
  return {
    jid,
    name,
    'start-time': START_MS,
    'end-time': -1,
    duration: 88_183,
    state,
    'last-modification': START_MS + 5_000,
    tasks,
    'pending-operators': 0,
  };
}

const SOURCE = 'f362c87ffabe89c8a91fa7d0a523ba6c';
const COUNT = 'b71731f1c0df9c3076c4a455334d0ad6';

function details({ jid, name, state }: RecordedJob): unknown {
  const vertex = (id: string, label: string, read: number, written: number) => ({
    id,
    name: label,
    maxParallelism: 128,
    parallelism: 1,
    status: state,
    'start-time': START_MS,
    'end-time': -1,
    duration: 57_982,
    tasks: { RUNNING: 1, FAILED: 0 },
    metrics: { 'read-records': read, 'write-records': written },
  });
  const vertices = [
    vertex(SOURCE, 'Source: datagen -> gen', 0, 1_113_695),
    vertex(COUNT, 'count -> discard: Writer', 1_113_291, 0),
  ];
  return { jid, name, state, 'start-time': START_MS, 'end-time': -1, duration: 61_458, vertices };
}

const FAILURE = {
  exceptionName: 'java.lang.RuntimeException',
  stacktrace:
    'java.lang.RuntimeException: injected failure\n\tat bench.Probe.slow(Probe.java:17)\n',
  timestamp: START_MS + 4_000,
  taskName: 'count -> discard: Writer (1/1)',
};

const COMPLETED = {
  className: 'completed',
  id: 57,
  status: 'COMPLETED',
  is_savepoint: false,
  savepointFormat: null,
  trigger_timestamp: 1_795_250_678_608,
  latest_ack_timestamp: 1_795_250_678_642,
  checkpointed_size: 21_121,
  state_size: 21_121,
  end_to_end_duration: 34,
  num_subtasks: 2,
  num_acknowledged_subtasks: 2,
  checkpoint_type: 'CHECKPOINT',
  tasks: {},
  external_path: 'file:/flink-home/data/checkpoints/02423caa95fb3189599b51c06bdcc777/chk-57',
  discarded: false,
};

const CHECKPOINTS = {
  counts: { restored: 1, total: 60, in_progress: 1, completed: 57, failed: 2 },
  latest: {
    completed: COMPLETED,
    savepoint: null,
    failed: null,
    restored: {
      id: 3,
      restore_timestamp: START_MS,
      is_savepoint: false,
      external_path: 'file:/flink-home/chk-3',
    },
  },
  history: [
    {
      ...COMPLETED,
      className: 'in_progress',
      id: 58,
      status: 'IN_PROGRESS',
      is_savepoint: true,
      num_acknowledged_subtasks: 1,
    },
    COMPLETED,
  ],
};

const DETAILS = {
  ...COMPLETED,
  id: 58,
  status: 'IN_PROGRESS',
  num_acknowledged_subtasks: 1,
  tasks: {
    [SOURCE]: { id: 58, status: 'COMPLETED', num_subtasks: 1, num_acknowledged_subtasks: 1 },
    [COUNT]: { id: 58, status: 'IN_PROGRESS', num_subtasks: 1, num_acknowledged_subtasks: 0 },
  },
};
