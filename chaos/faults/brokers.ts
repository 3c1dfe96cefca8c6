/** Faults of a cluster of brokers. */
import { ClusterAdmin } from "../brokers/cluster-admin.ts";
import { topicNames } from "../brokers/topic-names.ts";
import type { Fault } from "../fault.ts";
import { processOf, untilReady } from "./processes.ts";

const leaderMove: Fault = {
  name: "leader-move",
  summary: "The leaders of a topic move to other brokers by election, while all brokers run. Needs three brokers.",
  lastsMs: [0, 0],
  subjects: ({ addresses, project }) =>
    addresses.brokers.length > 1 ? [...topicNames(project), "__consumer_offsets", "__transaction_state"] : [],
  inject: async ({ system, subject }) => {
    using admin = new ClusterAdmin(system.addresses.brokers);
    await admin.moveLeaders(subject);
    return async () => {};
  },
};

const brokerLoss: Fault = {
  name: "broker-loss",
  summary: "One of three brokers gets SIGKILL, and stays down while the other two continue.",
  lastsMs: [5_000, 20_000],
  subjects: ({ processes }) => {
    const brokers = processes.filter(({ kind, hold }) => kind === "broker" && hold !== undefined);
    return brokers.length > 1 ? brokers.map(({ name }) => name) : [];
  },
  inject: async ({ system, subject }) => {
    const broker = processOf(system, subject);
    const release = await broker.hold!();
    try {
      await broker.signal("SIGKILL");
    } catch (error) {
      await release();
      throw error;
    }
    return async () => {
      await release();
      await untilReady(broker);
    };
  },
};

/** All faults of clusters. */
export const brokerFaults: readonly Fault[] = [leaderMove, brokerLoss];
