/** Which place is meant: a folder, a topic of Kafka, or a table of a catalog. */
import type { LetterPlace } from '../contracts/letter-place.ts';
import { badLetterPlace } from './cli-errors.ts';
import { catalogOf, type CatalogOptions } from './iceberg-catalog.ts';
import { readProperties } from './kafka-properties.ts';

export interface PlaceOptions extends CatalogOptions {
  /** A file with properties of Kafka's clients. */
  readonly commandConfig?: string;
}

/**
 * @param place A folder; `kafka://host:port,host:port/topic`; or, with the options of a catalog, a table.
 * @throws {EngineError} `CLI-050`, `CLI-051` (`invalid`), and what the connectors say of options.
 */
export async function openPlace(place: string, options: PlaceOptions): Promise<LetterPlace> {
  const { defaultWorld: world } = await import('../cluster/run-job.ts');
  const catalog = await catalogOf(options);
  if (catalog !== undefined) {
    const { letterTable } = await import('../connectors/iceberg/letters/letter-table.ts');
    return letterTable({ catalog, table: place }, world);
  }
  if (place.startsWith('kafka:')) {
    const [, brokers, topic] = /^kafka:\/\/([^/\s]+)\/([\w.-]+)$/.exec(place) ?? [];
    if (brokers === undefined || topic === undefined) throw badLetterPlace(place);
    const properties = await readProperties(options.commandConfig);
    const { letterTopic } = await import('../connectors/kafka/letters/letter-topic.ts');
    return letterTopic({ brokers, topic, properties }, world);
  }
  if (/^\w+:\/\//.test(place)) throw badLetterPlace(place);
  const { letterFolder } = await import('../connectors/file/dead-letter-files.ts');
  return letterFolder(world, place);
}
