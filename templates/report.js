"use strict";
// Adds to a page that is complete without it: how old the run is by now, sorting, filtering, links to headings, and
// copying tables. images.js and review.js follow in the same script and use these helpers.
const made = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const text = element => (element ? element.textContent.trim() : "");
const pushButton = (name, action) => {
  const button = made("button", {type: "button", className: "close"}, name);
  button.addEventListener("click", action);
  return button;
};
// Copies a text, and says on the button, called `name`, for a while whether that went well.
const copyBy = (button, name, copied) => {
  navigator.clipboard.writeText(copied).then(
    () => { button.textContent = "copied"; },
    () => { button.textContent = "not allowed by the browser"; },
  ).finally(() => setTimeout(() => { button.textContent = name; }, 2000));
};
const searchBox = label => {
  const input = made("input", {type: "search", autocomplete: "off", spellcheck: false});
  const status = made("span", {className: "quiet"});
  status.setAttribute("role", "status");
  return {input, status, box: made("p", {className: "filter"}, made("label", {}, label, input), " ", status)};
};

(() => {
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
    const {input, status, box} = searchBox(`Filter ${what} `);
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
    place.before(box);
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
        copyBy(button, name, `${format(rows)}\n`);
      });
      tools.append(button, " ");
    }
    region.after(tools);
  }
})();
