/** Reads the drills of docs/operate/recovery.md: the commands that cause a loss, and those that recover from it. */

/** One section of the page that has commands. */
export interface Drill {
  readonly title: string;
  /** What the drill needs beside a stack with one broker. */
  readonly needs: "nothing" | "dump" | "three-brokers";
  /** Shell commands that cause the loss. */
  readonly practise: string;
  /** Shell commands that bring every copy back in step. */
  readonly recover: string;
}

/** Returns the drills in the order of the page. @throws {Error} for a section with only one of the two blocks. */
export function drillsOf(markdown: string): Drill[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .flatMap((section) => {
      const title = section.split("\n")[0]!;
      const practise = blockOf(section, "practise");
      const recover = blockOf(section, "recover");
      if (!practise && !recover) return [];
      if (!practise || !recover) throw new Error(`"${title}" needs a block to practise and one to recover`);
      const needs = (practise.option || "nothing") as Drill["needs"];
      return [{ title, needs, practise: practise.text, recover: recover.text }];
    });
}

/** Returns the lines with which every drill begins. */
export const setupOf = (markdown: string): string => blockOf(markdown, "setup")?.text ?? "";

function blockOf(section: string, kind: string): { readonly option: string; readonly text: string } | undefined {
  const found = new RegExp(`^\`\`\`sh ${kind}(?: (\\S+))?\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(section);
  return found ? { option: found[1] ?? "", text: found[2]! } : undefined;
}
