/** Creates, changes and deletes an entity, through the gateway as any client does. */
import { ask, Refused, tell } from "./api.js";
import { byId, fill, h, set } from "./dom.js";
import { fieldOf, textOf, writtenIn } from "./fields.js";
import { has, onLanguage, t } from "./language.js";

const LISTED = 12;
const NARROW = matchMedia("(max-width: 959px)");
const LABEL_FIELDS = 2;

/** @typedef {import("./state.js").Entity} Entity */

/**
 * @param {import("./state.js").About} about @param {import("./state.js").State} state
 * @param {(message: string) => void} announce @param {() => void} changed told when another one is chosen
 */
export function startWriter(about, state, announce, changed) {
  const place = byId("writer");
  let entity = /** @type {Entity} */ (about.entities[0]);
  /** @type {any[]} */
  let items = [];
  /** The one that is changed; null for a new one. @type {any} */
  let chosen = null;
  /** What stands in the form, by field. @type {Record<string, string>} */
  let texts = exampleTexts(entity);

  const choose = (/** @type {any} */ item) => {
    chosen = item;
    state.chosen = item && { entity, item, label: labelOf(entity, item) };
    texts = item ? textsOf(entity, item) : exampleTexts(entity);
    draw();
    changed();
  };
  const refresh = async () => {
    try {
      items = (await ask(`/api/entities/${entity.plural}?limit=${LISTED}`)).items;
    } catch {
      items = [];
    }
    if (chosen && !items.some(({ id }) => id === chosen.id)) items = [chosen, ...items];
  };

  const draw = () => {
    if (!about.operations) return fill(place, h("p", { class: "note" }, t("write.not-allowed")));
    const form = h(
      "form",
      { novalidate: true, onsubmit: submit, oninput: keep },
      about.entities.length > 1 && entityChoice(),
      choice(),
      h(
        "div",
        { class: "fields" },
        ...entity.fields.map((field) => hinted(fieldOf(field, texts[field.name] ?? ""), field)),
      ),
      h("p", { class: "wrong", id: "write-wrong", role: "alert" }),
      h(
        "div",
        { class: "form-acts" },
        h(
          "button",
          { class: "button main", type: "submit", "data-key": "save" },
          t(chosen ? "write.change" : "write.create"),
        ),
        chosen
          ? h(
              "button",
              { class: "button danger", type: "button", "data-key": "delete", onclick: remove },
              t("write.delete"),
            )
          : entity.example &&
              h(
                "button",
                { class: "button", type: "button", "data-key": "example", onclick: () => choose(null) },
                t("write.example"),
              ),
      ),
    );
    fill(place, form);
  };

  const hinted = (/** @type {HTMLElement} */ element, /** @type {import("./state.js").Field} */ field) => {
    if (chosen && field.private) {
      const hint = element.querySelector(".hint");
      if (hint) hint.textContent += ` · ${t("write.kept")}`;
    }
    return element;
  };

  const entityChoice = () =>
    h(
      "div",
      { class: "choose" },
      h("label", { class: "label", for: "entity" }, t("write.entity")),
      h(
        "select",
        {
          id: "entity",
          onchange: (/** @type {any} */ event) => {
            entity = about.entities.find(({ plural }) => plural === event.target.value) ?? entity;
            void refresh().then(() => choose(null));
          },
        },
        ...about.entities.map(({ plural }) =>
          h("option", { value: plural, selected: plural === entity.plural }, plural),
        ),
      ),
    );

  const choice = () => {
    const options = items.map((item) =>
      h(
        "option",
        { value: item.id, selected: item.id === chosen?.id },
        `${labelOf(entity, item)} · ${t("version", { version: String(item.version) })}`,
      ),
    );
    const onchange = (/** @type {any} */ event) => {
      choose(items.find(({ id }) => id === event.target.value) ?? null);
      byId("which").focus();
    };
    return h(
      "div",
      { class: "choose" },
      h("label", { class: "label", for: "which" }, t("write.which")),
      h(
        "select",
        { id: "which", "data-key": "which", onchange, onfocus: () => void refresh().then(() => renew()) },
        h("option", { value: "", selected: !chosen }, t("write.new")),
        ...options,
      ),
    );
  };
  /** Brings the list up to date without touching what is being written. */
  const renew = () => {
    const select = /** @type {HTMLSelectElement | null} */ (document.getElementById("which"));
    if (!select) return;
    fill(select, .../** @type {HTMLSelectElement} */ (choice().querySelector("select")).childNodes);
    select.value = chosen?.id ?? "";
  };

  const keep = (/** @type {any} */ event) => {
    if (event.target.name) texts[event.target.name] = event.target.value;
  };

  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const document_ = chosen ? changes() : whole();
    if (chosen && Object.keys(document_).length === 0) return wrong(t("write.unchanged"));
    await send(chosen ? "change" : "create", document_);
  };
  const remove = () => send("delete", undefined);

  const whole = () =>
    Object.fromEntries(
      entity.fields.map((field) => [field.name, written(field)]).filter(([, value]) => value !== undefined),
    );
  const written = (/** @type {any} */ field) => {
    const text = texts[field.name] ?? "";
    // What has a value of its own and is left empty is not said.
    return text === "" && !field.required ? undefined : writtenIn(field, text);
  };
  const changes = () => {
    const before = textsOf(entity, chosen);
    const differ = entity.fields.filter(({ name }) => (texts[name] ?? "") !== (before[name] ?? ""));
    return Object.fromEntries(differ.map((field) => [field.name, writtenIn(field, texts[field.name] ?? "") ?? null]));
  };

  const send = async (/** @type {string} */ operation, /** @type {any} */ document_) => {
    if (sending) return;
    busy(true);
    try {
      const about_ = chosen ? { id: chosen.id, version: chosen.version } : {};
      const { number, document: written_ } = await tell("/api/writes", {
        entity: entity.plural,
        operation,
        ...about_,
        document: document_,
      });
      state.shown = number;
      if (number !== null) announce(t("write.sent", { number: String(number) }));
      items = items.filter(({ id }) => id !== chosen?.id);
      if (operation !== "delete") items = [written_, ...items].slice(0, LISTED);
      busy(false);
      choose(operation === "delete" ? null : written_);
      byId("which").focus({ preventScroll: true });
      // Where the form fills the window, its way is what is to be seen next.
      if (NARROW.matches) byId("journey").scrollIntoView({ block: "start" });
    } catch (error) {
      busy(false);
      failed(error);
    }
  };

  /** Not by disabling what was pressed: whoever uses no mouse would lose their place. */
  let sending = false;
  const busy = (/** @type {boolean} */ isBusy) => {
    sending = isBusy;
    place.querySelector("form")?.setAttribute("aria-busy", String(isBusy));
  };
  const wrong = (/** @type {string} */ message) => {
    const element = place.querySelector("#write-wrong");
    if (element) element.textContent = message;
  };
  const failed = (/** @type {unknown} */ error) => {
    for (const element of place.querySelectorAll("[aria-invalid]")) element.removeAttribute("aria-invalid");
    for (const element of place.querySelectorAll(".field .wrong")) element.textContent = "";
    const refused = error instanceof Refused ? error : new Refused(0, {});
    const reason = has(`failed.${refused.code}`) ? t(`failed.${refused.code}`) : t("write.failed");
    wrong(`${reason} ${refused.errors.length === 0 ? refused.message : ""}`.trim());
    const named = refused.errors.map(({ pointer, detail }) => [pointer.split("/")[1] ?? "", detail]);
    for (const [name, detail] of named) {
      const control = /** @type {HTMLElement | null} */ (place.querySelector(`[name="${CSS.escape(String(name))}"]`));
      if (!control) continue;
      set(control, { "aria-invalid": "true" });
      const message = place.querySelector(`#field-${CSS.escape(String(name))}-wrong`);
      if (message) message.textContent = String(detail);
    }
    /** @type {HTMLElement | null} */ (place.querySelector("[aria-invalid]"))?.focus();
  };

  onLanguage(draw);
  draw();
  if (about.operations) void refresh().then(renew);
}

/** What people know one by: its first two texts. @param {Entity} entity @param {any} item */
export function labelOf({ fields }, item) {
  const texts = fields.map(({ name }) => item[name]).filter((value) => typeof value === "string" && value !== "");
  return texts.slice(0, LABEL_FIELDS).join(" · ") || item.id;
}

/** @param {Entity} entity @param {any} item @returns {Record<string, string>} */
const textsOf = ({ fields }, item) =>
  Object.fromEntries(fields.map((field) => [field.name, textOf(field, item[field.name])]));

/** The example, with something of its own where no two may share a value. @param {Entity} entity @returns {Record<string, string>} */
function exampleTexts(entity) {
  const example = entity.example ?? {};
  const own = Math.random().toString(36).slice(2, 7);
  return Object.fromEntries(
    entity.fields.map((field) => {
      const text = textOf(field, example[field.name] ?? field.initial);
      return [field.name, field.unique && text ? `${text}-${own}` : text];
    }),
  );
}
