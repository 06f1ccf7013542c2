// What the panel does beyond links and forms: the as-of slider, the blame dialog, keys, copying.
// Every page can be read, filtered, printed and exported without it.
"use strict";

const find = (selector, within = document) => within.querySelector(selector);

function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

// ---- the slider: every state is in `states`, as differences; a step costs a search in each row

class Slider {
  constructor(form) {
    this.form = form;
    this.range = find("#slider", form);
    this.card = find("#card");
    this.last = Number(form.dataset.last);
    this.states = null;
    const fetchOnce = () => this.load();
    for (const sign of ["pointerenter", "focusin"]) form.addEventListener(sign, fetchOnce, { once: true });
    this.range.addEventListener("input", () => this.show(Number(this.range.value)));
    for (const [id, step] of [["#earlier", -1], ["#later", 1]]) {
      find(id, form).addEventListener("click", (event) => {
        if (!form.dataset.states) return;
        event.preventDefault();
        this.show(Number(this.range.value) + step);
      });
    }
  }

  async load() {
    if (!this.form.dataset.states) return null;
    this.loading ??= fetch(this.form.dataset.states, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : null))
      .catch(() => null);
    if (!this.states) {
      this.states = await this.loading;
      if (this.states) this.drawTicks();
    }
    return this.states;
  }

  async show(version) {
    version = Math.min(Math.max(version, 1), this.last);
    this.range.value = version;
    this.wanted = version;
    find(".card-fold").open = true;
    const states = this.states ?? (await this.load());
    if (version !== this.wanted) return;
    if (states) this.draw(version);
    else this.ask(version);
  }

  draw(version) {
    const [, , moment, , sentence] = this.states.versions[version - 1];
    const isNow = version === this.last;
    const sections = new Map();
    for (const [key, section, label, texts] of this.states.rows) {
      const at = indexAt(texts, version);
      if (at < 0 || texts[at][1] === null) continue;
      const now = texts[texts.length - 1][1];
      const differs = !isNow && at < texts.length - 1 && (this.states.masked || texts[at][1] !== now);
      if (!sections.has(section)) sections.set(section, []);
      sections.get(section).push({ key, label, text: texts[at][1], differs, now, just: texts[at][0] === version });
    }
    const drawn = [...sections].map(([name, rows]) =>
      element("section", { class: "rows" }, element("h2", {}, name), element("dl", {}, ...rows.map((row) => this.row(row, version, isNow)))),
    );
    if (!isNow) drawn.unshift(this.banner(version, moment));
    this.card.replaceChildren(...drawn);
    window.htmx?.process(this.card);
    find("#happened").textContent = isNow ? "" : `Event ${version}: ${sentence}`;
    this.tell(version, isNow ? "now" : moment);
    remember(isNow ? null : version);
  }

  row({ key, label, text, differs, now, just }, version, isNow) {
    const query = `field=${encodeURIComponent(key)}${isNow ? "" : `&as_of=${version}`}`;
    const href = `${this.form.action}/blame?${query}`;
    const link = element("a", { href, "hx-get": href, "hx-target": "#blame", title: "Where does this come from?" }, label);
    const value = element("dd", {}, text);
    if (differs) value.append(" ", element("span", { class: "now" }, element("span", { class: "sr" }, ", which differs: "), `now ${now ?? "nothing"}`));
    const kind = `row${differs ? " differs" : ""}${just && !isNow ? " just" : ""}`;
    return element("div", { class: kind }, element("dt", {}, link), value);
  }

  banner(version, moment) {
    const back = element("a", { href: here({ as_of: null, as_of_at: null }) }, "Back to now");
    back.addEventListener("click", (event) => {
      event.preventDefault();
      this.show(this.last);
      this.range.focus();
    });
    return element("p", { class: "banner" }, element("strong", {}, `You are looking at ${moment}`), `, version ${version} of ${this.last}. `, back);
  }

  mark(version) {
    find(".entry.is-shown")?.classList.remove("is-shown");
    if (version !== this.last) find(`#v${version}`)?.classList.add("is-shown");
  }

  follow({ version, words }) {
    this.range.value = version;
    this.tell(Number(version), words);
    find("#happened").textContent = "";
  }

  tell(version, moment) {
    find("#slider-words").textContent = `${version} of ${this.last}`;
    find("#now-chip").textContent = `As of ${moment}`;
    this.range.setAttribute("aria-valuetext", `version ${version} of ${this.last}, ${moment}`);
    this.mark(version);
  }

  ask(version) {
    // Too long a history to hold in the page: the server draws each step.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      window.htmx?.ajax("GET", here({ as_of: version, as_of_at: null }), { target: "#card" });
      remember(version === this.last ? null : version);
    }, 80);
    find("#slider-words").textContent = `${version} of ${this.last}`;
  }

  drawTicks() {
    const svg = find("#ticks");
    const wide = Math.max(this.last - 1, 1);
    svg.setAttribute("viewBox", `0 0 ${wide} 1`);
    const drawn = this.states.versions
      .filter(([, , , kind]) => kind !== "matched")
      .map(([version, , , kind]) => {
        const tick = document.createElementNS("http://www.w3.org/2000/svg", "line");
        for (const end of ["x1", "x2"]) tick.setAttribute(end, version - 1);
        tick.setAttribute("y2", 1);
        tick.setAttribute("class", `kind-${kind}`);
        return tick;
      });
    svg.replaceChildren(...drawn);
  }
}

