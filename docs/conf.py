"""The site: ``python -m sphinx -W --keep-going -b html docs build/docs``."""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

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


def setup(app):
    """Connect what is done before the pages are read."""
    app.connect("builder-inited", copy_notebooks)
