
(function () {
  "use strict";
  // The website has a host script of its own; this one serves other notebooks.
  if (document.querySelector("script[data-genai-live]")) { return; }
  var cdn = "https://cdn.jsdelivr.net/npm/";
  var sources = ["vega@6.2.0", "vega-lite@6.4.1", "vega-embed@7.0.2"];
  var here = document.currentScript;
  var figure = here && here.closest("figure.genai-live");

  function load(source) {
    return new Promise(function (resolve, reject) {
      var script = document.createElement("script");
      script.src = cdn + source;
      script.onload = resolve;
      script.onerror = reject;
      document.head.appendChild(script);
    });
  }

  function loadAll() {
    // An AMD loader on the page would swallow the libraries' global names.
    var define = window.define;
    window.define = undefined;
    var chain = sources.reduce(function (before, source) {
      return before.then(function () { return load(source); });
    }, Promise.resolve());
    return chain.finally(function () { window.define = define; });
  }

  function addControl(control, views, parent) {
    var label = document.createElement("label");
    var input = document.createElement(control.options ? "select" : "input");
    var output = document.createElement("output");
    (control.options || []).forEach(function (option, index) {
      input.add(new Option(control.labels[index], index));
    });
    if (control.options) {
      input.value = control.options.indexOf(control.value);
    } else {
      input.type = "range";
      ["min", "max", "step", "value"].forEach(function (key) {
        input[key] = control[key];
      });
    }
    function show() {
      var name = control.shows || control.param;
      views.forEach(function (view) {
        try {
          var value = view.signal(name);
          output.value = typeof value === "number" ?
            String(Number(value.toPrecision(3))).replace("Infinity", "∞") : "";
        } catch (unknownSignal) { return; }
      });
    }
    input.addEventListener("input", function () {
      var value = control.options ? control.options[input.value] : Number(input.value);
      Promise.all(views.map(function (view) {
        try { return view.signal(control.param, value).runAsync(); }
        catch (unknownSignal) { return null; }
      })).then(show);
    });
    label.style.display = "block";
    label.append(control.label + " ", input, " ", output);
    parent.append(label);
    show();
  }

  function build() {
    var data = JSON.parse(
      figure.querySelector('script[type="application/json"]').textContent);
    var controls = document.createElement("div");
    var panels = document.createElement("div");
    var image = figure.querySelector("img");
    panels.style.display = "flex";
    panels.style.flexWrap = "wrap";
    image.after(controls, panels);
    return Promise.all(data.panels.map(function (panel) {
      var place = document.createElement("div");
      place.style.flex = "1 1 260px";
      panels.append(place);
      return window.vegaEmbed(place, panel,
        { actions: false, mode: "vega-lite", renderer: "svg" });
    })).then(function (results) {
      var views = results.map(function (result) { return result.view; });
      image.style.display = "none";
      data.controls.forEach(function (control) {
        addControl(control, views, controls);
      });
    }, function () { controls.remove(); panels.remove(); });
  }

  if (!figure) { return; }
  window.genaiVegaLoading = window.genaiVegaLoading || loadAll();
  window.genaiVegaLoading.then(build, function () { /* the picture stays */ });
})();
