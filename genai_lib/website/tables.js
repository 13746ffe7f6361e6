// Lets readers sort and filter the tables of the ledger. Without it they stay plain.
(function () {
  "use strict";

  var tables = 0;

  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) { made.className = className; }
    if (text) { made.textContent = text; }
    return made;
  }

  function cellOf(row, column) { return row.cells[column]; }

  function keyOf(row, column) {
    var cell = cellOf(row, column);
    var number = Number(cell.dataset.value);
    return isNaN(number) ? cell.textContent.trim() : number;
  }

  // Numbers before texts; what was not measured comes last in both directions.
  function compare(first, second, sign) {
    var numbers = [typeof first === "number", typeof second === "number"];
    if (numbers[0] && numbers[1]) { return sign * (first - second); }
    if (numbers[0] !== numbers[1]) { return numbers[0] ? -1 : 1; }
    return sign * first.localeCompare(second);
  }

  function sortBy(table, heading, column, say) {
    var ascending = heading.getAttribute("aria-sort") !== "ascending";
    Array.from(table.tHead.rows[0].cells).forEach(function (other) {
      other.removeAttribute("aria-sort");
    });
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    var body = table.tBodies[0];
    var rows = Array.from(body.rows).map(function (row, index) {
      return { row: row, key: keyOf(row, column), index: index };
    });
    rows.sort(function (first, second) {
      return compare(first.key, second.key, ascending ? 1 : -1)
        || first.index - second.index;
    });
    rows.forEach(function (entry) { body.appendChild(entry.row); });
    say("sorted by " + heading.textContent + (ascending ? ", ascending" : ", descending"));
  }

  function makeSortable(table, say) {
    Array.from(table.tHead.rows[0].cells).forEach(function (heading, column) {
      var button = element("button", "genai-sort", heading.textContent);
      button.type = "button";
      heading.textContent = "";
      heading.appendChild(button);
      button.addEventListener("click", function () {
        sortBy(table, heading, column, say);
      });
    });
  }

  function field(label, control) {
    var made = element("label", "genai-filter", label + " ");
    made.appendChild(control);
    return made;
  }

  function choice(table, column) {
    var values = Array.from(table.tBodies[0].rows).map(function (row) {
      return cellOf(row, column).textContent.trim();
    });
    var select = element("select");
    select.appendChild(new Option("all", ""));
    Array.from(new Set(values)).sort().forEach(function (value) {
      if (value) { select.appendChild(new Option(value, value)); }
    });
    return select.options.length > 2 ? select : null;
  }

  function makeFilter(table, say) {
    var bar = element("div", "genai-filters");
    var words = element("input");
    words.type = "search";
    bar.appendChild(field("contains", words));
    var choices = [];
    Array.from(table.tHead.rows[0].cells).forEach(function (heading, column) {
      var select = heading.dataset.kind === "choose" ? choice(table, column) : null;
      if (select) {
        choices.push({ select: select, column: column });
        bar.appendChild(field(heading.textContent, select));
      }
    });

    function apply() {
      var wanted = words.value.trim().toLowerCase();
      var rows = Array.from(table.tBodies[0].rows);
      rows.forEach(function (row) {
        var fits = row.textContent.toLowerCase().includes(wanted);
        row.hidden = !fits || choices.some(function (entry) {
          return entry.select.value
            && cellOf(row, entry.column).textContent.trim() !== entry.select.value;
        });
      });
      var shown = rows.filter(function (row) { return !row.hidden; }).length;
      say(shown + " of " + rows.length + " rows");
    }

    bar.addEventListener("input", apply);
    return bar;
  }

  function enhance(table) {
    var box = table.closest(".genai-scroll") || table;
    var voice = element("p", "genai-table-state");
    voice.setAttribute("role", "status");
    voice.id = "genai-table-state-" + (tables += 1);
    function say(text) { voice.textContent = text; }
    var bar = makeFilter(table, say);
    makeSortable(table, say);
    bar.appendChild(voice);
    box.before(bar);
  }

  document.querySelectorAll("table.genai-sortable").forEach(enhance);
})();
