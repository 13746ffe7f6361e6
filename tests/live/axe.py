"""What axe finds in an open page, which it leaves as it was."""

from contextlib import contextmanager

import pytest

from tests.website.pages import settle

# What axe finds in the theme's own parts, and why it is left so.
THEME_FINDINGS = {
    "region": "the theme's sidebar, with the book's title, is not a landmark",
}
# Everything else that axe could list makes it slow on long pages. Style sheets it would
# load by itself, and those that they import from a wrong address.
ONLY_FINDINGS = {"resultTypes": ["violations"], "preload": {"assets": ["media"]}}
# Only colours depend on the scheme.
OTHER_RULES = {"rules": {"color-contrast": {"enabled": False}}}
COLORS = {"runOnly": ["color-contrast"]}
# Of elements that are styled alike, as the words of code are, three are enough to
# look at: axe takes a minute for the colours of a long page, and seconds for these.
# A formula's glyphs have a class for each symbol, and no colour of their own.
KEEP_THREE_OF_A_KIND = """() => {
  const counts = new Map();
  const kind = node => node.localName.startsWith("mjx") ? node.localName : [
    node.localName, node.className, node.getAttribute("style")].join(".");
  const walk = (node, path) => {
    const own = path + " " + kind(node), count = (counts.get(own) || 0) + 1;
    counts.set(own, count);
    for (const child of [...node.children]) walk(child, own);
    if (count > 3 && !node.children.length) node.remove();
  };
  walk(document.querySelector("article") || document.body, "");
}"""
# To all rules but those of colours a span of code is as good as its text.
UNWRAP_WHAT_ONLY_HAS_A_STYLE = """() => {
  for (const span of document.querySelectorAll("span")) {
    const names = span.getAttributeNames();
    if (names.every(name => name === "class")) span.replaceWith(...span.childNodes);
  }
  document.body.normalize();
}"""
THEME = "scheme => document.documentElement.dataset.theme === scheme"
# Colours that are on their way from one scheme to the other belong to neither.
AT_REST = "document.getAnimations().every(one => one.playState !== 'running')"
SHOW_A_COPY = """() => {
  window.genaiOriginal = document.body;
  document.body = document.body.cloneNode(true);
}"""
SHOW_THE_ORIGINAL = "() => { document.body = window.genaiOriginal; }"


@contextmanager
def copied(page, *changes):
    """Show a copy of the page, with these scripts run on it, in place of the page."""
    page.evaluate(SHOW_A_COPY)
    for change in changes:
        page.evaluate(change)
    page.wait_for_function(AT_REST, polling=100)
    yield
    page.evaluate(SHOW_THE_ORIGINAL)


def flaws(page, *plant):
    """List what axe finds in a page but colours, after these scripts are run."""
    with copied(page, *plant, UNWRAP_WHAT_ONLY_HAS_A_STYLE):
        return findings(page, OTHER_RULES)


def pale_colours(page, *plant, schemes=("light", "dark")):
    """List where axe finds too little contrast, in each scheme."""
    found = []
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(THEME, arg=scheme)
        settle(page)
        page.wait_for_function(AT_REST, polling=100)
        with copied(page, *plant, KEEP_THREE_OF_A_KIND):
            found += [(scheme, *found) for found in findings(page, COLORS)]
    page.emulate_media(color_scheme="light")
    return found


def findings(page, rules):
    """List what axe finds in a page, but for the theme's own parts."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    results = axe.Axe().run(page, options=ONLY_FINDINGS | rules)
    return [
        (entry["id"], [node["html"][:120] for node in entry["nodes"]])
        for entry in results.response["violations"]
        if entry["id"] not in THEME_FINDINGS
    ]
