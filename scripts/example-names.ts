// The names that examples in the documentation use without declaring them. Only the compiler sees
// this file: check-examples.ts imports from it what an example names.

import {
  outputTag,
  type DataStream,
  type FlinkSettings,
  type JobDefinition,
  type StreamExecutionEnvironment,
} from 'tidemark';
import { z } from 'zod';

/** As a CSV file has it: every field is a text. */
export const Row = z.object({ id: z.string(), amount: z.string(), at: z.coerce.number() });
export type Row = z.infer<typeof Row>;
export declare const rows: DataStream<Row>;
export declare function toReadings(row: Row): readonly Reading[];

export const Reading = z.object({
  deviceId: z.string(),
  metric: z.string(),
  value: z.number(),
  ts: z.number(),
  alarm: z.boolean(),
});
export type Reading = z.infer<typeof Reading>;
export declare const readings: DataStream<Reading>;

/** Its result per hour, and what came too late for it. */
export declare const hourly: DataStream<number>;
export const late = outputTag('late', Reading);

export const Order = z.object({
  id: z.string(),
  customerId: z.string(),
  amount: z.number(),
  at: z.number(),
});
export type Order = z.infer<typeof Order>;
export declare const orders: DataStream<Order>;
export declare function rateOf(order: Order): Promise<number>;

export const Payment = z.object({ orderId: z.string(), amount: z.number() });
export type Payment = z.infer<typeof Payment>;
export declare const payments: DataStream<Payment>;
export const Paid = z.object({ order: Order, payment: Payment });

export const Sale = z.object({ shop: z.string(), amount: z.number() });
export type Sale = z.infer<typeof Sale>;
export declare const sales: DataStream<Sale>;

export declare const clicks: DataStream<{ readonly user: string }>;

/** A limit for a metric, which can change while the job runs. */
export const Rule = z.object({ metric: z.string(), limit: z.number() });
export type Rule = z.infer<typeof Rule>;
export declare const ruleUpdates: DataStream<Rule>;

export declare const env: StreamExecutionEnvironment;
export declare const flink: FlinkSettings;
export declare const job: JobDefinition<undefined>;
/** What stands behind `--`. */
export declare const args: readonly string[];

/** A test's. */
export declare const expected: readonly unknown[];
export declare function expect(value: unknown): {
  toEqual(expected: unknown): void;
  toMatchObject(expected: object): void;
  toHaveLength(length: number): void;
};
