"use strict";

/** Curves of one run; what is chosen is a family of scalars that are drawn together. */
class RunPanel extends CurvePanel {
  constructor(root) {
    super(root);
    this.families = JSON.parse(root.dataset.families);
    this.palette = readJson("palette-data");
  }

  draw() {
    if (!this.seen) return;
    this.curves ??= readJson(this.root.dataset.curves);
    this.lines = this.families[this.controls.scalar.value].map((scalar, at) => ({
      name: scalar, scalar, curves: this.curves, colour: this.palette[at % this.palette.length], dash: "solid",
    }));
    super.draw();
  }

  points(line, _, axis) {
    return super.points(line, line.scalar, axis);
  }
}

document.querySelectorAll(".curve-panel[data-families]").forEach((root) => new RunPanel(root));

const kimgOf = (picture) => `${picture.kimg.toLocaleString("en", { maximumFractionDigits: 1 })} kimg`;
const samples = document.getElementById("sample") ? readJson("pictures-0") : [];

function showSample() {
  const picture = samples[Number(document.getElementById("stop").value)];
  document.getElementById("sample").src = picture.uri;
  document.getElementById("stop-label").textContent = kimgOf(picture);
  document.getElementById("sample-caption").textContent =
    kimgOf(picture) + (picture.reduced ? `, reduced to ${picture.width} pixels` : "");
}

/** On paper there is no slider: the first, the middle and the last are shown side by side. */
function showSamplesOnPaper() {
  const chosen = new Set([0, Math.floor((samples.length - 1) / 2), samples.length - 1]);
  document.getElementById("print-samples").replaceChildren(...[...chosen].map((at) =>
    make("figure", {}, make("img", { src: samples[at].uri, alt: `samples at ${kimgOf(samples[at])}` }),
      make("figcaption", {}, `Generated, ${kimgOf(samples[at])}`))));
}

if (samples.length) {
  document.getElementById("stop").addEventListener("input", showSample);
  beforePaper(showSamplesOnPaper);
  showSample();
}
