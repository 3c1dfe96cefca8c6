/** What breaks on purpose, and what pauses: each with what is to be seen. Only where operations are allowed. */
import { tell } from "./api.js";
import { byId, fill, h, keepFocus, onChange } from "./dom.js";
import { language, onLanguage, t } from "./language.js";

const SILENT_S = 8;

/**
 * @param {import("./state.js").About} about @param {import("./state.js").State} state
 * @param {(work: () => Promise<unknown>) => Promise<void>} attempt tells what went wrong
 */
export function startBreak(about, state, attempt) {
  const place = byId("break");
  const replicas = [...new Set(about.entities.flatMap((entity) => entity.replicas.map(({ name }) => name)))];
  const pausable = ["stream", ...replicas];

  const button = (
    /** @type {string} */ label,
    /** @type {string} */ key,
    /** @type {() => Promise<unknown>} */ work,
    more = {},
  ) =>
    h(
      "button",
      { class: "button small", type: "button", "data-key": key, onclick: () => attempt(work), ...more },
      label,
    );

  const trial = (
    /** @type {string} */ name,
    /** @type {any} */ values,
    /** @type {(Node | null | false)[]} */ acts,
    /** @type {string | null} */ note = null,
  ) =>
    h(
      "li",
      {},
      h("div", {}, h("h3", {}, t(`break.${name}.title`)), h("p", { class: "muted" }, t(`break.${name}.says`, values))),
      note && h("p", { class: "muted" }, note),
      h("div", { class: "acts" }, ...acts),
    );

  const pauses = () =>
    trial(
      "pause",
      {},
      pausable.map((name) => {
        const paused = Boolean(state.snapshot?.paused?.[name]);
        const label = t(paused ? "break.resume" : "break.pause", { name });
        return button(label, `pause-${name}`, () => tell("/api/pause", { name, paused: !paused }), {
          class: `button small${paused ? " main" : ""}`,
        });
      }),
    );

  const redis = () =>
    trial("redis", { seconds: SILENT_S }, [
      button(t("break.redis.silence", { seconds: SILENT_S }), "silence", () =>
        tell("/api/redis", { act: "silence", seconds: SILENT_S }),
      ),
      button(t("break.redis.forget"), "forget", () => tell("/api/redis", { act: "forget" })),
    ]);

  const chosenNote = () => (state.chosen ? t("break.chosen", { label: state.chosen.label }) : t("break.choose-first"));

  const poison = () =>
    trial(
      "poison",
      {},
      ["wrong-document", "no-json"].map((kind) =>
        button(
          t(`break.poison.${kind}`),
          `poison-${kind}`,
          async () => {
            const { entity, item } = state.chosen;
            state.shown = (await tell("/api/poison", { entity: entity.plural, id: item.id, kind })).number;
          },
          { disabled: !state.chosen },
        ),
      ),
      chosenNote(),
    );

  const tamper = () =>
    trial(
      "tamper",
      {},
      replicas.map((replica) =>
        button(
          t("break.tamper", { name: replica }),
          `tamper-${replica}`,
          () => {
            const { entity, item } = state.chosen;
            return tell("/api/tamper", { entity: entity.plural, id: item.id, replica });
          },
          { disabled: !state.chosen },
        ),
      ),
      chosenNote(),
    );

  const kill = () => {
    const services = (state.snapshot?.services ?? []).filter((/** @type {any} */ one) => one.name !== "console");
    const options = services.map((/** @type {{ name: string, instance: number }} */ { name, instance }) =>
      h("option", { value: `${name} ${instance}` }, instance > 1 ? `${name} ${instance}` : name),
    );
    const select = h("select", { "aria-label": t("break.kill.which"), "data-key": "kill-which" }, ...options);
    const wanted = replicas[0] && `${replicas[0]} 1`;
    if (wanted) select.value = wanted;
    return trial("kill", {}, [
      select,
      button(
        t("break.kill"),
        "kill",
        () => {
          const [name, instance] = select.value.split(" ");
          return tell("/api/kill", { name, instance: Number(instance) });
        },
        { class: "button small danger" },
      ),
    ]);
  };

  const draw = onChange(() =>
    keepFocus(place, () => {
      if (!about.operations) return fill(place, h("p", { class: "note" }, t("break.not-allowed")));
      fill(place, h("ul", { class: "trials" }, pauses(), redis(), poison(), tamper(), about.stack && kill()));
    }),
  );
  const update = () =>
    draw(
      [
        Object.keys(state.snapshot?.paused ?? {}),
        state.chosen?.item.id,
        state.chosen?.label,
        (state.snapshot?.services ?? []).map((/** @type {any} */ one) => `${one.name} ${one.instance}`),
      ],
      language(),
    );
  onLanguage(() => update());
  update();
  return { update };
}
