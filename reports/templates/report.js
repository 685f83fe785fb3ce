"use strict";
// The charts of a report, drawn at the reader's width from the data in the page: one time axis, one
// cursor and one zoom for all of them. Without this script the page shows the same charts as pictures.
(() => {
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const LEFT = 54, RIGHT = 12, TOP = 44, BOTTOM = 24;
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const time = { from: 0, to: data.end, at: null };
  const plots = [];
  let printing = false;

  const svg = (name, attributes, parent, text) => {
    const node = document.createElementNS(NS, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
  };
  const html = (name, attributes, parent, text) => {
    const node = document.createElement(name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
  };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const clock = (t, fine) => new Date((data.start + t) * 1000).toISOString().slice(11, fine ? 19 : 16);
  const number = (value, chart) => {
    if (chart.percent) return `${(value * 100).toLocaleString("en", { maximumSignificantDigits: 4 })} %`;
    return value.toLocaleString("en", { maximumSignificantDigits: value < 1000 ? 4 : 6 });
  };
  const round = (end, about) => {
    const raw = end / about, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((s) => s * power).find((s) => s >= raw * 0.999);
    return Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, i) => i * step);
  };
  const logs = (low, high) => {
    const found = [];
    for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high) + 1; p++)
      for (const m of [1, 2, 5]) if (m * 10 ** p >= low && m * 10 ** p <= high) found.push(m * 10 ** p);
    return found;
  };

  // A line's times: written out, or a first one and a step.
  const at = (line, i) => (line.t ? line.t[i] : line.first + line.step * i);
  const nearest = (line, x) => {
    let low = 0, high = line.v.length - 1;
    if (high < 0) return -1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(line, middle) < x) low = middle + 1; else high = middle;
    }
    if (line.stepped) return at(line, low) > x ? low - 1 : low;
    return low > 0 && x - at(line, low - 1) < at(line, low) - x ? low - 1 : low;
  };

  class Plot {
    constructor(figure, chart) {
      this.chart = chart;
      this.scope = chart.log ? { from: chart.x[0], to: chart.x[1], at: null } : time;
      this.small = figure.dataset.small !== undefined;
      const holder = figure.querySelector(".chart");
      holder.textContent = "";
      holder.classList.add("live");
      if (!this.small) html("h3", {}, holder, chart.title);
      this.legend = html("ul", { class: "legend" }, holder);
      this.values = chart.lines.map((line) => {
        const item = html("li", {}, this.legend);
        const swatch = svg("svg", { width: 26, height: 8, "aria-hidden": "true" }, item);
        svg("line", { x2: 26, y1: 4, y2: 4, class: `line ${line.color}`, "stroke-width": line.width + 0.4,
          "stroke-dasharray": line.dash }, swatch);
        html("span", {}, item, line.label);
        return html("b", {}, item);
      });
      this.holder = html("div", { class: "plot" }, holder);
      this.root = null;
      this.drawn = 0;
    }

    x(value) {
      let { from, to } = this.scope;
      if (this.chart.log) [from, to, value] = [Math.log(from), Math.log(to), Math.log(Math.max(value, 1e-9))];
      return ((value - from) / (to - from || 1)) * this.width;
    }

    value(x) {
      const { from, to } = this.scope, share = x / this.width;
      return this.chart.log ? from * (to / from) ** share : from + (to - from) * share;
    }

    y(value) { return this.height * (1 - clamp(value / this.chart.top, 0, 1)); }

    draw() {
      const outer = printing ? 680 : Math.max(260, this.holder.clientWidth);
      this.drawn = this.holder.clientWidth;
      this.width = outer - LEFT - RIGHT;
      this.height = this.small ? 200 : outer < 520 ? 150 : 170;
      const whole = this.height + TOP + BOTTOM;
      const root = svg("svg", { viewBox: `0 0 ${outer} ${whole}`, role: "img", tabindex: 0,
        "aria-label": `${this.chart.title}. ${this.chart.alt}` });
      const clip = `clip-${this.small ? "small-" : ""}${this.chart.name}`;
      svg("rect", { x: 0, y: -1, width: this.width, height: this.height + 2 }, svg("clipPath", { id: clip }, root));
      const plot = svg("g", { transform: `translate(${LEFT} ${TOP})` }, root);
      const inside = svg("g", { "clip-path": `url(#${clip})` }, plot);
      if (!this.chart.log) this.phases(plot, inside);
      this.gaps(inside);
      this.axes(plot);
      if (!this.chart.log) this.marks(plot, inside);
      this.levels(plot, inside);
      for (const line of this.chart.lines) this.line(inside, line);
      if (!this.chart.lines.length)
        svg("text", { x: this.width / 2, y: this.height / 2, class: "none", "text-anchor": "middle" }, plot, "no data");
      this.cursor = svg("line", { y2: this.height, class: "cursor", visibility: "hidden" }, plot);
      this.brush = svg("rect", { height: this.height, class: "brush", visibility: "hidden" }, plot);
      const focused = this.root && this.root === document.activeElement;
      this.holder.replaceChildren(root);
      this.root = root;
      if (focused) root.focus();
      this.listen();
      this.point();
    }

    phases(plot, inside) {
      let free = -1;
      data.phases.forEach((phase, i) => {
        const left = this.x(phase.from), right = this.x(phase.to);
        if (right <= 0 || left >= this.width) return;
        if (i % 2 === 0)
          svg("rect", { x: left, width: Math.max(0, right - left), height: this.height, class: "band" }, inside);
        const begin = Math.max(0, left), size = phase.name.length * 6.4;
        if (begin < free || begin + size > Math.min(this.width, Math.max(right, begin + 34) + 12)) return;
        svg("text", { x: begin + 2, y: -33 }, plot, phase.name);
        free = begin + size + 6;
      });
    }

    gaps(inside) {
      for (const [from, to] of this.chart.gaps || []) {
        const left = this.x(from), width = Math.max(1, this.x(to) - left);
        svg("rect", { x: left, width, height: this.height, class: "gap" }, inside);
        if (width > 50)
          svg("text", { x: left + width / 2, y: this.height / 2, "text-anchor": "middle" }, inside, "no data");
      }
    }

    axes(plot) {
      for (const value of round(this.chart.top / 1.12, 4)) {
        const y = this.y(value);
        svg("line", { x2: this.width, y1: y, y2: y, class: "grid" }, plot);
        svg("text", { x: -6, y: y + 4, "text-anchor": "end" }, plot, number(value, this.chart));
      }
      svg("line", { x2: this.width, y1: this.height, y2: this.height, class: "axis" }, plot);
      if (!this.small) svg("text", { x: -LEFT + 2, y: -18 }, plot, this.chart.unit);
      const most = Math.max(2, Math.floor(this.width / 74));
      let found;
      if (this.chart.log) found = logs(...this.chart.x).map((v) => [v, String(+v.toPrecision(3))]);
      else {
        const length = time.to - time.from, step = STEPS.find((s) => length / s <= most) || 86400;
        found = [];
        for (let s = Math.ceil((data.start + time.from) / step) * step; s <= data.start + time.to; s += step)
          found.push([s - data.start, clock(s - data.start + 1e-4, step < 60)]);
      }
      for (const [value, label] of found) {
        const x = this.x(value);
        svg("line", { x1: x, x2: x, y1: this.height, y2: this.height + 4, class: "axis" }, plot);
        if (x >= 24 && x <= this.width - 16)
          svg("text", { x, y: this.height + 17, "text-anchor": "middle" }, plot, label);
      }
      svg("text", { x: -6, y: this.height + 17, "text-anchor": "end" }, plot, this.chart.log ? "s" : "UTC");
    }

    marks(plot, inside) {
      const free = [-99, -99];
      for (const mark of data.marks) {
        const x = this.x(mark.t);
        if (x < -1 || x > this.width + 1) continue;
        const kind = mark.kind === "trip" ? "mark trip" : "mark";
        svg("line", { x1: x, x2: x, y2: this.height, class: kind }, inside);
        const row = free.findIndex((left) => x - 8 >= left);
        if (row < 0) continue;
        free[row] = x + 8;
        svg("circle", { cx: x, cy: -9 + 16 * row, r: 7.5, class: kind }, plot);
        svg("text", { x, y: -5 + 16 * row, class: "number", "text-anchor": "middle" }, plot, mark.n);
      }
    }

    levels(plot, inside) {
      for (const [place, level] of (this.chart.levels || []).entries()) {
        if (this.chart.log) {
          const x = this.x(level.v);
          svg("line", { x1: x, x2: x, y2: this.height, class: "level" }, inside);
          svg("text", { x: x - 4, y: this.height - 6 - 14 * place, class: "level", "text-anchor": "end" }, plot, level.label);
        } else {
          const y = this.y(level.v);
          svg("line", { x2: this.width, y1: y, y2: y, class: "level" }, inside);
          svg("text", { x: this.width - 4, y: y - 4, class: "level", "text-anchor": "end" }, plot, level.label);
        }
      }
    }

    // Of the values within one pixel the first, lowest, highest and last are drawn: no spike is lost.
    line(inside, line) {
      const path = [];
      const last = line.v.length - 1;
      let pen = false, column = null, low, high, end, alone = null;
      const flush = () => {
        if (column === null) return;
        for (const v of low === high ? [low] : end === low ? [high, low] : [low, high])
          path.push(`L${column} ${this.y(v).toFixed(1)}`);
        if (end !== low && end !== high) path.push(`L${column} ${this.y(end).toFixed(1)}`);
        column = null;
      };
      const dot = () => {
        if (alone) svg("circle", { cx: alone[0], cy: alone[1], r: 1.8, class: `dot ${line.color}` }, inside);
        alone = null;
      };
      const first = Math.max(0, nearest(line, this.scope.from) - 1);
      for (let i = first; i <= last; i++) {
        const t = at(line, i), v = line.v[i];
        if (i > first && i > 0 && at(line, i - 1) > this.scope.to) break;
        if (v === null) { flush(); dot(); pen = false; continue; }
        const x = +this.x(t).toFixed(1), value = v < 0 ? this.chart.top : v;
        if (v < 0) {
          const y = this.y(value);
          svg("path", { d: `M${x - 4} ${y + 7}L${x + 4} ${y + 7}L${x} ${y}Z`, class: `dot ${line.color}` }, inside);
        }
        if (!pen) {
          flush();
          path.push(`M${x} ${this.y(value).toFixed(1)}`);
          pen = true;
          alone = [x, this.y(value)];
        } else if (line.stepped) {
          path.push(`H${x}V${this.y(value).toFixed(1)}`);
          alone = null;
        } else {
          alone = null;
          if (column !== null && Math.abs(x - column) < 0.8) {
            low = Math.min(low, value); high = Math.max(high, value); end = value;
          } else { flush(); column = x; low = high = end = value; }
        }
      }
      flush();
      dot();
      svg("path", { d: path.join(""), class: `line ${line.color}`, "stroke-width": line.width,
        "stroke-dasharray": line.dash }, inside);
    }

    listen() {
      const place = (event) => {
        const box = this.root.getBoundingClientRect();
        const scale = (this.width + LEFT + RIGHT) / box.width;
        return clamp((event.clientX - box.left) * scale - LEFT, 0, this.width);
      };
      let from = null;
      this.root.addEventListener("pointermove", (event) => {
        const x = place(event);
        this.scope.at = this.value(x);
        if (from !== null) {
          this.brush.setAttribute("x", Math.min(x, from));
          this.brush.setAttribute("width", Math.abs(x - from));
          this.brush.setAttribute("visibility", Math.abs(x - from) > 4 ? "visible" : "hidden");
        }
        point(this);
      });
      this.root.addEventListener("pointerdown", (event) => {
        if (event.pointerType === "touch" || this.chart.log || event.button) return;
        from = place(event);
        this.root.setPointerCapture(event.pointerId);
      });
      this.root.addEventListener("pointerup", (event) => {
        if (from === null) return;
        const x = place(event), [a, b] = [this.value(Math.min(from, x)), this.value(Math.max(from, x))];
        const far = Math.abs(x - from) > 8;
        from = null;
        this.brush.setAttribute("visibility", "hidden");
        if (far) zoom(a, b);
      });
      this.root.addEventListener("pointerleave", () => {
        if (from === null) { this.scope.at = null; point(this); }
      });
      this.root.addEventListener("dblclick", () => zoom(0, data.end));
      this.root.addEventListener("keydown", (event) => this.key(event));
    }

    key(event) {
      const { from, to } = this.scope, step = (event.shiftKey ? 10 : 1) / this.width;
      const here = this.scope.at === null ? 0.5 : clamp(this.x(this.scope.at) / this.width, 0, 1);
      const move = { ArrowLeft: -step, ArrowRight: step }[event.key];
      if (move !== undefined) {
        this.scope.at = this.value(clamp(here + move * 4, 0, 1) * this.width);
        point(this);
      } else if ((event.key === "+" || event.key === "=") && !this.chart.log) {
        const middle = this.value(here * this.width), half = (to - from) / 4;
        zoom(middle - half, middle + half);
      } else if (event.key === "-" && !this.chart.log) zoom(from - (to - from) / 2, to + (to - from) / 2);
      else if (event.key === "Escape") { this.scope.at = null; zoom(0, data.end); point(this); }
      else return;
      event.preventDefault();
    }

    // Show the cursor and the values of all lines there.
    point() {
      const here = this.scope.at;
      const outside = here === null || here < this.scope.from || here > this.scope.to;
      this.cursor.setAttribute("visibility", outside ? "hidden" : "visible");
      if (!outside) for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, this.x(here));
      this.chart.lines.forEach((line, i) => {
        const index = outside ? -1 : nearest(line, here);
        let text = "";
        if (index >= 0) {
          const v = line.v[index], apart = Math.abs(at(line, index) - here);
          const far = !this.chart.log && !line.stepped && apart > 2 * (line.step || 5);
          text = v === null || far ? "no data" : v < 0 ? "over the scale" : number(v, this.chart);
        }
        this.values[i].textContent = text;
      });
      if (this.chart.log && !outside && this.values.length)
        this.values[0].textContent += ` within ${number(here, {})} s`;
    }
  }

  const said = document.getElementById("cursor-time");
  const point = (plot) => {
    if (plot.chart.log) { plot.point(); return; }
    for (const one of plots) if (!one.chart.log && one.root) one.point();
    if (time.at === null) { said.textContent = said.dataset.hint; return; }
    const phase = data.phases.filter((p) => p.from <= time.at && time.at < p.to).pop();
    const near = data.marks.filter((m) => Math.abs(m.t - time.at) < (time.to - time.from) / 120);
    said.textContent = [`${clock(time.at, true)} UTC`, `${time.at.toFixed(1)} s after the start`,
      phase ? phase.name : "", ...near.map((m) => `${m.n}: ${m.label}`)].filter(Boolean).join(" · ");
  };
  const zoom = (from, to) => {
    const least = Math.min(2, data.end);
    time.from = clamp(from, 0, data.end - least);
    time.to = clamp(to, time.from + least, data.end);
    for (const plot of plots) if (!plot.chart.log && plot.root) plot.draw();
  };

  const bar = document.getElementById("chart-tools");
  const select = html("select", { "aria-label": "Zoom to a phase" });
  html("option", { value: "" }, select, "Zoom to a phase");
  data.phases.forEach((phase, i) => html("option", { value: i }, select, phase.name));
  select.addEventListener("change", () => {
    const phase = data.phases[select.value];
    if (phase) { const room = Math.max(1, (phase.to - phase.from) * 0.05); zoom(phase.from - room, phase.to + room); }
  });
  const whole = html("button", { type: "button" }, null, "Whole drill");
  whole.addEventListener("click", () => { select.value = ""; zoom(0, data.end); });
  bar.prepend(select, whole);
  bar.hidden = false;
  said.textContent = said.dataset.hint;

  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const chart = data.charts.find((one) => one.name === figure.dataset.chart);
    if (chart) plots.push(new Plot(figure, chart));
  }
  const all = () => plots.forEach((plot) => plot.draw());
  all();
  new ResizeObserver(() => {
    for (const plot of plots) if (plot.holder.clientWidth && plot.holder.clientWidth !== plot.drawn) plot.draw();
  }).observe(document.body);
  addEventListener("beforeprint", () => { printing = true; time.at = null; all(); });
  addEventListener("afterprint", () => { printing = false; all(); });
})();
