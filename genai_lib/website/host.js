// Brings the book's figures to life. A figure keeps its picture when a step fails.
(function () {
  "use strict";

  var QUIET_MS = 700;
  var MARKS = '[role="graphics-symbol"][aria-label]';
  var MARK_NUMBER = /([^;]+): (-?(?:\d[-+.\de]*|Infinity)|NaN)\s*(?:;|$)/g;
  var identifiers = 0;

  function format(value) {
    if (typeof value !== "number") { return String(value); }
    if (!isFinite(value)) {
      return isNaN(value) ? "undefined" : value < 0 ? "−∞" : "∞";
    }
    return String(Number(value.toPrecision(3))).replace("-", "−");
  }

  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) { made.className = className; }
    if (text) { made.textContent = text; }
    return made;
  }

  function optionsOf(control) {
    return control.options || control.values;
  }

  // A slider over numbers carries the number itself; all else carries a position.
  function makeInput(control) {
    var options = optionsOf(control);
    var input;
    if (control.kind === "choice") {
      input = element("select");
      options.forEach(function (option, index) {
        input.add(new Option((control.labels || options)[index], index));
      });
      return input;
    }
    input = element("input");
    input.type = "range";
    input.min = options ? 0 : control.min;
    input.max = options ? options.length - 1 : control.max;
    input.step = options ? 1 : control.step;
    return input;
  }

  function addControl(control, start, parent, changed) {
    var row = element("div", "genai-live-control");
    var label = element("label", "", control.label);
    var input = makeInput(control);
    var output = control.kind === "choice" ? null : element("output");
    identifiers += 1;
    input.id = "genai-live-control-" + identifiers;
    label.htmlFor = input.id;
    if (control.param) { input.dataset.param = control.param; }
    row.append(label, input);
    if (output) {
      output.htmlFor = input.id;
      // The figure's own live region speaks once, when the reader pauses.
      output.setAttribute("aria-live", "off");
      row.append(output);
    }
    parent.append(row);
    var options = optionsOf(control);
    function set(value) {
      input.value = options ? options.indexOf(value) : value;
    }
    set(start);
    input.addEventListener("input", function () {
      changed(options ? options[Number(input.value)] : Number(input.value));
    });
    return {
      set: set,
      show: function (text) {
        if (!output) { return; }
        output.value = text;
        input.setAttribute("aria-valuetext", text);
      }
    };
  }

  // Controls, reset button and live region: what both kinds of figure share.
  function Desk(figure, data, startOf, changed) {
    var desk = this;
    this.state = data.controls.map(startOf);
    this.bar = element("div", "genai-live-controls");
    this.bar.setAttribute("role", "group");
    this.bar.setAttribute("aria-label", "Controls of the figure");
    this.controls = data.controls.map(function (control, index) {
      return addControl(control, desk.state[index], desk.bar, function (value) {
        desk.state[index] = value;
        changed();
      });
    });
    var reset = element("button", "genai-live-reset", "Reset");
    reset.type = "button";
    reset.addEventListener("click", function () {
      desk.state = data.controls.map(startOf);
      desk.controls.forEach(function (control, index) {
        control.set(desk.state[index]);
      });
      changed();
    });
    this.bar.append(reset);
    this.voice = element("p", "genai-live-voice");
    this.voice.setAttribute("aria-live", "polite");
    figure.querySelector("img").before(this.bar);
    figure.append(this.voice);
  }

  Desk.prototype.announce = function (sentence) {
    var desk = this;
    clearTimeout(this.pause);
    this.pause = setTimeout(function () {
      desk.voice.textContent = sentence();
    }, QUIET_MS);
  };

  Desk.prototype.remove = function () {
    clearTimeout(this.pause);
    this.bar.remove();
    this.voice.remove();
  };

  function colour(figure, name, otherwise) {
    return getComputedStyle(figure).getPropertyValue(name).trim() || otherwise;
  }

  function themeOf(figure) {
    var style = getComputedStyle(figure);
    var text = style.color;
    var line = colour(figure, "--pst-color-border", "#888888");
    return {
      background: "transparent",
      font: style.fontFamily,
      axis: {
        labelColor: text, titleColor: text, gridColor: line, domainColor: text,
        tickColor: text, labelFontSize: 13, titleFontSize: 13, titleFontWeight: "normal"
      },
      legend: { labelColor: text, titleColor: text },
      text: { color: text, fontSize: 13 },
      title: { color: text, fontSize: 14 },
      view: { stroke: null }
    };
  }

  function knows(view, name) {
    return Object.prototype.hasOwnProperty.call(view.getState().signals, name);
  }

  function VegaFigure(figure, data) {
    this.figure = figure;
    this.data = data;
    this.image = figure.querySelector("img");
    this.views = [];
    this.desk = new Desk(figure, data, function (control) {
      return control.value;
    }, this.schedule.bind(this));
    this.stage = element("div", "genai-live-panels");
    this.stage.setAttribute("role", "group");
    this.stage.setAttribute("aria-label", "Start: " + this.image.alt);
    this.places = data.panels.map(function () {
      return element("div", "genai-live-panel");
    });
    this.stage.append.apply(this.stage, this.places);
    this.desk.bar.after(this.stage);
  }

  VegaFigure.prototype.embed = function () {
    var self = this;
    var options = {
      actions: false, ast: false, config: themeOf(this.figure), mode: "vega-lite",
      renderer: "svg", tooltip: { theme: isDark() ? "dark" : "light" }
    };
    var former = this.views;
    return Promise.all(this.data.panels.map(function (panel, index) {
      return window.genaiVega.embed(self.places[index], panel, options);
    })).then(function (results) {
      former.forEach(function (view) { view.finalize(); });
      self.views = results.map(function (result) { return result.view; });
      self.views.forEach(function (view) {
        view.addEventListener("click", function (event, item) { self.pick(item); });
      });
      self.names = self.views.map(function (view) {
        return self.data.controls.map(function (control) {
          return knows(view, control.param);
        });
      });
      self.image.hidden = true;
      return self.update();
    });
  };

  // A click on a mark is a short way to what a slider can do as well.
  VegaFigure.prototype.pick = function (item) {
    var self = this;
    this.data.controls.forEach(function (control, index) {
      var value = item && item.datum ? item.datum[control.param] : undefined;
      if (!control.picked || !(value >= control.min && value <= control.max)) { return; }
      self.desk.controls[index].set(value);
      self.desk.state[index] = value;
      self.schedule();
    });
  };

  VegaFigure.prototype.schedule = function () {
    var self = this;
    this.desk.announce(function () { return self.sentence(); });
    if (this.waiting) { return; }
    this.waiting = true;
    requestAnimationFrame(function () {
      self.waiting = false;
      self.update();
    });
  };

  VegaFigure.prototype.update = function () {
    var self = this;
    return Promise.all(this.views.map(function (view, viewIndex) {
      self.data.controls.forEach(function (control, index) {
        if (self.names[viewIndex][index]) {
          view.signal(control.param, self.desk.state[index]);
        }
      });
      return view.runAsync();
    })).then(function () { self.show(); });
  };

  VegaFigure.prototype.show = function () {
    this.data.controls.forEach(function (control, index) {
      var name = control.shows || control.param;
      var view = this.views.find(function (candidate) { return knows(candidate, name); });
      this.desk.controls[index].show(format(view.signal(name)));
    }, this);
  };

  VegaFigure.prototype.sentence = function () {
    var parts = [];
    this.stage.querySelectorAll(MARKS).forEach(function (mark) {
      var found = mark.getAttribute("aria-label").matchAll(MARK_NUMBER);
      Array.from(found).forEach(function (match) {
        parts.push(match[1].trim() + " " + format(Number(match[2])));
      });
    });
    return parts.slice(0, 10).join(", ");
  };

  VegaFigure.prototype.fit = function () {
    this.views.forEach(function (view, index) {
      var width = this.places[index].clientWidth;
      if (width && width !== view.width()) { view.width(width).runAsync(); }
    }, this);
  };

  VegaFigure.prototype.remove = function () {
    this.views.forEach(function (view) { view.finalize(); });
    this.desk.remove();
    this.stage.remove();
    this.image.hidden = false;
  };

  function isDark() {
    return document.documentElement.dataset.theme === "dark";
  }

  function watchTheme(redraw) {
    new MutationObserver(redraw).observe(document.documentElement, {
      attributes: true, attributeFilter: ["data-theme"]
    });
  }

  function enliven(figure, data) {
    if (!window.genaiVega) { return; }
    var alive = new VegaFigure(figure, data);
    var order = alive.embed().then(function () {
      new ResizeObserver(function () { alive.fit(); }).observe(alive.stage);
      watchTheme(function () {
        order = order.then(function () { return alive.embed(); });
      });
    }).catch(function () { alive.remove(); });
  }

  // A text under the name of its author, with a beginning that was given, and a note.
  function passage(entry) {
    var block = element("div", "genai-live-passage");
    var words = element("p", "genai-live-words");
    words.append(element("strong", "", entry.given), entry.text);
    block.append(
      element("p", "genai-live-name", entry.title), words,
      element("p", "genai-live-note", entry.note)
    );
    return block;
  }

  // Frames: pictures or texts computed beforehand, one for each state of the controls.
  function showFrames(figure, data) {
    var image = figure.querySelector("img");
    var text = element("pre", "genai-live-text");
    var passages = element("div", "genai-live-passages");
    var started = false;
    var first = image.getAttribute("src");
    var positions = function () {
      return desk.state.map(function (value, index) {
        return data.controls[index].values.indexOf(value);
      });
    };
    var desk = new Desk(figure, data, function (control, index) {
      return control.values[data.frames[0].state[index]];
    }, show);
    image.after(text, passages);
    function show() {
      var wanted = positions();
      var frame = data.frames.find(function (candidate) {
        return candidate.state.every(function (position, index) {
          return position === wanted[index];
        });
      });
      desk.controls.forEach(function (control, index) {
        var shown = data.controls[index].display || data.controls[index].values;
        control.show(String(shown[wanted[index]]));
      });
      if (!frame) { return; }
      text.hidden = !("text" in frame);
      passages.hidden = !("passages" in frame);
      image.hidden = !(text.hidden && passages.hidden);
      text.textContent = frame.text || "";
      passages.replaceChildren.apply(passages, (frame.passages || []).map(passage));
      image.src = frame.src || first;
      image.alt = frame.alt;
      // Nobody moved anything yet: the page itself says what it shows.
      if (started) { desk.announce(function () { return frame.alt; }); }
      started = true;
    }
    show();
  }

  function start() {
    document.querySelectorAll("figure.genai-live").forEach(function (figure) {
      var source = figure.querySelector('script[type="application/json"]');
      var data = JSON.parse(source.textContent);
      if (figure.dataset.kind === "frames") {
        showFrames(figure, data);
      } else {
        enliven(figure, data);
      }
    });
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
