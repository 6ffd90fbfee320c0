/** The real Dispatcher; its jobs run under real JobMasters, with their tasks in this thread. */
import process from 'node:process';
import type { JobDefinition } from '../../src/api/job-definition.ts';
import type { JobSubmission, TaskManagerView } from '../../src/cluster/dispatcher/cluster.ts';
import type { DispatchedJob } from '../../src/cluster/dispatcher/dispatched-job.ts';
import { Dispatcher, type JobToRun } from '../../src/cluster/dispatcher/dispatcher.ts';
import { DurableJobs } from '../../src/cluster/dispatcher/durable-jobs.ts';
import type { RunningJob } from '../../src/cluster/lead-job.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { defaultWorld, runJob } from '../../src/cluster/run-job.ts';
import { EngineError } from '../../src/common/errors.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';

export class LocalCluster extends Dispatcher {
  /** What was submitted over the network, in order; such modules are not loaded. */
  readonly submissions: JobSubmission[] = [];
  readonly #definitions: Map<string, JobDefinition<undefined>>;
  /** It has its store of jobs. */
  readonly #ready: Promise<void>;

  constructor(folder: string, dynamic: Readonly<Record<string, string>> = {}) {
    const config = parseSettings({ env: {}, dynamic, cores: 1 });
    const definitions = new Map<string, JobDefinition<undefined>>();
    const openOther = (url: string) => openStore(url, defaultWorld, config);
    const leader = { leaseId: 'test', epoch: 1 };
    const store = openOther(`${folder}/jobs`);
    const jobs = new DurableJobs({ store, random: defaultWorld.random, own: config, leader });
    super({
      world: defaultWorld,
      jobs,
      leader,
      requireLeading: () => undefined,
      runner: {
        bundle: async ({ module }) => Buffer.from(module),
        check: () => {
          throw new EngineError('JOB-003', 'user-code', 'nothing is upgraded here');
        },
        run: (job) => runHere(definitions, folder, job),
      },
      openStore: openOther,
      config,
      folder,
      log: () => undefined,
    });
    this.#definitions = definitions;
    this.#ready = jobs.takeOver();
  }

  override async submit(submission: JobSubmission): ReturnType<Dispatcher['submit']> {
    if (!this.#definitions.has(submission.module)) this.submissions.push(submission);
    await this.#ready;
    return super.submit(submission);
  }

  async run(
    definition: JobDefinition<undefined>,
    dynamic: Readonly<Record<string, string>> = {},
  ): Promise<DispatchedJob> {
    const module = `test:${definition.name}`;
    this.#definitions.set(module, definition);
    await this.#ready;
    const { jobId } = await super.submit({
      module,
      arguments: [],
      flink: parseSettings({ env: {}, dynamic, cores: 1 }),
      from: { kind: 'fresh' },
      allowNonRestoredState: false,
      folder: this.folder,
    });
    const job = this.jobs().find((each) => each.jobId === jobId);
    if (job === undefined) throw new TypeError('the job is not listed');
    return job;
  }

  /** Tasks in this thread have no TaskManager: one stands for the thread. */
  override taskManagers(): readonly TaskManagerView[] {
    const job = this.jobs().find(({ result }) => result === undefined);
    const { startMs } = this;
    const lastHeardMs = defaultWorld.clock.wallMs();
    const [jobId, freeSlots] = [job?.jobId, job === undefined ? 2 : 1];
    const view = { id: 'local', pid: process.pid, slots: 2, spare: false };
    return [{ ...view, jobId, freeSlots, startMs, lastHeardMs }];
  }
}

function runHere(
  definitions: ReadonlyMap<string, JobDefinition<undefined>>,
  folder: string,
  { submission, emit, admit, onLed }: JobToRun,
): Promise<RunningJob> {
  const { module, flink, from, allowNonRestoredState } = submission;
  const definition = definitions.get(module);
  if (definition === undefined)
    throw new EngineError('JOB-003', 'user-code', 'the module cannot be loaded');
  const job = definition.build(undefined, flink);
  const world = defaultWorld;
  const options = {
    job,
    world,
    dataFolder: folder,
    from,
    allowNonRestoredState,
    emit,
    admit,
    onLed,
  };
  return runJob(options);
}
