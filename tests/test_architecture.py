"""The house rules: who may import whom, how long a file may get, where it is described."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_wedge

pytestmark = pytest.mark.newest

PACKAGE = Path(sklearn_wedge.__file__).parent
MAX_LINES = 500
MOST_AT_THE_TOP = 14

# Data flow one way: each module with the modules of the package that it may import. What is in a
# folder counts as the folder, except in the core.
ALLOWED = {
    "geometry": set(),
    "_core.threads": set(),
    "_core.marginals": set(),
    "_core.encoding": set(),
    "_core.losses": {"_core.kernels"},
    "_core.kernels": {"_core.threads"},
    "_core.neurons": {"geometry", "_core.kernels"},
    "_core.rows": {
        "_core.encoding",
        "_core.kernels",
        "_core.losses",
        "_core.neurons",
        "_core.threads",
    },
    "_core.restricted": {"_core.kernels", "_core.losses", "_core.rows"},
    "_core.pricing": {"_core.kernels", "_core.neurons", "_core.rows", "_core.threads"},
    "_core.solution": {"_core.neurons"},
    "_core.sliding": {"_core.kernels", "_core.losses", "_core.neurons"},
    "_core.layers": {"_core.kernels", "_core.losses", "_core.sliding"},
    # What the loop solves, wherever the rows are.
    "_core.problem": {
        "_core.rows",
        "_core.losses",
        "_core.neurons",
        "_core.restricted",
        "_core.pricing",
        "_core.sliding",
        "_core.layers",
    },
    "_core.stopping": {"_core.problem", "_core.solution"},
    "_core.state": {
        "_core.problem",
        "_core.stopping",
        "_core.neurons",
        "_core.pricing",
        "_core.restricted",
        "_core.solution",
    },
    "_core.column_generation": {
        "_core.problem",
        "_core.state",
        "_core.stopping",
        "_core.neurons",
        "_core.pricing",
        "_core.restricted",
        "_core.sliding",
        "_core.solution",
    },
    "_core.warm_path": {
        "_core.problem",
        "_core.state",
        "_core.column_generation",
        "_core.solution",
        "_core.stopping",
    },
    "_core.carried": {
        "_core.problem",
        "_core.neurons",
        "_core.rows",
        "_core.solution",
    },
    "_core.blocks": {
        "_core.problem",
        "_core.neurons",
        "_core.rows",
        "_core.sliding",
        "_core.solution",
    },
    "_core.repricing": {
        "_core.blocks",
        "_core.problem",
        "_core.losses",
        "_core.neurons",
        "_core.pricing",
        "_core.restricted",
        "_core.rows",
    },
    "_core.whole": {
        "_core.blocks",
        "_core.column_generation",
        "_core.repricing",
        "_core.neurons",
        "_core.problem",
        "_core.state",
        "_core.rows",
        "_core.pricing",
        "_core.stopping",
    },
    "_core.deep_start": {
        "_core.blocks",
        "_core.neurons",
        "_core.problem",
        "_core.rows",
        "_core.solution",
        "_core.state",
        "_core.stopping",
        "_core.whole",
    },
    "_core.deep": {
        "_core.blocks",
        "_core.whole",
        "_core.state",
        "_core.warm_path",
        "_core.solution",
        "_core.stopping",
    },
    # The solution and the sample are what it turns into layers.
    "_core.network": {
        "_core.blocks",
        "_core.encoding",
        "_core.rows",
        "_core.solution",
        "_core.neurons",
        "_core.threads",
    },
    "_core.averages": {"_core.network"},
}
CORE = set(ALLOWED)
# What the core may import from elsewhere, besides the standard library.
LIBRARIES = {"numpy", "scipy", "numba", "threadpoolctl", "cvxpy"}


def source_files():
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """Full name of the module of a file."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(["sklearn_wedge", *(part for part in parts if part != "__init__")])


def module_of(path):
    """The module that a file belongs to: its folder, or in the core what is below that."""
    return module_named(name_of(path))


def module_named(name):
    """The same of a full name; of the package as a whole: ``__init__``."""
    _, *parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] == "_core" else 1]) if parts else "__init__"


