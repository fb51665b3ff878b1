"""The site: ``python -m sphinx -W --keep-going -b html docs build/docs``."""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from show_forms import write_forms  # noqa: E402

import skmmap  # noqa: E402

project = "skmmap"
author = "the skmmap developers"
copyright = author
version = release = skmmap.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
]
exclude_patterns = ["_build", "README.md"]
templates_path = ["_templates"]

# Notebooks are shown as they are stored: the tests run them.
nb_execution_mode = "off"
highlight_language = "none"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# numpydoc says the types; hints would say them once more, as links to nowhere.
autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False

# A link to nowhere is an error. No inventory is fetched from the network, so names
# of other libraries are no links.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!skmmap\b).*")]

html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_title = f"skmmap {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "pygments_light_style": "tango",
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def copy_notebooks(app):
    """Put the notebooks where Sphinx looks for pages."""
    target = Path(app.srcdir, "notebooks")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(path, target)


def show_forms(app, error):
    """Write what notebooks show, which is checked beside the pages."""
    if error is None:
        write_forms(Path(app.outdir, "forms"))


def setup(app):
    """Connect what is done before the pages are read, and after they are written."""
    app.connect("builder-inited", copy_notebooks)
    app.connect("build-finished", show_forms)
