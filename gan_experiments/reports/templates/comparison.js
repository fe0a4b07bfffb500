"use strict";

const MOST_DRAWN = 40;
const MOST_COLUMNS = 12;

const runs = readJson("run-data");
const stops = document.getElementById("stop") ? readJson("stop-data") : [];
const rows = [...document.getElementById("runs").tBodies[0].rows];
const runOf = (row) => Number(row.dataset.run);
const pick = (row) => row.querySelector(".pick");
const cached = new Map();

/** Data of one run; parsed when first asked for. */
function dataOf(kind, run) {
  const id = `${kind}-${run}`;
  if (!cached.has(id)) cached.set(id, document.getElementById(id) ? readJson(id) : null);
  return cached.get(id);
}

/** The checked runs, best first. */
const checked = () => rows.filter((row) => pick(row).checked).map(runOf);

const panelElement = document.getElementById("curves");
const panel = panelElement && new CurvePanel(panelElement);

function showCurves(chosen) {
  const drawn = chosen.slice(0, MOST_DRAWN);
  const note = chosen.length > drawn.length ? `Drawn are the first ${MOST_DRAWN} of ${chosen.length} checked runs.` : "";
  panel?.show(drawn.map((run) => ({
    ...runs[run], curves: dataOf("curves", run), about: (scalar) => runs[run].protocols[scalar] ?? "",
  })), note);
}

function showPictures(chosen) {
  const place = document.getElementById("pictures");
  if (!place) return;
  const stop = stops[Number(document.getElementById("stop").value)];
  document.getElementById("stop-label").textContent = `${stop.toLocaleString("en", { maximumFractionDigits: 0 })} kimg`;
  const having = chosen.filter((run) => dataOf("pictures", run));
  place.replaceChildren(...having.map((run) => {
    const pictures = dataOf("pictures", run);
    const best = pictures.reduce((a, b) => (Math.abs(b.kimg - stop) < Math.abs(a.kimg - stop) ? b : a));
    const reduced = best.reduced ? `, reduced to ${best.width} pixels` : "";
    const text = `${best.kimg.toLocaleString("en", { maximumFractionDigits: 1 })} kimg${reduced}`;
    return make("figure", {}, make("img", { src: best.uri, alt: `samples of ${runs[run].name}` }),
      make("figcaption", {}, make("b", {}, runs[run].name), make("br"), text));
  }));
  const lacking = chosen.length - having.length;
  document.getElementById("pictures-note").textContent = lacking ? `Of ${lacking} checked runs there is none here.` : "";
}

function showSettings(chosen) {
  const place = document.getElementById("settings");
  const { keys, options, of } = readJsonOnce("settings-data");
  const shown = chosen.slice(0, MOST_COLUMNS);
  const differing = keys.map((_, key) => key).filter((key) => new Set(shown.map((run) => of[key][run])).size > 1);
  if (!differing.length) {
    place.replaceChildren(make("p", { class: "soft inset" }, shown.length < 2 ? "Check two runs or more." : "They differ in nothing."));
    return;
  }
  const more = chosen.length > shown.length ? ` (the first ${MOST_COLUMNS} of ${chosen.length})` : "";
  const head = make("tr", {}, make("th", { scope: "col", class: "first" }, `key${more}`),
    ...shown.map((run) => make("th", { scope: "col", class: "wrap" }, runs[run].name)));
  const lines = differing.map((key) => make("tr", {}, make("td", { class: "code first" }, keys[key]),
    ...shown.map((run) => make("td", { class: "setting" }, options[key][of[key][run]]))));
  place.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines)));
}

function readJsonOnce(id) {
  if (!cached.has(id)) cached.set(id, readJson(id));
  return cached.get(id);
}

function showChecked() {
  const chosen = checked();
  showCurves(chosen);
  showPictures(chosen);
  showSettings(chosen);
}

function filter() {
  const words = document.getElementById("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) row.hidden = !words.every((word) => row.dataset.text.includes(word));
  const shown = rows.filter((row) => !row.hidden).length;
  document.getElementById("count").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} runs`;
}

document.getElementById("runs").addEventListener("change", showChecked);
document.getElementById("filter").addEventListener("input", filter);
document.getElementById("check-shown").addEventListener("click", () => {
  for (const row of rows) pick(row).checked = !row.hidden;
  showChecked();
});
document.getElementById("uncheck").addEventListener("click", () => {
  for (const row of rows) pick(row).checked = false;
  showChecked();
});
document.getElementById("stop")?.addEventListener("input", () => showPictures(checked()));
document.querySelectorAll("input.column").forEach((box) => box.addEventListener("change", () => {
  const boxes = [...document.querySelectorAll("input.column")];
  const hidden = boxes.filter((one) => !one.checked).map((one) => `#runs tr > :nth-child(${one.value})`);
  document.getElementById("column-count").textContent = boxes.length - hidden.length;
  document.getElementById("hidden-columns").textContent = hidden.length ? `${hidden.join(", ")} { display: none; }` : "";
}));

filter(); // a reloaded page may keep what was typed and checked
showChecked();