def is_module(name):
    """Whether a full name is that of a file or folder of the package, not of something in one."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports(path):
    """Full names of the modules imported anywhere in a file, also inside functions."""
    package = ("sklearn_wedge", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # "from package import name" imports a module of that name, or else the package.
                inside = f"{name}.{alias.name}"
                own = name.split(".")[0] == "sklearn_wedge"
                yield inside if own and is_module(inside) else name


def own_imports(path):
    """Modules of the package that a file imports."""
    return {module_named(name) for name in imports(path) if name.split(".")[0] == "sklearn_wedge"}


def core_files():
    return [path for path in source_files() if module_of(path) in CORE]


def test_the_reader_of_imports_finds_them_all(tmp_path, monkeypatch):
    monkeypatch.setattr("test_architecture.PACKAGE", tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("_a.py", "_b.py", "sub/g.py"):
        (tmp_path / name).touch()
    path = tmp_path / "sub" / "module.py"
    path.write_text(
        "import sklearn.utils as u\nfrom sklearn_wedge import _a\nfrom .. import _b\n"
        "def f():\n    from sklearn_wedge._c.d import e\n    from .g import h\n"
        "    from . import g\n"
    )
    assert own_imports(path) == {"_a", "_b", "_c", "sub"}
    assert {"sklearn.utils", "sklearn_wedge._c.d", "sklearn_wedge.sub.g"} <= set(imports(path))
    for whole in ("import sklearn_wedge", "from sklearn_wedge import Name", "from .. import Name"):
        path.write_text(f"def f():\n    {whole}\n")
        assert set(imports(path)) == {"sklearn_wedge"}
        assert own_imports(path) == {"__init__"}


def test_every_module_of_the_core_is_listed_here():
    below = {module_of(path) for path in source_files() if "_core" in path.parts}
    assert below | {"geometry"} == CORE | {"_core"}


@pytest.mark.parametrize("path", core_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_numerical_core_imports_along_the_flow_of_data(path):
    module = module_of(path)
    assert own_imports(path) <= ALLOWED[module] | {module}


@pytest.mark.parametrize("path", core_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_numerical_core_does_not_know_scikit_learn(path):
    outside = {name.split(".")[0] for name in imports(path)} - {"sklearn_wedge"}
    assert outside <= LIBRARIES | sys.stdlib_module_names


def test_importing_the_package_does_not_import_numba():
    code = "import sys, sklearn_wedge; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"


def inspection_files():
    return [path for path in source_files() if module_of(path) == "inspection"]


@pytest.mark.parametrize("path", inspection_files(), ids=lambda p: p.name)
def test_inspection_uses_what_is_public_only(path):
    assert own_imports(path) <= {"inspection", "_text"}
    outside = {name.split(".")[0] for name in imports(path)} - {"sklearn_wedge"}
    optional = {"matplotlib", "pandas"}
    assert outside <= {"numpy", "sklearn"} | optional | sys.stdlib_module_names
    at_the_top = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not at_the_top & optional
    private = re.findall(r"estimator\._\w+", path.read_text())
    assert not private


def circles(graph):
    """What is left of a graph after all that leads to no circle is taken out."""
    while leaves := {module for module, needed in graph.items() if not needed & graph.keys()}:
        graph = {module: needed for module, needed in graph.items() if module not in leaves}
    return graph


def test_files_do_not_import_in_a_circle():
    """Imports inside functions and of the package as a whole included."""
    graph = {name_of(path): set(imports(path)) - {name_of(path)} for path in source_files()}
    assert "sklearn_wedge._estimators.regressor" in graph["sklearn_wedge"]
    assert not circles(graph)


@pytest.mark.parametrize("depth", [1, 2])
def test_folders_do_not_import_in_a_circle(depth):
    """Of a folder as a whole: nothing that one of its files needs may need another of them."""
    graph = {}
    for path in source_files():
        needed = {".".join(module.split(".")[:depth]) for module in own_imports(path)}
        module = ".".join(module_of(path).split(".")[:depth])
        graph.setdefault(module, set()).update(needed - {module})
    assert not circles(graph)


def test_the_root_of_the_package_holds_few_entries():
    entries = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()]
    assert len([path for path in entries if path.name != "__pycache__"]) <= MOST_AT_THE_TOP


def test_a_circle_is_seen():
    chain = {"a": {"b", "numpy"}, "b": {"c"}, "c": set()}
    assert not circles(chain)
    assert circles(chain | {"c": {"a"}}).keys() == {"a", "b", "c"}


@pytest.mark.parametrize("path", source_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_is_short_enough_to_read(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES


# --- documentation ------------------------------------------------------------------------------


def modules_on_the_page():
    """Rows of the table of doc/code.md, as the modules that each names first."""
    page = (PACKAGE.parent / "doc" / "code.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \|", page, flags=re.MULTILINE)
    return [re.findall(r"`([\w.]+)`", row) for row in rows]


def test_the_page_on_the_code_has_every_module_above_those_that_import_it():
    rows = modules_on_the_page()
    place = {module: number for number, row in enumerate(rows) for module in row}
    assert len(place) == sum(map(len, rows)), "twice on the page"
    assert place.keys() == {module_of(path) for path in source_files()} - {"__init__", "_core"}
    for path in source_files():
        for imported in own_imports(path) & place.keys():
            place_of_importer = place.get(module_of(path), len(rows))
            assert place[imported] <= place_of_importer, f"{path.name} imports {imported}"
