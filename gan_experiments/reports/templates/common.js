"use strict";

const COLOURS = { ink: "#1c2430", soft: "#5c6673", line: "#e2e6eb" };
const AXES = {
  kimg: "thousands of real images drawn (kimg)",
  iterations: "iterations",
  seconds: "training seconds (images over images per second, summed; evaluation and pauses left out)",
};
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
const DASH_ARRAYS = { solid: "none", dash: "5 3", dot: "2 2", dashdot: "5 2 1 2" };

const readJson = (id) => JSON.parse(document.getElementById(id).textContent);

/** Make an element with attributes and children; strings become text, never HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** What is yet to be drawn. */
const waiting = new Set();

/** Call `draw` once, when the element first comes near the window, or before the page is printed. */
function whenSeen(element, draw) {
  const once = () => {
    if (!waiting.delete(once)) return;
    observer.disconnect();
    draw();
  };
  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) once();
  }, { rootMargin: "200px" });
  waiting.add(once);
  observer.observe(element);
}

const paperwork = [];
const openedForPaper = new Set();

/** Have something done before the page is printed. */
const beforePaper = (work) => paperwork.push(work);

/** Make the page as wide as paper, open what is folded (but what would fill sheets from a cell), draw all figures. */
function layOutOnPaper() {
  document.documentElement.classList.add("paper");
  for (const details of document.querySelectorAll("details:not([open]):not(.screen-only)")) {
    details.open = true;
    openedForPaper.add(details);
  }
  for (const work of paperwork) work();
  for (const draw of [...waiting]) draw();
  fitFigures();
}

function fitFigures() {
  for (const figure of document.querySelectorAll(".js-plotly-plot")) Plotly.Plots.resize(figure);
}

window.addEventListener("beforeprint", layOutOnPaper);
window.addEventListener("afterprint", () => {
  if (location.hash === "#print") return;
  document.documentElement.classList.remove("paper");
  for (const details of openedForPaper) details.open = false;
  openedForPaper.clear();
  fitFigures();
});

/** Names reach plotly as text: it would read some tags and entities. */
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function drawFigure(element, spec) {
  const axis = { gridcolor: COLOURS.line, zeroline: false, automargin: true, linecolor: COLOURS.line };
  const given = spec.layout || {};
  const layout = {
    margin: { l: 8, r: 12, t: 12, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: COLOURS.ink }, hoverlabel: { namelength: -1 },
    ...given, xaxis: { ...axis, ...given.xaxis }, yaxis: { ...axis, ...given.yaxis },
  };
  return Plotly.react(element, spec.data, layout, CONFIG);
}

