"""Sphinx configuration of the documentation.

Build with ``python -m sphinx -W -b html docs docs/_build/html``.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]

project = "skyreel"
author = "The skyreel developers"
copyright = "2026, the skyreel developers"
try:
    release = metadata.version("skyreel")
except metadata.PackageNotFoundError:
    release = "unreleased"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "numpydoc",
    "myst_nb",
    "generated_reference",
]
exclude_patterns = ["_build", "_ext", "reference/generated/*.md", "**.ipynb_checkpoints"]
nitpicky = False
html_theme = "pydata_sphinx_theme"
html_title = "skyreel"
html_static_path = ["_static"]
html_css_files = ["skyreel.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_nav_level": 2,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {
    name: [] for name in ("index", "install", "tour", "benchmarks", "contributing", "changelog")
}
html_show_sourcelink = False

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_mock_imports = []
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "tasklist"]
myst_heading_anchors = 3
nb_execution_mode = "off"
suppress_warnings = ["myst.xref_missing_html_target"]

copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"
