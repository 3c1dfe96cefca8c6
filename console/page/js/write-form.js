/** The form that creates, changes and deletes entities through the gateway. */
import { ApiError, get, post } from "./api.js";
import { labelledSelect } from "./controls.js";
import { byId, fill, h, setAttributes, setText } from "./dom.js";
import { fieldElement } from "./fields.js";
import { changedFields, exampleTexts, labelOf, newDocument, textsOf } from "./form-values.js";
import { hasText, onLanguage, t } from "./language.js";

const MAX_LISTED = 12;
/** On a page of at most this width the form fills the window. */
const NARROW = matchMedia("(max-width: 959px)");

/** @typedef {import("./state.js").Page} Page @typedef {import("./state.js").Entity} Entity */

export class WriteForm {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.panel = byId("write-form");
    this.entity = /** @type {Entity} */ (page.about.entities[0]);
    /** The newest entities. @type {import("./state.js").Stored[]} */
    this.documents = [];
    /** The entity that is changed; null for a new one. @type {import("./state.js").Stored | null} */
    this.selected = null;
    this.texts = exampleTexts(this.entity);
    this.isSending = false;
    onLanguage(() => this.draw());
    this.draw();
    if (page.about.operations) void this.refresh();
  }

  /** Reads the newest documents and updates their list, but not the controls. */
  async refresh() {
    try {
      this.documents = (await get(`/api/entities/${this.entity.plural}?limit=${MAX_LISTED}`)).items;
    } catch {
      this.documents = [];
    }
    const { selected } = this;
    if (selected && !this.documents.some(({ id }) => id === selected.id)) this.documents.unshift(selected);
    const list = /** @type {HTMLSelectElement | null} */ (document.getElementById("document"));
    if (!list) return;
    fill(list, ...this.documentOptions());
    list.value = selected?.id ?? "";
  }

  /** @param {import("./state.js").Stored | null} selected null for a new document */
  select(selected) {
    const { entity, page } = this;
    this.selected = selected;
    page.state.selection = selected && { entity, id: selected.id, label: labelOf(entity, selected) };
    this.texts = selected ? textsOf(entity, selected.document) : exampleTexts(entity);
    this.draw();
    page.redraw();
  }

  draw() {
    const { about } = this.page;
    if (!about.operations) return fill(this.panel, h("p", { class: "note" }, t("write.not-allowed")));
    // A private value is never read, so its control is empty; the change leaves it out.
    const hintOf = (/** @type {import("./state.js").Field} */ field) =>
      this.selected && field.private ? t("write.unchanged-if-empty") : "";
    const fields = this.entity.fields.map((field) => fieldElement(field, this.texts[field.name] ?? "", hintOf(field)));
    const form = h(
      "form",
      {
        novalidate: true,
        onsubmit: (/** @type {Event} */ event) => this.submit(event),
        oninput: (/** @type {any} */ event) => {
          if (event.target.name) this.texts[event.target.name] = event.target.value;
        },
      },
      about.entities.length > 1 && this.entitySelect(),
      this.documentSelect(),
      h("div", { class: "fields" }, ...fields),
      h("p", { class: "error-text", id: "write-error", role: "alert" }),
      this.buttons(),
    );
    fill(this.panel, form);
  }

  buttons() {
    const button = (/** @type {string} */ label, /** @type {string} */ key, /** @type {any} */ attributes) =>
      h("button", { type: "button", class: "button", "data-key": key, ...attributes }, label);
    const save = t(this.selected ? "write.change" : "write.create");
    return h(
      "div",
      { class: "form-actions" },
      button(save, "save", { type: "submit", class: "button main" }),
      this.selected &&
        button(t("write.delete"), "delete", { class: "button danger", onclick: () => this.send("delete", undefined) }),
      !this.selected &&
        this.entity.example &&
        button(t("write.example"), "example", { onclick: () => this.select(null) }),
    );
  }

  entitySelect() {
    const { entities } = this.page.about;
    const onchange = async (/** @type {any} */ event) => {
      this.entity = entities.find(({ plural }) => plural === event.target.value) ?? this.entity;
      this.selected = null;
      await this.refresh();
      this.select(null);
    };
    const options = entities.map(({ plural }) =>
      h("option", { value: plural, selected: plural === this.entity.plural }, plural),
    );
    return labelledSelect("entity", t("write.entity"), { onchange }, options);
  }

  documentSelect() {
    const onchange = (/** @type {any} */ event) => {
      this.select(this.documents.find(({ id }) => id === event.target.value) ?? null);
      byId("document").focus();
    };
    const attributes = { onchange, onfocus: () => void this.refresh() };
    return labelledSelect("document", t("write.document"), attributes, this.documentOptions());
  }

  documentOptions() {
    const options = this.documents.map((one) =>
      h(
        "option",
        { value: one.id, selected: one.id === this.selected?.id },
        `${labelOf(this.entity, one)} · ${t("version", { version: String(one.version) })}`,
      ),
    );
    return [h("option", { value: "", selected: !this.selected }, t("write.new")), ...options];
  }

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    const { entity, selected, texts } = this;
    if (!selected) return await this.send("create", newDocument(entity, texts));
    const changes = changedFields(entity, selected.document, texts);
    if (Object.keys(changes).length === 0) return this.showError(t("write.unchanged"));
    await this.send("change", changes);
  }

  /** @param {"create" | "change" | "delete"} operation @param {any} content */
  async send(operation, content) {
    if (this.isSending) return;
    this.setSending(true);
    const { entity, selected, page } = this;
    const target = selected ? { id: selected.id, version: selected.version } : {};
    try {
      const request = { entity: entity.plural, operation, ...target, document: content };
      const { number, ...written } = await post("/api/writes", request);
      page.state.shown = number;
      if (number !== null) page.announce(t("write.sent", { number: String(number) }));
      this.documents = this.documents.filter(({ id }) => id !== selected?.id);
      if (operation !== "delete") this.documents = [written, ...this.documents].slice(0, MAX_LISTED);
      this.setSending(false);
      this.select(operation === "delete" ? null : written);
      byId("document").focus({ preventScroll: true });
      // On a narrow page the journey is outside the window.
      if (NARROW.matches) byId("journey").scrollIntoView({ block: "start" });
    } catch (error) {
      this.setSending(false);
      this.showFailure(error instanceof ApiError ? error : new ApiError(0, {}));
    }
  }

  /** Marks the form as busy. A disabled button would lose the keyboard's focus. @param {boolean} isSending */
  setSending(isSending) {
    this.isSending = isSending;
    this.panel.querySelector("form")?.setAttribute("aria-busy", String(isSending));
  }

  /** @param {string} message */
  showError(message) {
    setText(this.panel.querySelector("#write-error"), message);
  }

  /** Shows each error at its field, and focuses the first one. @param {ApiError} error */
  showFailure({ code, errors, message }) {
    for (const element of this.panel.querySelectorAll("[aria-invalid]")) element.removeAttribute("aria-invalid");
    for (const element of this.panel.querySelectorAll(".field .error-text")) element.textContent = "";
    const reason = hasText(`error.${code}`) ? t(`error.${code}`) : t("write.failed");
    this.showError(`${reason} ${errors.length === 0 ? message : ""}`.trim());
    for (const { pointer, detail } of errors) {
      const name = CSS.escape(pointer.split("/")[1] ?? "");
      const control = this.panel.querySelector(`[name="${name}"]`);
      if (!control) continue;
      setAttributes(control, { "aria-invalid": "true" });
      setText(this.panel.querySelector(`#field-${name}-error`), detail);
    }
    /** @type {HTMLElement | null} */ (this.panel.querySelector("[aria-invalid]"))?.focus();
  }
}
