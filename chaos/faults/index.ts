/** All faults, in the order in which `--list` and docs/operate/chaos.md show them. */
import type { Fault } from "../fault.ts";
import { brokerFaults } from "./brokers.ts";
import { diskFaults } from "./disks.ts";
import { eventFaults } from "./events/index.ts";
import { networkFaults } from "./network.ts";
import { postgresFaults } from "./postgres/index.ts";
import { processFaults } from "./processes.ts";
import { redisFaults } from "./redis.ts";
import { relayFaults } from "./relays.ts";
import { topicFaults } from "./topics.ts";

/** Every fault. The order is part of a seed's meaning: a new fault changes the schedules. */
export const faults: readonly Fault[] = [
  ...processFaults,
  ...relayFaults,
  ...networkFaults,
  ...brokerFaults,
  ...topicFaults,
  ...diskFaults,
  ...postgresFaults,
  ...redisFaults,
  ...eventFaults,
];
