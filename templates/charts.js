// Says the values in a chart at the pointer, at a tap and on the arrow keys. The page's texts have them: see canvas.py.
(() => {
  "use strict";
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");  // the slider says the same to screen readers
  let shown = null;  // the chart whose value is in sight
  let leaving = 0;

  const read = line => {
    const [places, head, ...values] = line.split("\t");
    return {places: places.split(" ").map(place => place.split(",").map(Number)), head, values};
  };

  const hide = () => {
    tip.hidden = true;
    if (shown) shown.rings.replaceChildren();
    shown = null;
  };

  // Above a chart that is read from left to right, right of one that is read by rows, below the point of any other: there
  // the pointer gets to it without passing another point.
  const place = (chart, [x, y]) => {
    const box = chart.svg.getBoundingClientRect();
    const scale = box.width / chart.svg.viewBox.baseVal.width;
    const {width, height} = tip.getBoundingClientRect();
    const window_ = document.documentElement.clientWidth;
    let [left, top] = [box.left + x * scale - width / 2, box.top - height - 2];
    if (chart.along === "x" && top < 0) top = box.bottom + 2;
    if (chart.along === "xy") top = box.top + y * scale + 12;
    if (chart.along === "y") {
      const beside = box.right + 2 + width + 8 <= window_;
      left = beside ? box.right + 2 : window_;
      top = box.top + y * scale - (beside ? height / 2 : height + 12);
    }
    tip.style.left = `${Math.max(8, Math.min(left, window_ - width - 8)) + scrollX}px`;
    tip.style.top = `${Math.max(0, top + scrollY)}px`;
  };

  const show = (chart, at) => {
    clearTimeout(leaving);
    if (shown && shown !== chart) hide();
    shown = chart;
    chart.at = at;
    const {places, head, values} = chart.stops[at];
    const heading = document.createElement("b");
    heading.textContent = head;
    tip.replaceChildren(heading, ...values.map(value => {
      const line = document.createElement("span");
      line.textContent = value;
      return line;
    }));
    tip.hidden = false;
    tip.style.left = tip.style.top = "0";  // as wide as its text, wherever it was
    place(chart, places[0]);
    chart.rings.replaceChildren(...places.map(([x, y]) => {
      const ring = document.createElementNS(chart.svg.namespaceURI, "circle");
      for (const [name, value] of Object.entries({cx: x, cy: y, r: 7})) ring.setAttribute(name, value);
      return ring;
    }));
  };

  // With the keyboard on a chart its value comes back.
  const leave = chart => {
    chart.at = -1;
    clearTimeout(leaving);
    leaving = setTimeout(() => {
      hide();
      const other = charts.find(each => each.slider === document.activeElement);
      if (other) other.said();
    }, 200);
  };

  const nearest = (chart, event) => {
    const box = chart.svg.getBoundingClientRect();
    const scale = box.width / chart.svg.viewBox.baseVal.width;
    const [x, y] = [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale];
    const far = ([left, top]) => (chart.along === "y" ? 0 : (left - x) ** 2) + (chart.along === "x" ? 0 : (top - y) ** 2);
    const distances = chart.stops.map(stop => Math.min(...stop.places.map(far)));
    return distances.indexOf(Math.min(...distances));
  };

  const prepare = svg => {
    const stops = svg.dataset.stops.split("\n").map(read);
    const last = stops.length - 1;
    // A slider does for the keyboard and for screen readers what a focusable mark would need a role for (decision 217)
    const slider = document.createElement("input");
    Object.assign(slider, {type: "range", className: "unseen slider", min: 0, max: last, value: last});
    slider.setAttribute("aria-label", `Values: ${svg.querySelector("title").textContent}`);
    const rings = document.createElementNS(svg.namespaceURI, "g");
    rings.setAttribute("class", "rings");
    const chart = {svg, stops, slider, rings, along: svg.dataset.along, at: -1};
    // Up is the row above, right is later.
    const chosen = () => (chart.along === "y" ? last - slider.value : Number(slider.value));
    const say = () => {
      const {head, values} = stops[chosen()];
      slider.setAttribute("aria-valuetext", `${head}: ${values.join(", ")}`);
    };
    chart.said = () => show(chart, chosen());
    say();
    slider.addEventListener("input", () => { say(); chart.said(); });
    slider.addEventListener("focus", chart.said);
    slider.addEventListener("blur", hide);
    const point = event => {
      const at = nearest(chart, event);
      if (at !== chart.at) show(chart, at);  // else it is in sight, or was closed
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerenter", () => clearTimeout(leaving));
    svg.addEventListener("pointerleave", event => { if (event.pointerType !== "touch") leave(chart); });
    svg.append(rings);
    svg.before(slider);
    return chart;
  };

  const charts = [...document.querySelectorAll("svg[data-stops]")].map(prepare);
  if (!charts.length) return;
  document.body.append(tip);
  tip.addEventListener("pointerenter", () => clearTimeout(leaving));
  tip.addEventListener("pointerleave", () => { if (shown) leave(shown); });
  document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
  document.addEventListener("pointerdown", event => {
    if (shown && !shown.svg.contains(event.target) && !tip.contains(event.target)) { shown.at = -1; hide(); }
  });
})();
