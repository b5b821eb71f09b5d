"use strict";
// Adds to a page that is complete without it: how old the run is by now, sorting, filtering, links to headings, copying
// tables, and the images of a cell of the confusion matrix.
(() => {
  const made = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const text = element => (element ? element.textContent.trim() : "");

  // --- Age -------------------------------------------------------------------------------------------------------
  const time = document.querySelector(".when time");
  if (time) {
    const hours = Math.floor((Date.now() - Date.parse(time.dateTime)) / 3600000);
    const [number, unit] = hours < 48 ? [hours, "hour"] : [Math.floor(hours / 24), "day"];
    const passed = number < 1 ? "less than an hour" : `${number.toLocaleString("en")} ${unit}${number === 1 ? "" : "s"}`;
    if (hours >= 0) time.append(made("span", {className: "ago"}, `, ${passed} ago`));
  }

  // --- Sorting ---------------------------------------------------------------------------------------------------
  // The number that a cell begins with, without its interval; nothing sorts last in both directions.
  const key = cell => {
    const shown = [...cell.childNodes].filter(node => node.nodeName !== "SMALL").map(node => node.textContent).join("").trim();
    const number = parseFloat(shown.replace(/[<>,%+\s]/g, "").replace("\u2212", "-"));
    const beyond = {"<": -1e-9, ">": 1e-9}[shown[0]] || 0;  // <0.01% is less than 0.01%
    if (cell.tagName === "TD" && /^[<>+\u2212\d]/.test(shown)) return number + beyond;
    return shown === "" || shown === "\u2013" ? null : shown;
  };
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), undefined, {numeric: true});
  };
  const sort = (table, header, column) => {
    const up = header.getAttribute("aria-sort") === "descending"
      || (header.getAttribute("aria-sort") === null && !header.classList.contains("n"));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[table.tBodies.length - 1];
    const rows = [...body.rows].map(row => [key(row.cells[column]), row]);
    rows.sort(([a], [b]) => compare(a, b, up ? 1 : -1));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      if ("plain" in header.dataset) return;
      const button = made("button", {type: "button", className: "sort"}, ...header.childNodes);
      button.addEventListener("click", () => sort(table, header, column));
      header.append(button);
    });
  }

  // --- Filtering -------------------------------------------------------------------------------------------------
  const FILTER_FROM = 8;
  for (const table of document.querySelectorAll("table[data-filter]")) {
    const body = table.tBodies[table.tBodies.length - 1];
    const rows = [...body.rows];
    if (rows.length < FILTER_FROM) continue;
    const names = rows.map(row => row.textContent.toLowerCase());
    const what = table.dataset.filter;
    const input = made("input", {type: "search", autocomplete: "off", spellcheck: false});
    const status = made("span", {className: "quiet"});
    status.setAttribute("role", "status");
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !names[i].includes(wanted);
        shown += !row.hidden;
      });
      status.textContent = wanted ? `showing ${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "";
    });
    const place = table.closest(".scroll") || table;
    place.before(made("p", {className: "filter"}, made("label", {}, `Filter ${what} `, input), " ", status));
  }

  // --- Names that are cut ----------------------------------------------------------------------------------------
  document.addEventListener("pointerover", event => {
    const name = event.target.closest("bdi");
    if (name && name.scrollHeight > name.clientHeight + 1 && name.clientHeight) name.title = text(name);
  });

  // --- Links to headings -----------------------------------------------------------------------------------------
  for (const heading of document.querySelectorAll("section[id] > h2")) {
    const link = made("a", {className: "anchor", href: `#${heading.parentElement.id}`}, "#");
    link.setAttribute("aria-label", `Link to: ${text(heading)}`);
    heading.append(" ", link);
  }

  // --- Copying tables --------------------------------------------------------------------------------------------
  const words = cell => {
    const copy = cell.cloneNode(true);
    const small = [...copy.querySelectorAll("small")].map(text).filter(Boolean);
    for (const each of copy.querySelectorAll("small, svg")) each.remove();
    const main = copy.textContent.replace(/\s+/g, " ").trim();
    return small.length ? `${main} (${small.join(", ")})` : main;
  };
  // As in the CSVs of a run: a spreadsheet takes a text that begins so for a formula.
  const guarded = value => (/^[=+\-@\t\r]/.test(value) && !/^[+-][\d.,]+%?$/.test(value) ? `'${value}` : value);
  const formats = {
    Markdown: rows => {
      const lines = rows.map(row => `| ${row.map(value => value.replaceAll("|", "\\|")).join(" | ")} |`);
      return [lines[0], `|${"---|".repeat(rows[0].length)}`, ...lines.slice(1)].join("\n");
    },
    CSV: rows => rows.map(row => row.map(value => `"${guarded(value).replaceAll('"', '""')}"`).join(",")).join("\r\n"),
  };
  for (const region of document.querySelectorAll(".scroll[role=region]")) {
    const copied = region.querySelector("table");
    if (!copied || !copied.tHead) continue;
    const tools = made("p", {className: "tools"}, "Copy as ");
    for (const [name, format] of Object.entries(formats)) {
      const button = made("button", {type: "button"}, name);
      button.setAttribute("aria-label", `Copy as ${name}: ${region.getAttribute("aria-label")}`);
      button.addEventListener("click", () => {
        const rows = [...copied.rows].filter(row => !row.hidden).map(row => [...row.cells].map(words));
        navigator.clipboard.writeText(`${format(rows)}\n`).then(
          () => { button.textContent = "copied"; },
          () => { button.textContent = "not allowed by the browser"; },
        ).finally(() => setTimeout(() => { button.textContent = name; }, 2000));
      });
      tools.append(button, " ");
    }
    region.after(tools);
  }

  // --- The images of a cell --------------------------------------------------------------------------------------
  const source = document.getElementById("cell-data");
  const panel = document.getElementById("cell-images");
  if (!source || !panel) return;
  const {classes, cells} = JSON.parse(source.textContent);
  let opened = null;

  const picture = (id, path) => {
    const image = id && document.getElementById(id);
    if (!image || image.tagName !== "image") {
      const box = made("div", {className: "picture absent"}, "no picture");
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", `no picture of ${path}`);
      return box;
    }
    const [width, height] = ["width", "height"].map(side => Number(image.getAttribute(side)));
    const svg = document.createElementNS(image.namespaceURI, "svg");
    svg.setAttribute("class", Math.max(width, height) <= 64 ? "picture pixels" : "picture");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", path);
    const use = document.createElementNS(image.namespaceURI, "use");
    use.setAttribute("href", `#${id}`);
    svg.append(use);
    return svg;
  };
  const entry = ([path, confidence, id]) => {
    const facts = made("dl", {}, made("div", {}, made("dt", {}, "confidence"), made("dd", {}, confidence)));
    return made("li", {}, picture(id, path), facts, made("code", {className: "path"}, made("bdi", {}, path)));
  };
  const close = () => {
    panel.hidden = true;
    panel.replaceChildren();
    if (!opened) return;
    opened.setAttribute("aria-selected", "false");
    opened = null;
  };
  const show = (from, id, label, prediction, facts, number) => {
    close();
    opened = from;
    from.setAttribute("aria-selected", "true");
    const images = cells[id] || [];
    const heading = made("h3", {}, "True ", made("bdi", {}, label), ", predicted ", made("bdi", {}, prediction), `: ${facts}`);
    const leave = made("button", {type: "button", className: "close"}, "Close");
    const back = from;
    leave.addEventListener("click", () => { close(); back.focus(); });
    const note = images.length
      ? `Showing ${images.length} of ${number}, the most confident first.`
      : "The page has no room for these images; the predictions list them.";
    panel.append(made("div", {className: "panel-head"}, heading, leave), made("p", {className: "quiet"}, number === "0" ? "No image." : note));
    if (images.length) panel.append(made("ul", {className: "gallery"}, ...images.map(entry)));
    panel.hidden = false;
    panel.scrollIntoView({block: "nearest"});
  };
  panel.addEventListener("keydown", event => {
    if (event.key !== "Escape" || !opened) return;
    const back = opened;
    close();
    back.focus();
  });

  for (const hint of document.querySelectorAll(".hint")) hint.hidden = false;
  for (const row of document.querySelectorAll("tr[data-cell]")) {
    const number = row.cells[2];
    const [label, prediction] = [text(row.cells[0]), text(row.cells[1])];
    const button = made("button", {type: "button", className: "number"}, text(number));
    button.setAttribute("aria-label", `${text(number)} images of ${label} predicted as ${prediction}: show them`);
    button.addEventListener("click", () => {
      const facts = `${text(button)} images`;
      show(button, row.dataset.cell, label, prediction, facts, text(button));
      button.removeAttribute("aria-selected");
      panel.focus();
    });
    number.replaceChildren(button);
  }

  const table = document.querySelector("table.matrix");
  const grid = [...table.tBodies[0].rows].map(row => [...row.cells].filter(cell => cell.tagName === "TD" && !cell.classList.contains("total")));
  const heads = [...table.tHead.rows[0].cells].slice(1);
  const place = cell => {
    const row = cell.parentElement.rowIndex - 1;
    return [row, grid[row].indexOf(cell)];
  };
  table.setAttribute("role", "grid");
  table.classList.add("active");
  grid.flat().forEach(cell => { cell.tabIndex = -1; });
  let current = grid[0][0];
  current.tabIndex = 0;
  const move = cell => {
    current.tabIndex = -1;
    current = cell;
    current.tabIndex = 0;
    current.focus();
  };
  const open = (cell, byKeyboard) => {
    const [row, column] = place(cell);
    const number = text(cell.querySelector("b")) || "0";
    const share = text(cell.querySelector("i"));
    const facts = number === "0" ? "0 images" : `${number} image${number === "1" ? "" : "s"} (${share} of the true class)`;
    const label = text(table.tBodies[0].rows[row].cells[0]);
    show(cell, `${classes[row]}-${classes[column]}`, label, text(heads[column]), facts, number);
    if (byKeyboard) panel.focus();
  };
  table.addEventListener("click", event => {
    const cell = event.target.closest("tbody td:not(.total)");
    if (!cell) return;
    move(cell);
    open(cell, false);
  });
  table.addEventListener("keydown", event => {
    const cell = event.target.closest("tbody td:not(.total)");
    if (!cell || event.ctrlKey || event.altKey || event.metaKey) return;
    const [row, column] = place(cell);
    const last = grid.length - 1;
    const to = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, last],
      PageUp: [0, column],
      PageDown: [last, column],
    }[event.key];
    if (to) {
      const inside = to.map(at => Math.min(Math.max(at, 0), last));
      move(grid[inside[0]][inside[1]]);
    } else if (event.key === "Enter" || event.key === " ") {
      open(cell, true);
    } else if (event.key === "Escape") {
      close();
    } else {
      return;
    }
    event.preventDefault();
  });
})();
