"""Build the site (`make site`): the notebooks as they are stored, the pages, and the package's docstrings. Offline."""

import html
import json
import re
import tomllib
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
nb_mime_priority_overrides = [  # a panel needs Jupyter: here it is its picture, or the line that says what it is
    ("html", "image/png", 5), ("html", "text/html", 10), ("html", "application/vnd.jupyter.widget-view+json", None),
]  # fmt: skip
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["autoapi.python_import_resolution"]
exclude_patterns = [".*", "build", "data/raw", "data/cache", "report/generated", "tests"]  # large, and no page in them

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


def _as_restructured_text(app, what, name, obj, options, lines):
    """Keep what docstrings write as in Markdown: the bar of |a set|, and a letter after code, as in two `Split`s."""
    lines[:] = [re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", line.replace("|", "\\|")) for line in lines]


def _quiz_as_text(app, docname, source):
    """Write the questions of an exercise notebook where Jupyter shows its quiz, each with its answers to unfold."""
    if not docname.startswith(("notebooks/exercises/", "notebooks/solutions/")):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        file = re.search(r'Quiz\("(.+?)"\)', "".join(cell["source"]))
        if file and cell["cell_type"] == "code":
            questions = tomllib.loads((ROOT / Path(docname).parent / file[1]).read_text(encoding="utf-8"))["question"]
            page = {"text/html": "".join(map(_one_question, questions))}
            cell["outputs"] = [{"output_type": "display_data", "data": page, "metadata": {}}]
    source[0] = json.dumps(notebook)


def _one_question(question):
    words = {True: "right", False: "wrong"}
    options = [
        (html.escape(one["text"]), words[one.get("right", False)], html.escape(one["why"]))
        for one in question["option"]
    ]
    asked = "".join(f"<li>{text}</li>" for text, _, _ in options)
    told = "".join(f"<li><strong>{word}</strong>: {why}</li>" for _, word, why in options)
    return (
        f'<div class="question"><p>{html.escape(question["text"])}</p><ol type="a">{asked}</ol>'
        f'<details><summary>Answers</summary><ol type="a">{told}</ol></details></div>'
    )


def _accessible(app, pagename, templatename, context, doctree):
    """Give captions the level that screen readers need, and let the keyboard reach code and tables that scroll."""
    for part in {"body", "furo_navigation_tree"} & set(context):
        text = context[part].replace('role="heading">', 'role="heading" aria-level="2">')
        text = re.sub(r"<pre( id=\"\w+\")?>", r'<pre\1 tabindex="0">', text)
        context[part] = text.replace('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper')


def _front_door(app, error):
    """Open the first page from the folder's own address."""
    if error is None and app.builder.name == "html":
        page = '<!doctype html><title>movierec</title><meta http-equiv="refresh" content="0; url=docs/index.html">'
        Path(app.outdir, "index.html").write_text(page + '<a href="docs/index.html">movierec</a>\n', encoding="utf-8")


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(_mathml, None), block_renderers=(_mathml, None))
    app.connect("autodoc-process-docstring", _as_restructured_text)
    app.connect("source-read", _quiz_as_text)
    app.connect("html-page-context", _accessible, priority=900)  # after the theme
    app.connect("build-finished", _front_door)


html_math_renderer = "mathml"
