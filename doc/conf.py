"""Configuration of the documentation; see doc/README.md for the command that builds it."""

import os
import re
import sys
from importlib.metadata import version as installed_version

# As inside a fit: the examples are timed on one thread of linear algebra.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, os.path.dirname(__file__))  # for gallery_order, headings

import headings

project = "sklearn_wedge"
author = "The sklearn_wedge developers"
project_copyright = "The sklearn_wedge developers, BSD-3-Clause"
release = version = installed_version("sklearn-wedge")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "README.md", "auto_examples/data", "**.ipynb"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["custom.css"]
default_role = "code"
smartquotes = False  # strings in signatures and defaults are code
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
# The methods of an estimator are on its page, and need no page of their own.
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"plot_",
    "ignore_pattern": r"data/",
    "within_subsection_order": "gallery_order.GalleryOrder",
    "capture_repr": ("_repr_html_",),
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_wedge",),
    "reference_url": {"sklearn_wedge": None},
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "plot_gallery": True,
    "download_all_examples": False,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_wedge"
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "benchmarks": [], "changelog": [], "guide": [], "theory": []}
html_show_sourcelink = False


def escape_fitted_names(app, what, name, obj, options, lines):
    """Names such as ``n_neurons_`` in the type of an entry are not references."""
    for k, line in enumerate(lines):
        if entry := re.match(r"( *\w[\w, ]* : )(.*)", line):
            lines[k] = entry[1] + re.sub(r"(\w)_(?=[,)\s]|$)", r"\1\\_", entry[2])


def setup(app):
    app.connect("doctree-resolved", headings.break_between_words)
    app.connect("autodoc-process-docstring", escape_fitted_names, priority=400)  # before numpydoc
