/** Buttons that pause a part or cause a fault, and what happens then. Only where operations are allowed. */
import { post } from "./api.js";
import { smallButton } from "./controls.js";
import { byId, fill, h, keepFocus, onChange } from "./dom.js";
import { language, onLanguage, t } from "./language.js";
import { replicaNamesOf } from "./state.js";

const REDIS_PAUSE_S = 8;

export class FaultPanel {
  /** @param {import("./state.js").Page} page */
  constructor(page) {
    this.page = page;
    this.panel = byId("faults");
    this.replicas = replicaNamesOf(page.about);
    this.drawIfChanged = onChange(() => keepFocus(this.panel, () => this.draw()));
    onLanguage(() => this.update());
    this.update();
  }

  update() {
    const { snapshot, selection } = this.page.state;
    const services = (snapshot?.services ?? []).map((/** @type {any} */ one) => `${one.name} ${one.instance}`);
    this.drawIfChanged([Object.keys(snapshot?.paused ?? {}), selection?.id, selection?.label, services], language());
  }

  draw() {
    const { operations, stack } = this.page.about;
    if (!operations) return fill(this.panel, h("p", { class: "note" }, t("fault.not-allowed")));
    const faults = [this.pauses(), this.redis(), this.poison(), this.tampering(), stack && this.kill()];
    fill(this.panel, h("ul", { class: "faults" }, ...faults));
  }

  /**
   * One fault: title, explanation and buttons.
   *
   * @param {string} name @param {any} values @param {(Node | null)[]} buttons @param {string} [note]
   */
  fault(name, values, buttons, note) {
    return h(
      "li",
      {},
      h("div", {}, h("h3", {}, t(`fault.${name}.title`)), h("p", { class: "muted" }, t(`fault.${name}.text`, values))),
      note && h("p", { class: "muted" }, note),
      h("div", { class: "actions" }, ...buttons),
    );
  }

  /**
   * @param {string} label @param {string} key @param {() => Promise<unknown>} work
   * @param {import("./dom.js").Attributes} [attributes]
   */
  button(label, key, work, attributes) {
    return smallButton(label, key, () => this.page.attempt(work), attributes);
  }

  pauses() {
    const buttons = ["stream", ...this.replicas].map((name) => {
      const isPaused = Boolean(this.page.state.snapshot?.paused?.[name]);
      const label = t(isPaused ? "fault.resume" : "fault.pause", { name });
      const work = () => post("/api/pause", { name, paused: !isPaused });
      return this.button(label, `pause-${name}`, work, { class: isPaused ? "main" : "" });
    });
    return this.fault("pause", {}, buttons);
  }

  redis() {
    const seconds = REDIS_PAUSE_S;
    return this.fault("redis", { seconds }, [
      this.button(t("fault.redis.pause", { seconds }), "redis-pause", () =>
        post("/api/redis", { action: "pause", seconds }),
      ),
      this.button(t("fault.redis.clear"), "redis-clear", () => post("/api/redis", { action: "clear" })),
    ]);
  }

  poison() {
    const { state } = this.page;
    const buttons = ["wrong-document", "no-json"].map((kind) =>
      this.selectionButton(t(`fault.poison.${kind}`), `poison-${kind}`, async (target) => {
        state.shown = (await post("/api/poison", { ...target, kind })).number;
      }),
    );
    return this.fault("poison", {}, buttons, this.selectionNote());
  }

  tampering() {
    const buttons = this.replicas.map((replica) =>
      this.selectionButton(t("fault.tamper", { name: replica }), `tamper-${replica}`, (target) =>
        post("/api/tamper", { ...target, replica }),
      ),
    );
    return this.fault("tamper", {}, buttons, this.selectionNote());
  }

  /**
   * A button for the entity in the form; disabled without one.
   *
   * @param {string} label @param {string} key
   * @param {(target: { entity: string, id: string }) => Promise<unknown>} work
   */
  selectionButton(label, key, work) {
    const { selection } = this.page.state;
    const target = { entity: selection?.entity.plural ?? "", id: selection?.id ?? "" };
    return this.button(label, key, () => work(target), { disabled: !selection });
  }

  selectionNote() {
    const { selection } = this.page.state;
    return selection ? t("fault.selected", { label: selection.label }) : t("fault.select-first");
  }

  kill() {
    const services = this.page.state.snapshot?.services ?? [];
    const options = services
      .filter((/** @type {any} */ { name }) => name !== "console")
      .map((/** @type {any} */ { name, instance }) =>
        h("option", { value: `${name} ${instance}` }, instance > 1 ? `${name} ${instance}` : name),
      );
    const select = h("select", { "aria-label": t("fault.kill.process"), "data-key": "kill-process" }, ...options);
    const [first] = this.replicas;
    if (first) select.value = `${first} 1`;
    const work = () => {
      const [name, instance] = select.value.split(" ");
      return post("/api/kill", { name, instance: Number(instance) });
    };
    return this.fault("kill", {}, [select, this.button(t("fault.kill"), "kill", work, { class: "danger" })]);
  }
}
