import { assert } from '../../common/assert.ts';
import { transferError } from '../../common/error-transfer.ts';
import type { World } from '../../contracts/source.ts';
import type { JobDefinition } from '../../api/job-definition.ts';
import { buildJobGraph } from '../../graph/build-job-graph.ts';
import { executionPlanOf } from '../../graph/execution-plan.ts';
import { planOf } from '../../graph/plan.ts';
import type { SettingsSchema } from '../../settings/job-fields.ts';
import { parseJobSettings, settingsPrefix } from '../../settings/job-settings.ts';
import type { BuiltJob } from '../../api/job-definition.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import { preflightOf } from '../preflight.ts';
import { buildPlanned } from '../load-job.ts';
import type {
  CoordinatedJob,
  CoordinatorCall,
  CoordinatorCalls,
  DescribedJob,
  FromCoordinator,
  JobRequest,
  ToCoordinator,
} from './coordinator-protocol.ts';
import { LocalCoordinators } from './local-coordinators.ts';

export interface CoordinatorRuntimeOptions {
  readonly loadJob: () => Promise<JobDefinition>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly world: World;
  readonly say: (message: FromCoordinator) => void;
}

type Handlers = {
  readonly [Name in CoordinatorCall]: (
    call: CoordinatorCalls[Name]['call'],
  ) => CoordinatorCalls[Name]['answer'] | Promise<CoordinatorCalls[Name]['answer']>;
};

/**
 * The coordinator thread's side: plans the job, then hosts its enumerators and committers.
 *
 * Invariant: messages take effect in the order in which they came. Only `describe`, `preflight` and
 * `lead` wait, for the job's code and what it asks; the JobMaster's thread waits for their answers before it says anything else.
 */
export class CoordinatorRuntime {
  readonly #options: CoordinatorRuntimeOptions;
  #built: BuiltJob | undefined;
  #coordinators: LocalCoordinators | undefined;

  constructor(options: CoordinatorRuntimeOptions) {
    this.#options = options;
  }

  receive(message: ToCoordinator): void {
    switch (message.kind) {
      case 'call':
        void this.#answer(message.id, message.name, message.call);
        return;
      case 'start-sources':
        this.#lead().startSources(message.attempt, message.sources);
        return;
      case 'operator-event': {
        const { uid, attempt, subtask, event } = message;
        this.#lead().operatorEvent(uid, attempt, subtask, event);
        return;
      }
      case 'release':
        this.#lead().release(message.checkpointId);
        return;
      case 'ping':
        this.#options.say({ kind: 'pong' });
        return;
    }
  }

  async #answer<Name extends CoordinatorCall>(
    id: number,
    name: Name,
    call: CoordinatorCalls[Name]['call'],
  ): Promise<void> {
    const { say } = this.#options;
    try {
      const handler = this.#handlers[name] as (call: unknown) => unknown;
      say({ kind: 'answer', id, answer: await handler(call) });
    } catch (error) {
      say({ kind: 'refusal', id, error: transferError(error) });
    }
  }

  readonly #handlers: Handlers = {
    describe: (request) => this.#describe(request),
    plan: ({ maxParallelism }) => {
      const graph = this.#graphFor(maxParallelism);
      return { plan: executionPlanOf(graph), planHash: planOf(graph).hash };
    },
    preflight: () => {
      const { config } = this.#described();
      return preflightOf(this.#graphFor(config.maxParallelism), config, this.#options.world);
    },
    lead: (job) => this.#take(job),
    'stop-sources': async ({ uids }) => {
      await this.#coordinators?.stopSources(uids);
      return undefined;
    },
    snapshot: ({ checkpointId }) => this.#lead().snapshot(checkpointId),
    commit: ({ committables }) => this.#lead().commit(committables),
    'abort-leftovers': async ({ uids }) => {
      await this.#lead().abortLeftovers(uids);
      return undefined;
    },
    close: async () => {
      await this.#coordinators?.close();
      return undefined;
    },
  };

  async #describe({ arguments: args, flink }: JobRequest): Promise<DescribedJob> {
    const { loadJob, env } = this.#options;
    const job = await loadJob();
    const schema = job.settingsSchema as SettingsSchema<unknown> | undefined;
    const settings = parseJobSettings(schema, settingsPrefix(job.name), { args, env });
    this.#built = job.build(settings, flink);
    const { config } = this.#built;
    return { jobName: job.name, settings, config, isProgram: job.isProgram === true };
  }

  #described(): BuiltJob {
    assert(this.#built !== undefined, 'a job is planned before it is described');
    return this.#built;
  }

  #graphFor(maxParallelism: number): JobGraph {
    const { graph, config } = this.#described();
    return buildJobGraph(graph, { parallelism: config.parallelism, maxParallelism });
  }

  async #take({ identity, ancestry, ...planned }: CoordinatedJob): Promise<undefined> {
    const { loadJob, world, say } = this.#options;
    const definition = await loadJob();
    const jobGraph = buildPlanned(definition, planned);
    const coordinators = new LocalCoordinators({ jobGraph, world, identity, ancestry });
    coordinators.listen({
      send: (uid, attempt, subtask, event) => {
        say({ kind: 'send', uid, attempt, subtask, event });
      },
      failed: (error, uid) => {
        say({ kind: 'failed', uid, error: transferError(error) });
      },
    });
    this.#coordinators = coordinators;
    return undefined;
  }

  #lead(): LocalCoordinators {
    assert(this.#coordinators !== undefined, 'the coordinator thread has no job yet');
    return this.#coordinators;
  }
}
