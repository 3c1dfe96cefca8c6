/** The migrations of the source: Lockstep's own, then those of the project. A released migration is never edited. */
import type { Migration, Project } from "../../contracts/project.ts";
import capture from "./0001-capture.sql" with { type: "text" };
import send from "./0003-send.sql" with { type: "text" };
import verifications from "./0004-verifications.sql" with { type: "text" };
import backfill from "./0005-backfill.sql" with { type: "text" };
import canaries from "./0006-canaries.sql" with { type: "text" };
import idempotencyKeys from "./0007-idempotency-keys.sql" with { type: "text" };
import setAside from "./0008-set-aside.sql" with { type: "text" };
import captureChecks from "./0009-capture-checks.sql" with { type: "text" };
import lostEvents from "./0010-lost-events.sql" with { type: "text" };
import rejectUncaptured from "./0011-reject-uncaptured.sql" with { type: "text" };
import resync from "./0013-resync.sql" with { type: "text" };
import isCaptured from "./0014-is-captured.sql" with { type: "text" };
import keys from "./0015-keys.sql" with { type: "text" };
import rowData from "./0016-row-data.sql" with { type: "text" };
import generatedCapture from "./0017-generated-capture.sql" with { type: "text" };
import captureBodies from "./0018-capture-bodies.sql" with { type: "text" };
import installCapture from "./0019-install-capture.sql" with { type: "text" };
import captureAnyTable from "./0020-capture-any-table.sql" with { type: "text" };
import textIds from "./0021-text-ids.sql" with { type: "text" };
import captureProblems from "./0022-capture-problems.sql" with { type: "text" };
import sendAnyRow from "./0023-send-any-row.sql" with { type: "text" };
import writes from "./0024-writes.sql" with { type: "text" };
import sourceIdentity from "./0025-source-identity.sql" with { type: "text" };
import relay from "./0026-relay.sql" with { type: "text" };

const own: readonly Migration[] = [
  { name: "0001-capture", sql: capture },
  { name: "0003-send", sql: send },
  { name: "0004-verifications", sql: verifications },
  { name: "0005-backfill", sql: backfill },
  { name: "0006-canaries", sql: canaries },
  { name: "0007-idempotency-keys", sql: idempotencyKeys },
  { name: "0008-set-aside", sql: setAside },
  { name: "0009-capture-checks", sql: captureChecks },
  { name: "0010-lost-events", sql: lostEvents },
  { name: "0011-reject-uncaptured", sql: rejectUncaptured },
  { name: "0013-resync", sql: resync },
  { name: "0014-is-captured", sql: isCaptured },
  { name: "0015-keys", sql: keys },
  { name: "0016-row-data", sql: rowData },
  { name: "0017-generated-capture", sql: generatedCapture },
  { name: "0018-capture-bodies", sql: captureBodies },
  { name: "0019-install-capture", sql: installCapture },
  { name: "0020-capture-any-table", sql: captureAnyTable },
  { name: "0021-text-ids", sql: textIds },
  { name: "0022-capture-problems", sql: captureProblems },
  { name: "0023-send-any-row", sql: sendAnyRow },
  { name: "0024-writes", sql: writes },
  { name: "0025-source-identity", sql: sourceIdentity },
  { name: "0026-relay", sql: relay },
];

/** In the order in which they run. */
export const sourceMigrations = ({ migrations }: Pick<Project, "migrations">): readonly Migration[] => [
  ...own,
  ...migrations.source,
];
