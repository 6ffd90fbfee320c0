import type { JobEdge, JobVertex } from './job-graph.ts';

/**
 * The connected components over all edges, whatever their direction: what must be restarted
 * together, because every edge is pipelined. Vertices and regions in the order of the graph.
 */
export function regionsOf(
  vertices: readonly JobVertex[],
  edges: readonly JobEdge[],
): readonly (readonly string[])[] {
  const neighbours = new Map<string, string[]>(vertices.map((vertex) => [vertex.id, []]));
  for (const { fromVertex, toVertex } of edges) {
    neighbours.get(fromVertex)?.push(toVertex);
    neighbours.get(toVertex)?.push(fromVertex);
  }
  const seen = new Set<string>();
  const regions: string[][] = [];
  for (const { id } of vertices) {
    if (seen.has(id)) continue;
    const region = new Set<string>();
    const open = [id];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      region.add(next);
      open.push(...(neighbours.get(next) ?? []));
    }
    regions.push(vertices.map((vertex) => vertex.id).filter((vertex) => region.has(vertex)));
  }
  return regions;
}