/** Let the headers of a table sort it: by the number in data-value where there is one, else by text; blanks last. */
function makeSortable(table) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  headers.forEach((header, column) => {
    header.querySelector("button")?.addEventListener("click", () => {
      const current = header.getAttribute("aria-sort");
      const down = current ? current === "ascending" : header.dataset.first === "descending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [value(row, column), row]);
      rows.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        return down ? compare(b, a) : compare(a, b);
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}

/** Straight-line interpolation in a growing list of at least two places; its ends go on straight. */
function interpolate(places, values, at) {
  const found = places.findIndex((place) => place >= at);
  const high = found < 0 ? places.length - 1 : Math.max(found, 1);
  const share = (at - places[high - 1]) / (places[high] - places[high - 1]);
  return values[high - 1] + share * (values[high] - values[high - 1]);
}

/** Exponential moving mean, corrected for its start. */
function smoothed(values, weight) {
  let mean = 0, total = 0;
  return values.map((value) => {
    mean = weight * mean + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return mean / total;
  });
}

/** Overlaid curves of one scalar. A line: {name, about, colour, dash, curves} with curves as charts.curves gives them. */
class CurvePanel {
  constructor(root, lines = []) {
    this.root = root;
    this.figure = root.querySelector(".figure");
    this.legend = root.querySelector(".legend");
    this.noteElement = root.querySelector("[data-role=note]");
    this.controls = Object.fromEntries([...root.querySelectorAll("[name]")].map((element) => [element.name, element]));
    this.hidden = new Set();
    this.lines = lines;
    this.note = "";
    for (const control of Object.values(this.controls)) control.addEventListener("input", () => this.draw());
    whenSeen(root, () => { this.seen = true; this.draw(); });
  }

  show(lines, note = "") {
    this.lines = lines;
    this.note = note;
    this.draw();
  }

  draw() {
    if (!this.seen) return;
    const { scalar, axis, smoothing, log } = this.controls;
    const weight = Number(smoothing.value);
    const data = [], lacking = [];
    for (const line of this.lines) {
      const points = this.points(line, scalar.value, axis.value);
      if (points === null) { lacking.push(line.name); continue; }
      const name = plain(line.about ? `${line.name} (${line.about(scalar.value)})`.replace(" ()", "") : line.name);
      const visible = !this.hidden.has(line.name);
      const mode = points.x.length < 40 ? "lines+markers" : "lines";
      const style = { color: line.colour, dash: line.dash, width: 1.6 };
      if (weight > 0) {
        data.push({ ...points, visible, hoverinfo: "skip", line: { ...style, width: 1 }, opacity: 0.25, mode: "lines" });
      }
      const y = weight > 0 ? smoothed(points.y, weight) : points.y;
      data.push({ x: points.x, y, visible, name, mode, marker: { size: 4 }, line: style,
        hovertemplate: "%{y:.5g} at %{x:,.6~g}<extra>%{fullData.name}</extra>" });
    }
    drawFigure(this.figure, { data, layout: {
      showlegend: false, hovermode: "closest",
      xaxis: { title: { text: AXES[axis.value], font: { size: 12, color: COLOURS.soft } } },
      yaxis: { type: log.checked ? "log" : "linear" },
    } });
    this.drawLegend();
    const none = lacking.length ? ` Not drawn, as they have no such curve: ${lacking.join(", ")}.` : "";
    this.noteElement.textContent = this.note + none;
  }

  points(line, scalar, axis) {
    const curve = line.curves.scalars[scalar];
    const clock = line.curves.clock;
    if (!curve || (axis !== "kimg" && !clock[axis])) return null;
    const [position, y] = curve;
    const places = line.curves.places[position];
    return { x: axis === "kimg" ? places : places.map((kimg) => interpolate(clock.kimg, clock[axis], kimg)), y };
  }

  drawLegend() {
    this.legend.replaceChildren(...this.lines.map((line) => {
      const stroke = `<svg width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" stroke-width="2.5"/></svg>`;
      const button = make("button", { type: "button", "aria-pressed": String(!this.hidden.has(line.name)) }, line.name);
      button.insertAdjacentHTML("afterbegin", stroke);
      button.querySelector("line").setAttribute("stroke", line.colour);
      button.querySelector("line").setAttribute("stroke-dasharray", DASH_ARRAYS[line.dash]);
      button.addEventListener("click", () => {
        if (!this.hidden.delete(line.name)) this.hidden.add(line.name);
        this.draw();
      });
      return button;
    }));
  }
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll(".choice").forEach((choice) => choice.querySelector("select").addEventListener("input", (event) => {
  [...choice.querySelectorAll(":scope > .option")].forEach((option, at) => { option.hidden = at !== Number(event.target.value); });
}));
document.querySelectorAll("[data-figure]").forEach((element) =>
  whenSeen(element, () => drawFigure(element, readJson(element.dataset.figure))));
document.addEventListener("click", (event) => {
  const zoom = document.getElementById("zoom");
  if (event.target.matches(".pictures img")) {
    zoom.replaceChildren(make("img", { src: event.target.src, alt: event.target.alt }));
    zoom.showModal();
  } else if (zoom.open) {
    zoom.close();
  }
});
