/** Which port each service and server has. People learn these, so they are a rule and no choice of the moment. */

/** Offsets from the base; see `portOf`. */
const offsets = {
  gateway: 0,
  stream: 3,
  relay: 4,
  console: 5,
  "gateway-db": 10,
  redis: 13,
  prometheus: 40,
  grafana: 41,
  jaeger: 42,
  "jaeger-otlp": 43,
} as const;

export type FixedName = keyof typeof offsets;

/** How far the instances of one service lie apart. */
const INSTANCE_STEP = 100;

/** Most instances of one service: their ports stay below the next thousand. */
export const MAX_INSTANCES = 9;

/** Most replicas: their ports end where the next range starts. */
export const MAX_REPLICAS = 6;

export const portOf = (base: number, name: FixedName, instance = 1): number =>
  base + offsets[name] + INSTANCE_STEP * (instance - 1);

/** The first two replicas come right after the gateway (+1, +2), further ones after the console (+6 to +9). */
export const replicaPort = (base: number, index: number, instance = 1): number =>
  base + (index < 2 ? 1 : 4) + index + INSTANCE_STEP * (instance - 1);

/** Elsewhere several processes cannot accept on one port in turn. */
export const PORTS_ARE_SHARED = process.platform === "linux";

/** Where several instances share the port of the first one, each moves one step on: +100 for the first, +200 for the second, … */
export const ownPort = (port: number): number => port + INSTANCE_STEP;

/** +11, +12 for the first two replicas, then +14 on. */
export const replicaDatabasePort = (base: number, index: number): number => base + (index < 2 ? 11 : 12) + index;

/** Broker 1 has +20 for clients and +30 as controller; 2 and 3 follow. */
export const brokerPorts = (base: number, nodeId: number): { port: number; controllerPort: number } => ({
  port: base + 19 + nodeId,
  controllerPort: base + 29 + nodeId,
});
