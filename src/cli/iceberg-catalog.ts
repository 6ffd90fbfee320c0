import type { IcebergCatalog } from '../connectors/iceberg/catalog.ts';

/** How commands name a catalog. */
export interface CatalogOptions {
  readonly warehouse?: string;
  readonly uri?: string;
  readonly catalogWarehouse?: string;
}

/** Undefined if no option names one. */
export async function catalogOf(options: CatalogOptions): Promise<IcebergCatalog | undefined> {
  const { warehouse, uri, catalogWarehouse } = options;
  if (uri !== undefined) {
    const { rest } = await import('../connectors/iceberg/rest-catalog.ts');
    const { ICEBERG_TOKEN: token, ICEBERG_CREDENTIAL: credential } = process.env;
    return rest({
      uri,
      ...(catalogWarehouse === undefined ? {} : { warehouse: catalogWarehouse }),
      ...(token === undefined ? {} : { token }),
      ...(credential === undefined ? {} : { credential }),
    });
  }
  if (warehouse === undefined) return undefined;
  const { hadoop } = await import('../connectors/iceberg/hadoop-catalog.ts');
  return hadoop({ warehouse });
}
