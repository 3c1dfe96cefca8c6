/** `lockstep doctor`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import type { LoadSourceMigrations } from "../../pipeline/source-migrations.ts";
import { runVerb, type VerbFlags, verb } from "../verb.ts";
import { doctor } from "./doctor.ts";
import { type Finding, findingText } from "./finding.ts";

/** The command `doctor`. */
export const doctorVerb = (loadMigrations: LoadSourceMigrations, project: Project): Command =>
  verb(
    "doctor",
    "checks the project against its databases, brokers and cache, before or while services run; each finding has the " +
      "command that changes it; exit status 1 when something does not work",
  ).action(async (flags: VerbFlags) =>
    runVerb(project, flags, async (context) => {
      const { sourceMigrations } = await loadMigrations();
      const findings = await doctor(context, sourceMigrations(project));
      const problems = findings.filter(({ level }) => level === "problem").length;
      return {
        text: doctorText(findings),
        document: { healthy: problems === 0, findings },
        status: problems === 0 ? 0 : 1,
      };
    }),
  );

/** The findings for people, problems first. */
export function doctorText(findings: readonly Finding[]): string {
  const of = (level: Finding["level"]) => findings.filter((finding) => finding.level === level);
  const [problems, warnings] = [of("problem"), of("warning")];
  const summary = `${problems.length} problems, ${warnings.length} warnings, ${of("ok").length} checks passed`;
  return [...problems, ...warnings, ...of("ok")].map(findingText).concat(summary).join("\n");
}
