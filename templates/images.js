// Adds to the pictures of a page: a larger one with its path and a link to its file, a search by path, and the images
// of a class or of a cell of the confusion matrix. review.js adds its controls by `images.extend`.
const images = (() => {
  const read = id => {
    const source = document.getElementById(id);
    return source ? JSON.parse(source.textContent) : null;
  };
  const {folders = {}, review = null} = read("page-data") || {};
  const extensions = [];

  // --- Which image a tile is -------------------------------------------------------------------------------------
  // What the predictions have: the page shows no hidden characters and cuts long names.
  const exactOf = (shown, exact) => (exact ? JSON.parse(exact) : shown);
  const of = tile => {
    const shown = tile.querySelector(".picture").getAttribute("aria-label").replace(/^no picture of /, "");
    return {tile, shown, exact: exactOf(shown, tile.dataset.path), split: tile.dataset.split};
  };
  const address = ({split, exact}) => {
    // A name that is no UTF-8 has escapes here, by which no file is found.
    if (!Object.hasOwn(folders, split) || /\\udc[89a-f][0-9a-f]/.test(exact)) return null;
    return folders[split] + exact.split("/").map(encodeURIComponent).join("/");
  };

  // --- The larger picture ----------------------------------------------------------------------------------------
  let dialog = null;
  let opened = null;  // {tiles, place}: the tiles of a gallery, and which of them is shown
  const build = () => {
    dialog = made("dialog", {className: "viewer"});
    dialog.setAttribute("aria-labelledby", "viewer-title");
    const title = made("h2", {id: "viewer-title"});
    const step = made("p", {className: "quiet"});
    step.setAttribute("role", "status");
    const buttons = made("div", {className: "viewer-buttons"},
      pushButton("Previous", () => turn(-1)), pushButton("Next", () => turn(1)), pushButton("Close", () => dialog.close()));
    dialog.append(made("div", {className: "viewer-head"}, title, buttons), step, made("div", {className: "viewer-body"}));
    dialog.addEventListener("keydown", event => {
      const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!by || event.target.matches("select, input") || event.ctrlKey || event.altKey || event.metaKey) return;
      turn(by);
      event.preventDefault();
    });
    dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => {
      if (dialog.open || !opened) return;  // it was opened again before this event came
      const back = opened.tiles[opened.place].querySelector(".enlarge");
      opened = null;
      if (back) back.focus();
    });
    document.body.append(dialog);
  };
  const fill = () => {
    const {tiles, place} = opened;
    const image = of(tiles[place]);
    const body = dialog.querySelector(".viewer-body");
    const focused = document.activeElement.id;
    dialog.querySelector("h2").replaceChildren(made("bdi", {}, image.shown));
    dialog.querySelector("[role=status]").textContent = `Image ${place + 1} of ${tiles.length}`;
    const parts = [image.tile.querySelector(".picture").cloneNode(true)];
    const facts = image.tile.querySelector("dl");
    if (facts) parts.push(facts.cloneNode(true));
    parts.push(...extensions.map(extension => extension.inViewer && extension.inViewer(image)).filter(Boolean));
    const file = address(image);
    if (file !== null) {
      const link = made("a", {href: file, target: "_blank", rel: "noopener"}, "Open the file");
      parts.push(made("p", {className: "quiet"}, link, " if it is still where the run read it: ", made("code", {}, decodeURIComponent(file))));
    }
    body.replaceChildren(...parts);
    if (focused && body.querySelector(`#${focused}`)) body.querySelector(`#${focused}`).focus();
    const [previous, next] = dialog.querySelectorAll(".viewer-buttons button");
    previous.disabled = place === 0;
    next.disabled = place === tiles.length - 1;
  };
  const turn = by => {
    const place = opened.place + by;
    if (place < 0 || place >= opened.tiles.length) return;
    opened.place = place;
    fill();
    const focused = document.activeElement;
    if (!dialog.contains(focused) || focused.disabled || focused === document.body) dialog.querySelector(".viewer-buttons button:not(:disabled)").focus();
  };
  const open = tile => {
    if (!dialog) build();
    const list = tile.parentElement;
    const tiles = [...list.children].filter(each => !each.hidden && each.querySelector(".picture"));
    opened = {tiles, place: tiles.indexOf(tile)};
    fill();
    dialog.showModal();
  };

  // --- Tiles -----------------------------------------------------------------------------------------------------
  const LISTS = ".gallery, .strip";
  const prepare = list => {
    for (const tile of list.children) {
      const picture = tile.querySelector(":scope > .picture");
      if (!picture) continue;
      const button = made("button", {type: "button", className: "enlarge"});
      button.setAttribute("aria-label", `Enlarge ${of(tile).shown}`);
      picture.replaceWith(button);
      button.append(picture);
      for (const extension of extensions) if (extension.onTile) extension.onTile(of(tile), list);
    }
  };
  document.addEventListener("click", event => {
    const button = event.target.closest(".enlarge");
    if (button) open(button.parentElement);
  });

  // --- Search by path --------------------------------------------------------------------------------------------
  const SEARCH_FROM = 8;
  for (const section of document.querySelectorAll("main > section")) {
    const tiles = [...section.querySelectorAll(".gallery > li, .strip > li")];
    if (tiles.length < SEARCH_FROM) continue;
    const {input, status, box} = searchBox("Search images by path ");
    const unfolded = new Set();
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let shown = 0;
      for (const tile of tiles) {
        tile.hidden = !of(tile).shown.toLowerCase().includes(wanted);
        shown += !tile.hidden;
      }
      for (const behind of section.querySelectorAll("details.behind")) {
        if (!behind.querySelector(LISTS)) continue;
        if (wanted && !behind.open && behind.querySelector("li:not([hidden])")) {
          behind.open = true;
          unfolded.add(behind);
        } else if (!wanted && unfolded.delete(behind)) {
          behind.open = false;
        }
      }
      status.textContent = wanted ? `showing ${shown.toLocaleString("en")} of ${tiles.length.toLocaleString("en")} images` : "";
    });
    const heading = section.querySelector("h2");
    heading.after(box);
  }

  // --- The images of a class and of a cell -----------------------------------------------------------------------
  const source = read("cell-data");
  const panel = document.getElementById("cell-images");
  let from = null;

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
  const entry = ([path, confidence, id, exact], names) => {
    const fact = (term, value) => made("div", {}, made("dt", {}, term), made("dd", {}, made("bdi", {}, value)));
    const facts = made("dl", {}, fact("true", names[0]), fact("predicted", names[1]), fact("confidence", confidence));
    const tile = made("li", {}, picture(id, path), facts, made("code", {className: "path"}, made("bdi", {}, path)));
    tile.dataset.split = review.split[0];
    if (exact) tile.dataset.path = exact;
    return tile;
  };
  const close = () => {
    panel.hidden = true;
    panel.replaceChildren();
    if (from && from.tagName === "TD") from.setAttribute("aria-selected", "false");
    from = null;
  };
  // `keys` are the cells, as TRUE-PREDICTED, whose images are shown.
  const show = (by, title, keys, number, condition) => {
    close();
    from = by;
    if (by.tagName === "TD") by.setAttribute("aria-selected", "true");
    const names = key => key.split("-").map(place => review.classes[place][0]);
    const tiles = keys.flatMap(key => (source.cells[key] || []).map(each => entry(each, names(key))));
    const leave = pushButton("Close", () => { close(); by.focus(); });
    panel.append(made("div", {className: "panel-head"}, made("h3", {}, ...title), leave));
    const whole = Number(number.replaceAll(",", ""));
    let note = `Showing ${tiles.length} of ${number}, the most confident ${keys.length > 1 ? "of each cell" : "first"}.`;
    if (by.classList.contains("revised")) note += " By the labels of the run.";
    if (!whole) note = "No image.";
    else if (!tiles.length) note = "The page has no room for these images; the predictions list them.";
    panel.append(made("p", {className: "quiet"}, note));
    if (tiles.length < whole) panel.append(made("p", {className: "quiet"}, "All of them: ", made("code", {className: "command"}, query(condition))));
    if (tiles.length) {
      const list = made("ul", {className: "gallery"}, ...tiles);
      panel.append(list);
      prepare(list);
    }
    const region = by.closest(".scroll");
    const tools = region.nextElementSibling;
    (tools && tools.matches(".tools") ? tools : region).after(panel);
    panel.hidden = false;
    panel.scrollIntoView({block: "nearest"});
  };
  const quoted = value => `'${value.replaceAll("'", "''")}'`;
  const shell = value => (/["$`\\!]/.test(value) ? `'${value.replaceAll("'", "'\\''")}'` : `"${value}"`);
  const exactName = ([shown, , , , exact]) => exactOf(shown, exact);
  const query = condition => {
    const split = exactOf(...review.split);
    const where = Object.entries(split ? {split, ...condition} : condition).map(([column, value]) => `${column} = ${quoted(value)}`);
    return `${review.query} ${shell(`SELECT path, label, prediction, confidence FROM predictions WHERE ${where.join(" AND ")}`)}`;
  };

  const cells = () => {
    const {classes} = source;
    panel.addEventListener("keydown", event => {
      if (event.key !== "Escape" || !from || event.target.closest("dialog")) return;
      const back = from;
      close();
      back.focus();
    });
    const showCell = (by, label, prediction, number, share) => {
      const count = number === "1" ? "1 image" : `${number} images`;
      const [one, other] = [label, prediction].map(place => review.classes[place]);
      const title = ["True ", made("bdi", {}, one[0]), ", predicted ", made("bdi", {}, other[0]), `: ${count}${share ? ` (${share} of the true class)` : ""}`];
      show(by, title, [`${label}-${prediction}`], number, {label: exactName(one), prediction: exactName(other)});
    };

    for (const hint of document.querySelectorAll(".hint")) hint.hidden = false;
    for (const row of document.querySelectorAll("tr[data-cell]")) {
      const number = row.cells[2];
      const [label, prediction] = row.dataset.cell.split("-").map(Number);
      const whole = text(number);
      const button = made("button", {type: "button", className: "number"}, whole);
      button.setAttribute("aria-label", `${whole} images of ${review.classes[label][0]} predicted as ${review.classes[prediction][0]}: show them`);
      button.addEventListener("click", () => {
        showCell(button, label, prediction, whole, "");
        panel.focus();
      });
      number.replaceChildren(button);
    }

    // The errors first: what a class is taken for.
    const keysOf = place => Object.keys(source.cells).filter(key => key.startsWith(`${place}-`))
      .sort((a, b) => (a === `${place}-${place}`) - (b === `${place}-${place}`));
    for (const row of document.querySelectorAll("tr[data-class]")) {
      const number = row.cells[1];
      const place = Number(row.dataset.class);
      const named = review.classes[place];
      const whole = text(number);
      const button = made("button", {type: "button", className: "number"}, whole);
      button.setAttribute("aria-label", `${whole} images of ${named[0]}: show them`);
      button.addEventListener("click", () => {
        const title = ["True ", made("bdi", {}, named[0]), `: ${whole} ${whole === "1" ? "image" : "images"}`];
        show(button, title, keysOf(place), whole, {label: exactName(named)});
        panel.focus();
      });
      number.replaceChildren(button);
    }

    const table = document.querySelector("table.matrix");
    const grid = [...table.tBodies[0].rows].map(row => [...row.cells].filter(cell => cell.tagName === "TD" && !cell.classList.contains("total")));
    const place = cell => {
      const row = cell.parentElement.rowIndex - 1;
      return [row, grid[row].indexOf(cell)];
    };
    table.setAttribute("role", "grid");
    table.classList.add("active");
    // As the run has them; a review changes what the cells show.
    const numbers = new Map();
    for (const cell of grid.flat()) {
      cell.tabIndex = -1;
      numbers.set(cell, ["b", "i"].map(part => text(cell.querySelector(part))));
    }
    let current = grid[0][0];
    current.tabIndex = 0;
    const move = cell => {
      current.tabIndex = -1;
      current = cell;
      current.tabIndex = 0;
      current.focus();
    };
    const openCell = (cell, byKeyboard) => {
      const [row, column] = place(cell);
      const [number, share] = numbers.get(cell);
      showCell(cell, classes[row], classes[column], number || "0", share);
      if (byKeyboard) panel.focus();
    };
    table.addEventListener("click", event => {
      const cell = event.target.closest("tbody td:not(.total)");
      if (!cell) return;
      move(cell);
      openCell(cell, false);
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
        openCell(cell, true);
      } else if (event.key === "Escape") {
        close();
      } else {
        return;
      }
      event.preventDefault();
    });
  };
  if (source && panel && document.querySelector("table.matrix")) cells();

  for (const list of document.querySelectorAll(LISTS)) prepare(list);
  return {
    review,
    source,
    exactOf,
    // Has each tile shown to `onTile(image, list)`, and what `inViewer(image)` gives shown beside the larger picture.
    extend: extension => {
      extensions.push(extension);
      for (const list of document.querySelectorAll(LISTS)) {
        for (const tile of list.children) if (tile.querySelector(".enlarge")) extension.onTile(of(tile), list);
      }
    },
    renew: () => { if (opened) fill(); },
  };
})();