function indexAt(texts, version) {
  let low = 0;
  let high = texts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (texts[middle][0] <= version) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// ---- the URL keeps what is shown

function here(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return `${url.pathname}${url.search}`;
}

let remembering;
function remember(version) {
  clearTimeout(remembering); // browsers limit how often a page may write its URL
  remembering = setTimeout(() => history.replaceState(history.state, "", here({ as_of: version, as_of_at: null })), 250);
}

document.addEventListener("htmx:configRequest", (event) => {
  const { elt, formData } = event.detail;
  const own = { filters: ["as_of", "as_of_at"], "as-of": null }[elt.id];
  if (own === undefined) return;
  const now = new URL(location.href).searchParams;
  if (elt.id === "as-of" && formData.get("as_of_at")) formData.delete("as_of");
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  for (const [name, value] of now) {
    const carry = own ? own.includes(name) : !["as_of", "as_of_at", "before"].includes(name);
    if (carry) formData.append(name, value);
  }
});

// ---- the rest

function start() {
  for (const hidden of document.querySelectorAll("input.carried")) hidden.remove();
  const form = find("#as-of");
  const slider = form ? new Slider(form) : null;

  const fold = find(".card-fold");
  if (fold && matchMedia("(max-width: 36rem)").matches && !location.search.includes("as_of")) fold.open = false;

  let shown = 0;
  document.addEventListener("htmx:beforeSwap", () => {
    shown = document.querySelectorAll(".history .entry").length;
  });

  const dialog = find("#blame-dialog");
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "blame" && dialog && !dialog.open) dialog.showModal();
    if (event.detail.target.id === "card") slider?.follow(find("#card-version").dataset);
    if (event.detail.target.id === "older" && document.activeElement === document.body) {
      document.querySelectorAll(".history .entry")[shown]?.focus(); // the link that was pressed is gone
    }
    if (event.detail.target.id === "main") event.detail.target.focus(); // a problem, in place of the page
  });
  document.addEventListener("htmx:beforeRequest", () => find("#unreached")?.remove());
  document.addEventListener("htmx:sendError", () => {
    const words = "The patient ledger cannot be reached. Try again in a moment.";
    find("#main").prepend(element("p", { class: "trouble", role: "alert", id: "unreached" }, words));
  });
  dialog?.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  find(".history")?.addEventListener("keydown", (event) => {
    const step = { j: 1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const entries = [...document.querySelectorAll(".history .entry")];
    const at = entries.indexOf(event.target.closest(".entry"));
    const next = entries[at < 0 ? 0 : at + step];
    if (next) next.focus();
  });

  if (navigator.clipboard) {
    for (const button of document.querySelectorAll("[data-copies]")) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(find(`#${button.dataset.copies}`).textContent);
        button.textContent = "Copied";
      });
    }
  }

  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll(".told details, .card-fold")) details.open = true;
  });
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
