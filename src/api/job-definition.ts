import { EngineError } from '../common/errors.ts';
import type { Nothing } from '../contracts/functions.ts';
import type { StreamGraph } from '../graph/operator-spec.ts';
import type { StandardSchema } from '../serde/standard-schema.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { withCurrent } from '../settings/process-settings.ts';
import { requireJobName, requireSyncFunction } from './checks.ts';
import type { DescribedProgram } from './program.ts';
import type { InferOutput } from './schemas.ts';
import { StreamExecutionEnvironment } from './stream-execution-environment.ts';

/** The second argument of a job's function. */
export interface JobContext<S> {
  /** The job's own settings, checked by its schema. */
  readonly settings: S;
  /** The engine's settings: files, variables of the environment and `-D`. */
  readonly flink: FlinkSettings;
}

/** A job as data: what every process that runs a part of it builds from the same module. */
export interface BuiltJob {
  /** What the engine runs; its shape may change in any release. @internal */
  readonly graph: StreamGraph;
  /** All settings in force, frozen, with their origins. */
  readonly config: FlinkSettings;
}

/** What `defineJob` returns: the default export of a job's module. */
export interface JobDefinition<S = unknown> {
  readonly kind: 'tidemark-job';
  readonly name: string;
  /** Of the job's own settings; undefined: it has none. */
  readonly settingsSchema: StandardSchema | undefined;
  /** A program described it, which goes on behind its `execute`. @internal */
  readonly isProgram?: true;
  /**
   * Describes the job. Runs nothing, and gives the same graph for the same settings each time.
   *
   * @throws {EngineError} `API-…`, `SET-001` (`invalid`)
   */
  build(settings: S, flink: FlinkSettings): BuiltJob;
}

export interface JobOptions<S extends StandardSchema> {
  /**
   * A Standard Schema (zod …) of an object. Values come from `-- --name value`, else the variable
   * `<PREFIX>_<NAME>`, else the schema's default; the prefix is the first word of the job's name.
   */
  readonly settings?: S;
}

/**
 * Defines a job: the default export of its module.
 *
 * `describe` runs in every process that takes part: it must build the same graph each time, wait
 * for nothing and connect to nothing. Connections are opened in `open` of functions and by sources
 * and sinks.
 *
 * @param name Names the job for people, commands and its settings' variables.
 * @throws {EngineError} `API-014` (`invalid`) for a bad name; `API-004`, `API-005` for a bad function.
 *
 * @example
 * ```ts
 * const total = valueState('total', z.number());
 *
 * export default defineJob('word-count', (env) => {
 *   env
 *     .fromElements('words', ['to', 'be', 'or', 'not', 'to', 'be'])
 *     .keyBy((word) => word)
 *     .process('count', { total }, (word, { state }) => {
 *       state.total.update((state.total.value() ?? 0) + 1);
 *     });
 * });
 * ```
 */
export function defineJob(
  name: string,
  describe: (env: StreamExecutionEnvironment, context: JobContext<undefined>) => Nothing,
): JobDefinition<undefined>;
/** With settings of its own. */
export function defineJob<S extends StandardSchema>(
  name: string,
  options: JobOptions<S>,
  describe: (env: StreamExecutionEnvironment, context: JobContext<InferOutput<S>>) => Nothing,
): JobDefinition<InferOutput<S>>;
export function defineJob(name: string, ...rest: readonly unknown[]): JobDefinition<never> {
  const [options, describe] = rest.length < 2 ? [{}, rest[0]] : rest;
  requireJobName(name);
  requireSyncFunction(describe, { uid: name, what: 'job function' });
  const run = describe as (
    env: StreamExecutionEnvironment,
    context: JobContext<unknown>,
  ) => unknown;
  return Object.freeze({
    kind: 'tidemark-job' as const,
    name,
    settingsSchema: (options as JobOptions<StandardSchema>).settings,
    build(settings: unknown, flink: FlinkSettings): BuiltJob {
      const env = new StreamExecutionEnvironment(name, flink);
      const returned = withCurrent(flink, () => run(env, { settings, flink }));
      const built = env.seal();
      if (returned instanceof Promise) {
        throw new EngineError('API-023', 'invalid', 'the job function is async', {
          details: { job: name },
          hint: 'Build the graph without waiting; read files and open connections in sources, sinks or open().',
        });
      }
      return Object.freeze(built);
    },
  });
}

/** The job of a program that has called `execute`: it is described already. */
export function jobOfProgram({ name, graph, config }: DescribedProgram): JobDefinition<undefined> {
  return Object.freeze({
    kind: 'tidemark-job' as const,
    name,
    settingsSchema: undefined,
    isProgram: true as const,
    build: () => Object.freeze({ graph, config }),
  });
}

/** What a module exports by default, if it is a job. */
export function isJobDefinition(value: unknown): value is JobDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { readonly kind?: unknown }).kind === 'tidemark-job'
  );
}
