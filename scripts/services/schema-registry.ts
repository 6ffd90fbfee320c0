/**
 * A schema registry: Apicurio Registry, with the interface of Confluent's under `/apis/ccompat/v7`. What it knows is
 * in memory, and gone when it ends. 3.0 is the last line that runs with Java 17.
 */
import fs from 'node:fs';
import path from 'node:path';
import { cached, freePort, runStep, type Service, startService } from './service.ts';

const VERSION = '3.0.9';
const ARTIFACT = 'apicurio-registry-app';

export interface SchemaRegistryService extends Service {
  /** `http://127.0.0.1:…/apis/ccompat/v7` */
  readonly url: string;
}

/** @param port Default: a free one. */
export async function startSchemaRegistry(
  folder: string,
  port?: number,
): Promise<SchemaRegistryService> {
  const jars = registryJars();
  const listening = port ?? (await freePort());
  const url = `http://127.0.0.1:${listening}/apis/ccompat/v7`;
  const service = await startService({
    command: 'java',
    args: [
      '-Xmx384m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-Djava.net.preferIPv4Stack=true',
      '-Dquarkus.http.host=127.0.0.1',
      `-Dquarkus.http.port=${listening}`,
      '-Dapicurio.storage.kind=sql',
      '-cp',
      `${jars}/*:${jars}/lib/*`,
      'io.quarkus.runner.GeneratedMain',
    ],
    folder,
    ready: () => answers(`${url}/subjects`),
  });
  return { ...service, url };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** Fetches about 110 MB from Maven the first time. */
function registryJars(): string {
  return cached(`schema-registry-${VERSION}`, (fresh) => {
    // This version takes the archive without its parent, which is not there for each version.
    const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:2.8:get';
    const artifact = `io.apicurio:${ARTIFACT}:${VERSION}:tar.gz:all`;
    const archive = path.join(fresh, 'all.tar.gz');
    const to = `-Ddest=${archive}`;
    runStep('mvn', ['-q', '-B', plugin, `-Dartifact=${artifact}`, '-Dtransitive=false', to]);
    runStep('tar', ['-xzf', archive, '-C', fresh]);
    fs.rmSync(archive);
  });
}
