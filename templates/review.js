// Adds the review of labels to a report: whoever looks at an image marks its label as right, or names the class that it
// is of. Counts, accuracy and the cells of the confusion matrix follow; what follows from them by more than a division,
// such as intervals, stays as the run has it until `batchclf evaluate --labels` computes it again.
(() => {
  const {review, source, exactOf} = images;
  if (!review) return;
  const KEY = `batchclf review ${review.run}`;
  const names = review.classes.map(each => each[0]);
  const exact = review.classes.map(([shown, , , , other]) => exactOf(shown, other));
  const split = exactOf(...review.split);
  const places = new Map(exact.map((name, place) => [name, place]));

  // The images that the page shows, by path: [true class, predicted class].
  const known = new Map();
  for (const [path, label, prediction, other] of review.images) known.set(exactOf(path, other), [label, prediction]);
  for (const [key, list] of Object.entries(source ? source.cells : {})) {
    for (const [path, , , other] of list) known.set(exactOf(path, other), key.split("-").map(Number));
  }

  // --- Numbers as batchclf/core/text.py writes them (decision 151) -----------------------------------------------
  const count = number => number.toLocaleString("en");
  const fixed = (value, decimals) => {
    const long = value.toFixed(decimals + 25);
    const cut = long.slice(0, -25);
    const tie = long.slice(-25) === `5${"0".repeat(24)}`;
    return tie && Number(cut.at(-1)) % 2 === 0 ? cut : value.toFixed(decimals);  // Python rounds half to even
  };
  const bounded = (value, decimals, top) => {
    if (Math.abs(value - top) <= 1e-13 * top || value < 1e-13) return fixed(Math.round(value), decimals);
    const step = 10 ** -decimals;
    const shown = fixed(value, decimals);
    if (!Number(shown)) return `<${step.toFixed(decimals)}`;
    return Number(shown) === top ? `>${(top - step).toFixed(decimals)}` : shown;
  };
  const percent = share => `${bounded(100 * share, 2, 100)}%`;
  const share = (part, whole) => (whole ? percent(part / whole) : "\u2013");

  // --- Decisions, by path: the place of the class that the image is of -------------------------------------------
  let decisions = new Map();
  let kept = true;
  let strangers = 0;
  const load = () => {
    decisions = new Map();
    strangers = 0;
    let stored = null;
    try {
      stored = JSON.parse(localStorage.getItem(KEY));
    } catch {
      kept = false;
    }
    if (!Array.isArray(stored)) return;
    for (const each of stored) {
      const [path, name] = Array.isArray(each) ? each : [];
      if (known.has(path) && places.has(name) && places.get(name) !== review.none) decisions.set(path, places.get(name));
      else strangers += 1;
    }
  };
  const store = () => {
    try {
      if (decisions.size) localStorage.setItem(KEY, JSON.stringify([...decisions].map(([path, place]) => [path, exact[place]])));
      else localStorage.removeItem(KEY);
      kept = true;
    } catch {
      kept = false;
    }
  };
  const decide = (path, place) => {
    if (kept) load();  // another tab may have decided meanwhile
    if (place === null) decisions.delete(path);
    else decisions.set(path, place);
    store();
    renew();
  };

  // --- What follows ----------------------------------------------------------------------------------------------
  const replaced = new Map();  // what stood in an element before: its class and its nodes
  const put = (element, ...nodes) => {
    if (!replaced.has(element)) replaced.set(element, [element.className, [...element.childNodes]]);
    element.replaceChildren(...nodes);
    element.classList.add("revised");
  };
  const restore = () => {
    for (const [element, [name, nodes]] of replaced) {
      element.className = name;
      element.replaceChildren(...nodes);
    }
    replaced.clear();
  };
  const number = element => Number(text(element).replaceAll(",", ""));
  const level = value => 1 + review.bounds.filter(bound => bound <= value).length;

  const recount = () => {
    const [support, predicted, correct] = [1, 2, 3].map(at => review.classes.map(each => each[at]));
    const moved = new Map();  // by true class, then by predicted class: how many images more
    const move = (label, prediction, by) => {
      const row = moved.get(label) || new Map();
      row.set(prediction, (row.get(prediction) || 0) + by);
      moved.set(label, row);
      support[label] += by;
      if (label === prediction) correct[label] += by;
    };
    for (const [path, label] of decisions) {
      const [given, prediction] = known.get(path);
      if (label === given) continue;
      move(given, prediction, -1);
      move(label, prediction, 1);
    }
    const sum = list => list.reduce((a, b) => a + b, 0);
    return {support, predicted, correct, moved, total: sum(support), right: sum(correct)};
  };
  const recountMatrix = ({support, predicted, moved}) => {
    const table = document.querySelector("table.matrix");
    if (!table) return;
    const {classes} = source;
    classes.forEach((label, at) => {
      if (!moved.has(label)) return;
      const cells = [...table.tBodies[0].rows[at].cells].slice(1);
      const more = moved.get(label);
      const shown = new Set(classes);
      const counts = classes.map((prediction, column) => number(cells[column].querySelector("b")) + (more.get(prediction) || 0));
      classes.forEach((prediction, column) => {
        const [value, cell] = [counts[column], cells[column]];
        if (!value) {
          if (cell.firstChild) { put(cell); cell.className = "revised"; }
          return;
        }
        const [ofTrue, ofPredicted] = [value / support[label], value / predicted[prediction]];
        put(cell, made("b", {}, count(value)), made("i", {}, percent(ofTrue)), made("u", {}, percent(ofPredicted)));
        const [row, columnHeat] = label === prediction ? ["r", "q"] : ["w", "k"];
        cell.className = `${row}${level(ofTrue)} ${columnHeat}${level(ofPredicted)} ${more.get(prediction) ? "revised" : ""}`;
      });
      const others = [...more].filter(([prediction]) => !shown.has(prediction)).reduce((sum, [, by]) => sum + by, 0);
      if (others) put(cells[classes.length], count(number(cells[classes.length]) + others));
      put(cells.at(-1), count(support[label]));
    });
  };
  const recountCells = ({support, predicted, moved}) => {
    for (const row of document.querySelectorAll("tr[data-cell]")) {
      const [label, prediction] = row.dataset.cell.split("-").map(Number);
      if (!moved.has(label)) continue;
      const button = row.cells[2].firstElementChild;
      const value = number(button) + (moved.get(label).get(prediction) || 0);
      put(button, count(value));
      put(row.cells[3], share(value, support[label]));
      put(row.cells[4], share(value, predicted[prediction]));
    }
  };
  const recountClasses = ({support, predicted, correct, moved}) => {
    const touched = new Set(moved.keys());
    for (const row of document.querySelectorAll("tr[data-class]")) {
      const place = Number(row.dataset.class);
      if (!touched.has(place)) continue;
      const [, images, recall, bar, precision, f1] = row.cells;
      put(images.firstElementChild || images, count(support[place]));
      put(recall, share(correct[place], support[place]));
      put(bar);
      put(precision, share(correct[place], predicted[place]));
      const both = support[place] + predicted[place];
      put(f1, both ? bounded(2 * correct[place] / both, 4, 1) : "\u2013");
    }
  };
  const recountAccuracy = ({total, right}, wrong) => {
    const accuracy = percent(right / total);
    for (const element of document.querySelectorAll('[data-metric="accuracy"]')) {
      if (element.dataset.subset !== split) continue;
      const before = text(element.firstChild);
      const [interval, note] = element.tagName === "DD" ? ["interval", "note"].map(name => element.parentElement.querySelector(`.${name}`)) : [];
      if (interval) put(interval, `before the review ${before}, ${text(interval)}`);
      if (note) put(note, `${count(right)} of ${count(total)} images right, with ${wrong} corrected ${wrong === 1 ? "label" : "labels"}`);
      const row = element.closest(".metrics tr");
      if (row) { put(row.cells[2]); put(row.cells[3], "\u2013"); }
      put(element, accuracy, ...(element.querySelector("small") ? [made("small", {}, `before ${before}`)] : []));
    }
    return accuracy;
  };

  // --- The line on the review ------------------------------------------------------------------------------------
  const status = made("p", {className: "review-status"});
  status.setAttribute("role", "status");
  const guarded = value => (/^['=+\-@\t\r]/.test(value) ? `'${value}` : value);  // decision 009
  const cell = value => (/[",\r\n]/.test(guarded(value)) ? `"${guarded(value).replaceAll('"', '""')}"` : guarded(value));
  const table = () => {
    const rows = [...decisions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, place]) => {
      const row = [path, exact[place], exact[known.get(path)[0]]];
      return split ? [...row, split] : row;
    });
    const header = ["path", "label", "given_label", ...(split ? ["split"] : [])];
    return `${[header, ...rows].map(row => row.map(cell).join(",")).join("\r\n")}\r\n`;
  };
  const save = pushButton("Save labels.csv", () => {
    const link = made("a", {download: "labels.csv", href: URL.createObjectURL(new Blob([table()], {type: "text/csv"}))});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
  const discard = pushButton("Discard all", () => {
    if (!confirm(`Discard all ${decisions.size} decisions on labels?`)) return;
    decisions.clear();
    store();
    renew();
  });
  const command = made("code", {className: "command"}, review.command);
  const copy = pushButton("Copy", () => copyBy(copy, "Copy", review.command));
  const hint = made("p", {className: "review-hint"},
    "Intervals, figures and all other numbers are as the run computed them. To compute them with these labels, save labels.csv and run: ", command, " ", copy);
  const bar = made("div", {className: "review", id: "review"}, status, made("p", {className: "review-buttons"}, save, discard), hint);
  bar.setAttribute("role", "region");
  bar.setAttribute("aria-label", "Label review");

  // --- Controls --------------------------------------------------------------------------------------------------
  const controls = new Map();  // the buttons of a tile, by tile
  const isKnown = image => image.split === review.split[0] && known.has(image.exact);
  const mark = image => {
    const right = made("button", {type: "button"}, "Label right");
    right.setAttribute("aria-label", `Label right: ${image.shown}`);
    right.addEventListener("click", () => {
      const [given] = known.get(image.exact);
      decide(image.exact, decisions.get(image.exact) === given ? null : given);
    });
    const wrong = made("button", {type: "button"});
    wrong.addEventListener("click", () => {
      image.tile.querySelector(".enlarge").click();
      document.getElementById("review-class").focus();
    });
    image.tile.append(made("div", {className: "marks"}, right, wrong));
    controls.set(image.tile, {image, right, wrong});
  };
  const showMark = ({image, right, wrong}) => {
    const place = decisions.get(image.exact);
    const isWrong = place !== undefined && place !== known.get(image.exact)[0];
    right.setAttribute("aria-pressed", String(place !== undefined && !isWrong));
    wrong.setAttribute("aria-pressed", String(isWrong));
    wrong.textContent = isWrong ? `Wrong: it is ${names[place]}` : "Wrong: it is \u2026";
    wrong.setAttribute("aria-label", `${wrong.textContent}: ${image.shown}`);
  };
  const options = () => names.map((name, place) => made("option", {value: String(place)}, name)).filter(each => Number(each.value) !== review.none);
  const inViewer = image => {
    if (!isKnown(image)) return null;
    const [given, prediction] = known.get(image.exact);
    const place = decisions.get(image.exact);
    const choose = to => () => decide(image.exact, place === to ? null : to);
    const choice = (id, name, to) => {
      const element = pushButton(name, choose(to));
      element.id = id;
      element.setAttribute("aria-pressed", String(place === to));
      return element;
    };
    const select = made("select", {id: "review-class"}, made("option", {value: ""}, "choose a class"), ...options());
    select.value = place === undefined || place === given ? "" : String(place);
    select.addEventListener("change", () => decide(image.exact, select.value === "" ? null : Number(select.value)));
    return made("fieldset", {className: "marks"},
      made("legend", {}, "Label: ", made("bdi", {}, names[given])),
      choice("review-right", "Label right", given),
      ...(prediction === given || prediction === review.none ? [] : [choice("review-prediction", `Wrong: it is ${names[prediction]}`, prediction)]),
      made("label", {}, "Wrong: it is ", select));
  };

  const renew = () => {
    restore();
    const wrong = [...decisions].filter(([path, place]) => known.get(path)[0] !== place).length;
    const words = [];
    if (decisions.size) {
      const counts = recount();
      words.push(`${count(decisions.size)} ${decisions.size === 1 ? "label" : "labels"} reviewed: ${count(wrong)} wrong, ${count(decisions.size - wrong)} right.`);
      if (wrong) {
        const before = percent(review.classes.reduce((sum, each) => sum + each[3], 0) / review.classes.reduce((sum, each) => sum + each[1], 0));
        recountMatrix(counts);
        recountCells(counts);
        recountClasses(counts);
        words.push(`Accuracy ${recountAccuracy(counts, wrong)} (${count(counts.right)} of ${count(counts.total)}), ${before} before.`);
      }
    } else {
      words.push("Review the labels: mark those of the images here as right, or as wrong with the class that it is.");
    }
    if (strangers) words.push(`${count(strangers)} stored ${strangers === 1 ? "decision fits" : "decisions fit"} no image here and ${strangers === 1 ? "does" : "do"} not count.`);
    if (!kept) words.push("This browser does not keep the decisions: save labels.csv before you close the page.");
    status.textContent = words.join(" ");
    bar.classList.toggle("begun", decisions.size > 0);
    save.disabled = discard.disabled = !decisions.size;
    for (const [tile, each] of controls) tile.isConnected ? showMark(each) : controls.delete(tile);
    images.renew();
  };

  load();
  const errors = document.getElementById("errors");
  if (!errors) return;
  errors.append(bar);
  images.extend({
    onTile: (image, list) => {
      if (!isKnown(image) || !list.matches("#errors .gallery, #cell-images .gallery")) return;
      mark(image);
      showMark(controls.get(image.tile));
    },
    inViewer,
  });
  addEventListener("storage", event => {
    if (event.key !== KEY && event.key !== null) return;
    load();
    renew();
  });
  renew();
})();
