/** Creates topics again that were deleted while the services run. */
import type { Project } from "../contracts/project.ts";
import { controlTopic, receiptsTopic, topicsOf } from "../contracts/topics.ts";
import type { Log } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Check } from "../platform/service.ts";
import { replicationOptionsOf, type Settings } from "../platform/settings/settings.ts";
import { ensureEntityTopics } from "./ensure-topics.ts";

/** Time between two checks of the brokers' metadata: one request each, or one per group of topics. */
const CHECK_INTERVAL_MS = 2_000;

interface TopicKeeperDeps {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly project: Project;
}

type TopicLog = Pick<Log, "topicIds" | "ensureTopics">;

/** Checks for missing topics until it is disposed. Relay and stream have one each, so that either can be down. */
export class TopicKeeper implements Disposable {
  private missing: readonly string[] = [];
  private isChecking = false;
  private timer: Timer | undefined;

  constructor(private readonly deps: TopicKeeperDeps) {}

  /** Reports topics that are missing and could not be created. */
  readonly check: Check = {
    condition: "log-unavailable",
    blocksReadiness: false,
    problem: () => (this.missing.length > 0 ? `missing topics: ${this.missing.join(", ")}` : undefined),
  };

  /** Creates missing topics now, and later ones as they go missing. @throws {Error} as {@link ensureEntityTopics}. */
  async start(log: TopicLog): Promise<void> {
    await ensureEntityTopics(log, this.deps.settings, this.deps.project);
    this.timer = setInterval(() => void this.createMissing(log), CHECK_INTERVAL_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }

  /** A failure is left to the next call. While the brokers do not respond, other checks report that. */
  private async createMissing(log: TopicLog): Promise<void> {
    if (this.isChecking) return;
    this.isChecking = true;
    try {
      this.missing = await this.findMissing(log);
      if (this.missing.length > 0) await this.create(log, this.missing);
    } catch (error) {
      this.deps.logger.debug({ err: error }, "missing topics were not created; retrying");
    }
    this.isChecking = false;
  }

  /** One request per group when one for all is rejected: a service may lack the right to see one of the groups. */
  private async findMissing(log: TopicLog): Promise<string[]> {
    const { project } = this.deps;
    const groups = [project.allEntities.flatMap(topicsOf), [controlTopic(project)], [receiptsTopic(project)]];
    const names = groups.map((group) => group.map(({ name }) => name));
    const missingOf = async (topics: readonly string[]) => {
      const found = await log.topicIds(topics);
      return topics.filter((topic) => !found.has(topic));
    };
    try {
      return await missingOf(names.flat());
    } catch {
      const missing = await Promise.allSettled(names.map(missingOf));
      return missing.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    }
  }

  private async create(log: TopicLog, topics: readonly string[]): Promise<void> {
    const { settings, logger, project } = this.deps;
    logger.warn({ topics }, "topics are missing; creating them again, without their records");
    await ensureEntityTopics(log, settings, project);
    const shared = [controlTopic(project), receiptsTopic(project)];
    await log.ensureTopics(shared, { ...replicationOptionsOf(settings), partitions: 1 });
    this.missing = [];
  }
}
