"""Build the site (`make site`): the notebooks as they are stored, the pages, and the package's docstrings. Offline."""

from pathlib import Path

import latex2mathml.converter
from docutils import nodes

ROOT = Path(__file__).resolve().parents[1]

project = "movierec"
author = copyright = "the movierec maintainers"
root_doc = "docs/index"
extensions = ["myst_nb", "autoapi.extension", "sphinx.ext.napoleon", "sphinx_copybutton"]
include_patterns = [
    "docs/*.md", "notebooks/*.md", "notebooks/*.ipynb", "notebooks/exercises/*.ipynb", "notebooks/solutions/*.ipynb",
    "data/README.md", "report/results/README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/api/**",
]  # fmt: skip

# ---- the notebooks as they are stored

nb_execution_mode = "off"
nb_mime_priority_overrides = [("html", "text/html", 10), ("html", "image/png", 5)]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = [
    "mystnb.unknown_mime_type",
    "autoapi.python_import_resolution",
]  # the state of panels, which are shown as pictures

# ---- the package, read and not imported

autoapi_dirs = [str(ROOT / "movierec")]
autoapi_root = "docs/api"
autoapi_options = ["members", "show-module-summary"]
autoapi_add_toctree_entry = False
autoapi_keep_files = False
default_role = "code"  # docstrings write `names` as Markdown does

# ---- the pages

html_theme = "furo"
html_title = "movierec"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
templates_path: list[str] = []


def _mathml(translator, node):
    """Write a formula as MathML, which browsers show without a script and screen readers read."""
    block = node.tagname == "math_block"
    mathml = latex2mathml.converter.convert(node.astext(), display="block" if block else "inline")
    translator.body.append(f'<div class="math">{mathml}</div>' if block else mathml)
    raise nodes.SkipNode


def _escape_bars(app, what, name, obj, options, lines):
    """Keep the bar of sets and of absolute values in docstrings; in reStructuredText it would begin a substitution."""
    lines[:] = [line.replace("|", "\\|") for line in lines]


def _front_door(app, error):
    """Open the first page from the folder's own address."""
    if error is None and app.builder.name == "html":
        page = '<!doctype html><title>movierec</title><meta http-equiv="refresh" content="0; url=docs/index.html">'
        Path(app.outdir, "index.html").write_text(page + '<a href="docs/index.html">movierec</a>\n', encoding="utf-8")


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(_mathml, None), block_renderers=(_mathml, None))
    app.connect("autodoc-process-docstring", _escape_bars)
    app.connect("build-finished", _front_door)


html_math_renderer = "mathml"
