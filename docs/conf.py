"""How the documentation is built: ``nox -s docs``, or ``sphinx-build -W docs docs/_build``."""

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

# What the cells of the user guide need: the commands of this environment, the small tables, and no progress bars.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
os.environ |= {"PYTHONWARNINGS": "ignore", "TQDM_DISABLE": "1"}

from make_api import write_api

from skdistmass._version import __version__

project = "skdistmass"
author = "The skdistmass developers"
copyright = "the skdistmass developers, BSD-3-Clause"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
#: Files at the root that are pages, too.
ROOT_PAGES = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")

source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
exclude_patterns = [
    "_build",
    "jupyter_execute",
    "gallery/*.ipynb",
    "gallery/*.py",
    "gallery/*.md5",
    "api/backreferences",
]
templates_path = ["_templates"]
default_role = "py:obj"
smartquotes = False

# Links to other projects need their inventories from the network: DOCS_LINKS=1 turns them on.
if os.environ.get("DOCS_LINKS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "astropy": ("https://docs.astropy.org/en/stable", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "lsdb": ("https://docs.lsdb.io/en/stable", None),
    }

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
nb_execution_mode = "auto"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_output_stderr = "show"
nb_merge_streams = True
nb_execution_show_tb = True
copybutton_exclude = ".linenos, .gp, .go"


sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "plot_gallery": True,
    "backreferences_dir": "api/backreferences",
    "doc_module": ("skdistmass",),
    "min_reported_time": 0,
    "reset_modules": ("matplotlib", "figure_style.figure_style"),
    "image_scrapers": ("matplotlib",),
}

html_theme = "pydata_sphinx_theme"
html_title = "skdistmass"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "logo": {"text": "skdistmass", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "show_prev_next": False,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {page: [] for page in ("index", "catalog", "cli", "benchmarks", "changelog")}
html_show_sourcelink = False


class ShellCells(SphinxTransform):
    """Show cells of the shell as commands: without ``%%shell``, and with colours of a shell."""

    default_priority = 300

    def apply(self, **kwargs):
        """Change the code of the page."""
        for block in self.document.findall(nodes.literal_block):
            text = re.sub(r"\A%%shell\n", "", block.astext())
            if text != block.astext():
                block.children = [nodes.Text(text)]
                block.rawsource = text
                block["language"] = "bash"


def write_root_pages(folder):
    """Make pages of the files at the root, where links are those of this folder."""
    for name in ROOT_PAGES:
        text = (folder.parent / name).read_text(encoding="utf-8").replace("](docs/", "](")
        for other in ROOT_PAGES:
            text = text.replace(f"]({other}", f"]({other.lower()}")
        if name == "CONTRIBUTING.md":
            text += "\n```{toctree}\n:hidden:\n\nmap\nsecurity\ncode_of_conduct\n```\n"
        path = folder / name.lower()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def escape_bars(app, context, lines):
    """Keep bars of the commands' help as they are: |b| is a Galactic latitude, not a substitution."""
    lines[:] = [re.sub(r"(?<=\S)\||\|(?=\S)", r"\|", line) for line in lines]


def resolve_short_name(app, env, node, contnode):
    """Link a name of this package that is written short, or by the module that defines it, if only one has it."""
    target = node.get("reftarget", "")
    # A plain word is more likely a parameter.
    if node.get("refdomain") != "py" or not re.search(r"[A-Z_.]", target):
        return None
    last = target.rpartition(".")[2] if target.startswith("skdistmass.") else target
    domain = env.get_domain("py")
    found = [name for name in domain.objects if name.endswith(f".{last}")]
    if len(found) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, contnode)


def setup(app):
    """Write the pages that are made, before Sphinx looks for pages."""
    write_api(Path(app.srcdir) / "api")
    write_root_pages(Path(app.srcdir))
    app.add_transform(ShellCells)
    app.connect("missing-reference", resolve_short_name)
    for part in ("description", "options"):
        app.connect(f"sphinx-click-process-{part}", escape_bars)
