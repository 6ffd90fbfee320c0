/**
 * How a source's elements get timestamps and watermarks. As in Flink, each split has a generator of
 * its own; the source's watermark is the least of its active splits.
 */
export interface WatermarkStrategy<T> {
  /** Milliseconds since 1970. Default: what the source itself knows, such as Kafka's timestamp. */
  readonly timestamp: ((value: T) => number) | undefined;
  readonly generator:
    | { readonly kind: 'none' }
    /** Bounded out-of-orderness; 0 is monotonous. Watermark = greatest timestamp - outOfOrdernessMs - 1. */
    | { readonly kind: 'bounded'; readonly outOfOrdernessMs: number };
  /** A split without elements for this long (processing time) holds nobody up. Default: never. */
  readonly idlenessMs: number | undefined;
}
