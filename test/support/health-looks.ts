/** What everybody sees of the health pipeline's outputs: three readers of Iceberg, and Kafka's own consumer. */
import { watchTables } from '../../scripts/services/iceberg-rest.ts';
import { readCommitted } from '../../scripts/services/kafka.ts';
import { LineProcess } from './line-process.ts';
import { REPOSITORY } from './tidemark-process.ts';

export const HEALTH_TABLES = ['vitals', 'vitals_hourly', 'dlq'] as const;
export type HealthTable = (typeof HEALTH_TABLES)[number];

/** How many rows a reader saw. */
export type Seen = Readonly<Record<string, number>>;
export type SeenOf = Readonly<Record<HealthTable, Seen>>;

export interface HealthLooksOptions {
  /** With PyIceberg and DuckDB. */
  readonly python: string;
  readonly catalog: string;
  readonly brokers: string;
  /** What the names of the topics begin with. */
  readonly feed: string;
  /** Where `health_pipeline.py tables` has written what is expected. */
  readonly expected: string;
  /** Where to write what is seen. */
  readonly folder: string;
}

/** Processes that live as long as the test, so that a look costs little. */
export class HealthLooks {
  readonly #options: HealthLooksOptions;
  readonly #judge: LineProcess;
  readonly #java: LineProcess;
  readonly #consumer: LineProcess;

  constructor(options: HealthLooksOptions) {
    this.#options = options;
    const { python, catalog, expected, brokers } = options;
    const program = `${REPOSITORY}/test/reference/health_looks.py`;
    this.#judge = new LineProcess(python, [program, catalog, expected]);
    const [java, ...javaArgs] = watchTables(catalog);
    this.#java = new LineProcess(java, javaArgs);
    const [consumer, ...consumerArgs] = readCommitted(brokers);
    this.#consumer = new LineProcess(consumer, consumerArgs);
  }

  /** @throws if a reader sees what it must not, or does not see what was there before. */
  tables(): Promise<SeenOf> {
    return ofEach(async (table) => {
      const java = `${this.#options.folder}/${table}.java`;
      const [snapshot] = (await this.#java.ask(`health.${table}\t${java}`)).split('\t');
      return this.#judged({ table, java, snapshot: snapshot === 'none' ? null : snapshot });
    });
  }

  /** @throws as `tables`. */
  feed(): Promise<SeenOf> {
    return ofEach(async (table) => {
      const feed = `${this.#options.folder}/${table}.feed`;
      await this.#consumer.ask(`${this.#options.feed}${table}\t${feed}`);
      return this.#judged({ table, feed });
    });
  }

  async expected(table: HealthTable): Promise<number> {
    return (await this.#judged({ table }))['expected'] ?? NaN;
  }

  async close(): Promise<void> {
    for (const each of [this.#judge, this.#java, this.#consumer]) await each.stop();
  }

  async #judged(question: object): Promise<Seen> {
    const line = await this.#judge.ask(JSON.stringify(question));
    const answer = JSON.parse(line) as { rows: Seen; problems: string[] };
    if (answer.problems.length > 0) throw new TypeError(answer.problems.join('\n'));
    return answer.rows;
  }
}

async function ofEach(look: (table: HealthTable) => Promise<Seen>): Promise<SeenOf> {
  const [vitals, hourly, dlq] = await Promise.all(HEALTH_TABLES.map(look));
  return { vitals: vitals ?? {}, vitals_hourly: hourly ?? {}, dlq: dlq ?? {} };
}
