// The line charts of the live page, by uPlot: each with a legend that shows figures, and a table of the same.
"use strict";

const FORMS = {
  count: (value) => number(value, value < 10 && value % 1 ? 1 : 0),
  rate: (value) => `${number(value, value < 10 && value % 1 ? 1 : 0)}/s`,
  seconds: (value) => (value === 0 ? "0 s" : value >= 0.9995 ? `${number(value, value < 10 ? 1 : 0)} s` : `${number(value * 1000, value < 0.01 ? 1 : 0)} ms`),
  bytes: (value) => {
    const power = value < 1 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
    const scaled = value / 1024 ** power;
    return `${number(scaled, power && scaled < 100 ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
  },
};

const CHARTS = [
  { title: "Writes per second", form: "rate", lines: [["committed", "committed"], ["rejected", "rejected"], ["failed", "failed"]] },
  { title: "Commits per second", form: "rate", lines: [["commits", "commits"]] },
  { title: "Writes in a batch", form: "count", lines: [["batch_mean", "mean"], ["batch_largest", "largest"]] },
  { title: "Waiting writes", form: "count", lines: [["waiting", "most"]] },
  { title: "Age of the oldest waiting write", form: "seconds", lines: [["oldest", "highest"]] },
  { title: "Wait in the queue", form: "seconds", lines: [["wait_p50", "p50"], ["wait_p99", "p99"]] },
  { title: "Time to apply a batch", form: "seconds", lines: [["apply_p50", "p50"], ["apply_p99", "p99"]] },
  { title: "Time to commit a batch", form: "seconds", lines: [["commit_p50", "p50"], ["commit_p99", "p99"]] },
  { title: "Memory of Redis", form: "bytes", lines: [["redis_bytes", "most"]] },
  { title: "Write-ahead log", form: "bytes", lines: [["log_bytes", "largest"]], ofFile: true },
];

const HEIGHT = 150;
const DASHES = [[], [6, 4], [2, 3]]; // lines differ by more than colour
const STEPS = {
  bytes: Array.from({ length: 41 }, (_, power) => 2 ** power),
  count: Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat(),
}; // between two marks of an axis; else uPlot's own
const LEAST_TOP = { count: 5, rate: 5, seconds: 0.01, bytes: 1024 };

function number(value, digits) {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function shown(form, value) {
  return value === null || value === undefined ? "–" : FORMS[form](value);
}

function clockTime(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

function swatch(place) {
  const made = element("span", { class: `live-swatch live-line-${place + 1}`, "aria-hidden": "true" });
  return made;
}

// What is drawn on a canvas takes its colours from the style sheet, so it follows the theme.
function colour(name) {
  return getComputedStyle(document.getElementById("live")).getPropertyValue(name).trim();
}

// A point between two gaps would be no line, and so not be seen.
function alone(plot, series) {
  const values = plot.data[series];
  const found = [];
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) found.push(i);
  }
  return found.length ? found : null;
}

class Chart {
  constructor(spec, place, options) {
    this.spec = spec;
    this.options = options;
    const id = `live-chart-${place}`;
    this.values = spec.lines.map(() => element("span", { class: "live-value" }, "–"));
    const legend = element("ul", { class: "live-legend" });
    spec.lines.forEach(([, name], i) => legend.append(element("li", {}, swatch(i), `${name} `, this.values[i])));
    this.at = element("span", { class: "live-at", "aria-hidden": "true" });
    this.area = element("div", { class: "live-plot", role: "img", "aria-label": spec.title });
    this.none = element("p", { class: "live-none", hidden: "" }, "Nothing in the last 15 minutes.");
    this.details = element("details", {}, element("summary", {}, "Table"));
    this.details.addEventListener("toggle", () => this.fillTable());
    this.figure = element("figure", { class: "live-chart", "aria-labelledby": id },
      element("figcaption", { id }, element("h2", {}, spec.title), this.at),
      legend, element("div", { class: "live-area" }, this.area, this.none), this.details);
  }

  show(columns) {
    this.columns = columns;
    const data = [columns.ends, ...this.spec.lines.map(([key]) => columns[key])];
    if (this.plot) this.plot.setData(data);
    else this.plot = new uPlot(this.settings(), data, this.area);
    const isEmpty = data.slice(1).every((line) => line.every((value) => value === null));
    this.none.hidden = !isEmpty;
    this.area.setAttribute("aria-label", this.inWords());
    this.showValues(null);
    if (this.details.open) this.fillTable();
  }

  settings() {
    const axis = { stroke: () => colour("--live-text"), grid: { stroke: () => colour("--live-grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const { form, lines } = this.spec;
    return {
      width: this.area.clientWidth || 300,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "live" }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
      select: { show: false },
      scales: {
        x: { range: (plot, least, most) => [most - this.options.history, most] },
        y: { range: (plot, least, most) => [0, Math.max(LEAST_TOP[form], (most ?? 0) * 1.1)] },
      },
      axes: [
        { ...axis, size: 28, space: 60, values: (plot, marks) => marks.map((mark) => clockTime(mark).slice(0, 5)), incrs: [60, 120, 180, 300, 600, 900] },
        { ...axis, size: 64, space: 32, values: (plot, marks) => marks.map((mark) => FORMS[form](mark)),
          incrs: STEPS[form] },
      ],
      series: [{}, ...lines.map((_, i) => ({
        stroke: () => colour(`--live-${i + 1}`), width: 2, dash: DASHES[i],
        points: { show: false, filter: alone, size: 5, fill: () => colour(`--live-${i + 1}`) },
      }))],
      hooks: { setCursor: [(plot) => this.showValues(plot.cursor.idx)] },
    };
  }

  // Those under the pointer, else the newest.
  showValues(index) {
    const { ends } = this.columns;
    const place = index ?? ends.length - 1;
    this.spec.lines.forEach(([key], i) => { this.values[i].textContent = shown(this.spec.form, this.columns[key][place]); });
    this.at.textContent = index === null || index === undefined ? "" : clockTime(ends[place]);
  }

  inWords() {
    const { form, lines, title } = this.spec;
    const told = lines.map(([key, name]) => {
      const known = this.columns[key].filter((value) => value !== null);
      if (!known.length) return `${name}: nothing`;
      return `${name}: now ${shown(form, this.columns[key].at(-1))}, at most ${shown(form, known.reduce((a, b) => Math.max(a, b)))}`;
    });
    return `${title}, line chart of the last 15 minutes. ${told.join("; ")}.`;
  }

  // The rows alone are new each time: who reads the table keeps the place, and the focus.
  fillTable() {
    if (!this.details.open || !this.columns) return;
    const { form, lines } = this.spec;
    this.rows ??= this.makeTable();
    this.rows.replaceChildren(...this.columns.ends.map((end, i) => element("tr", {},
      element("th", { scope: "row" }, clockTime(end)),
      ...lines.map(([key]) => element("td", {}, shown(form, this.columns[key][i]))))).reverse());
  }

  makeTable() {
    const { lines, title } = this.spec;
    const head = ["Until", ...lines.map(([, name]) => name)].map((text) => element("th", { scope: "col" }, text));
    const rows = element("tbody");
    this.details.append(element("div", { class: "live-table", tabindex: "0", role: "region", "aria-label": `${title}, table` },
      element("table", {}, element("thead", {}, element("tr", {}, ...head)), rows)));
    return rows;
  }

  resize() {
    this.plot?.setSize({ width: this.area.clientWidth, height: HEIGHT });
  }

  redraw() {
    this.plot?.redraw(false, true);
  }
}

function makeCharts(place, options) {
  const charts = CHARTS.filter((spec) => !spec.ofFile || options.isFile).map((spec, i) => new Chart(spec, i, options));
  place.append(...charts.map((chart) => chart.figure));
  new ResizeObserver(() => charts.forEach((chart) => chart.resize())).observe(place);
  const redraw = () => charts.forEach((chart) => chart.redraw());
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return charts;
}
