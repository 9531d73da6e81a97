"""Every public name is documented, with what its kind needs, and is on the API page."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import runpy
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from plain_cv import regressor_cv
from sklearn.pipeline import make_pipeline

import sklearn_wedge
from sklearn_wedge import (
    Block,
    Certificate,
    HiddenNeurons,
    Round,
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    polish,
    wedge_relu_path,
)
from sklearn_wedge.inspection import (
    CertificateDisplay,
    EffectDisplay,
    EffectGrid,
    NeuronDisplay,
    PathDisplay,
    SupportDisplay,
)

API_PAGE = Path(__file__).parents[1] / "doc" / "api.md"
# Modules whose functions compute what a paper says.
MATHEMATICS = {"geometry", "path", "_polish"}


def public_modules():
    """The package, and the modules of it that have no underscore in their name and an __all__."""
    walked = pkgutil.walk_packages(sklearn_wedge.__path__, "sklearn_wedge.")
    names = [module.name for module in walked if "._" not in module.name]
    modules = [sklearn_wedge, *map(importlib.import_module, names)]
    return [module for module in modules if hasattr(module, "__all__")]


def public_objects():
    """Each public name once, under the first module that has it."""
    found = {}
    for module in public_modules():
        for name in module.__all__:
            public = getattr(module, name)
            if inspect.isclass(public) or inspect.isfunction(public):
                found.setdefault(public, f"{module.__name__}.{name}")
    return found


OBJECTS = public_objects()
EVERY = [pytest.param(public, id=name) for public, name in OBJECTS.items()]
METHODS = [
    pytest.param(method, id=f"{name}.{method.__name__}")
    for public, name in OBJECTS.items()
    if inspect.isclass(public)
    for base in public.__mro__
    if base.__module__.startswith("sklearn_wedge")
    for attribute, method in vars(base).items()
    if not attribute.startswith("_")
    for method in [getattr(method, "__func__", method)]
    if inspect.isfunction(method)
]


def sections(documented):
    """Titles of the sections of a numpydoc docstring, each with its text."""
    text = inspect.getdoc(documented) or ""
    parts = re.split(r"^(\w[\w ]*)\n-+$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(section):
    """Names that a section of parameters or attributes describes, each with the text of it."""
    parts = re.split(r"^(\S.*)$", section, flags=re.MULTILINE)
    return {
        name.strip().lstrip("*"): body.strip()
        for head, body in zip(parts[1::2], parts[2::2], strict=True)
        for name in head.split(" : ")[0].split(",")
    }


def parameters(function):
    if getattr(function, "_is_protocol", False):  # nobody makes one: its methods say what it is
        return set()
    return {name for name in inspect.signature(function).parameters if name not in ("self", "cls")}


def raises(function, seen=()):
    """Whether a function, or one of its own module that it calls, has a raise statement."""
    function = inspect.unwrap(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    module = sys.modules[function.__module__]
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called = inspect.unwrap(getattr(module, node.func.id, None))
            own = inspect.isfunction(called) and called.__module__ == module.__name__
            if own and called not in seen and raises(called, (*seen, called)):
                return True
    return False


def is_result(public):
    """A record that functions return and users do not make."""
    return dataclasses.is_dataclass(public)


def test_the_walk_finds_every_public_module():
    names = {module.__name__ for module in public_modules()}
    assert {"sklearn_wedge", "sklearn_wedge.geometry", "sklearn_wedge.path"} <= names
    public_files = {
        path.stem if path.is_file() else path.name
        for path in Path(sklearn_wedge.__file__).parent.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.name[0] != "_"
    }
    assert {f"sklearn_wedge.{name}" for name in public_files} <= names


def test_all_names_what_is_there_once():
    for module in public_modules():
        assert len(set(module.__all__)) == len(module.__all__)
        assert all(hasattr(module, name) for name in module.__all__)


def test_a_name_of_a_module_is_that_of_nothing_else():
    for module in public_modules():
        below = {found.name for found in pkgutil.iter_modules(getattr(module, "__path__", []))}
        assert not below & set(module.__all__), module.__name__
        for name in below - set(module.__all__):
            path = f"{module.__name__}.{name}"
            assert getattr(module, name, sys.modules.get(path)) is sys.modules.get(path)


@pytest.mark.parametrize("public", EVERY)
def test_a_public_name_has_every_section_of_its_documentation(public):
    found = sections(public)
    summary = inspect.getdoc(public).split("\n\n")[0]
    assert summary.endswith("."), "the first paragraph is a sentence"
    if is_result(public):
        assert "Attributes" in found
    else:
        assert "Parameters" in found or not parameters(public)
    if inspect.isfunction(public):
        assert "Returns" in found or inspect.signature(public).return_annotation == "None"
        assert "Raises" in found or not raises(public)
    elif hasattr(public, "fit"):
        assert "Attributes" in found
    assert ">>>" in found.get("Examples", "")


@pytest.mark.parametrize("public", EVERY)
def test_parameters_and_fields_are_documented(public):
    found = sections(public)
    if is_result(public):
        needed = {field.name for field in dataclasses.fields(public) if field.name[0] != "_"}
        listed = entries(found["Attributes"])
    else:
        needed, listed = parameters(public), entries(found.get("Parameters", ""))
    assert needed <= listed.keys()


def computes(public):
    """Whether mathematics is in it: estimators, and functions of such modules."""
    mathematical = set(public.__module__.split(".")) & MATHEMATICS
    return not is_result(public) and (mathematical or hasattr(public, "fit"))


@pytest.mark.parametrize("public", [every for every in EVERY if computes(every.values[0])])
def test_mathematics_has_a_source(public):
    documents = [public, sys.modules[public.__module__]]
    assert any("References" in sections(document) for document in documents), "no References"


@pytest.mark.parametrize("method", METHODS)
def test_a_public_method_is_documented(method):
    assert inspect.getdoc(method)


def is_longer_than_a_line(method):
    """Of its documentation; in that of a single line are the shapes, too."""
    return len((inspect.getdoc(method) or "").splitlines()) > 1


@pytest.mark.parametrize("method", [m for m in METHODS if is_longer_than_a_line(m.values[0])])
def test_a_long_docstring_of_a_method_has_its_parameters_and_errors(method):
    found = sections(method)
    assert parameters(method) <= entries(found.get("Parameters", "")).keys()
    assert "Raises" in found or not raises(method)


# --- what fitted objects hold -------------------------------------------------------------------


def results():
    """One of each kind of object that users are given."""
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = np.abs(X[:, 0] - X[:, 1])
    model = WedgeReLURegressor(0.1, tol=1e-2).fit(X, y)
    chosen = regressor_cv([0.3, 0.1], cv=2, tol=1e-2).fit(X, y)
    yield from (model, chosen, wedge_relu_path(X, y, [0.1]), model.explain(X))
    yield WedgeReLURegressor(0.01, n_blocks=2, tol=1e-2).fit(X, y)
    yield WedgeReLUClassifier(0.03, tol=1e-2).fit(X, y > 0.5)
    yield WedgeFeatures(model).fit(X, y)
    yield polish(([[[1.0], [0.0]], [[1.0]]], [[0.0], [0.0]]), X, y, alpha=0.1, loss="squared_error")
    for display in (EffectDisplay, CertificateDisplay):
        yield display.from_estimator(model)
    for display in (NeuronDisplay, SupportDisplay):
        yield display.from_estimator(model, X)
    yield PathDisplay.from_estimator(chosen)


def held(value):
    """The types of this package in a value and, through public attributes, in those."""
    if isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from held(part)
    elif type(value).__module__.startswith("sklearn_wedge"):
        yield type(value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of attributes that are deprecated
            public = [name for name in dir(value) if not name.startswith("_")]
            parts = [getattr(value, name, None) for name in public]
        for part in parts:
            if not inspect.ismethod(part):
                yield from held(part)


def test_public_attributes_hold_what_has_a_public_name():
    types = {kind for result in results() for kind in held(result)}
    pyplot.close("all")
    assert {Certificate, HiddenNeurons, Block, Round, EffectGrid} <= types
    assert types <= OBJECTS.keys()


# --- the API page -------------------------------------------------------------------------------


def on_the_page():
    """What the autosummary directives of the API page list, as objects by full name."""
    listed, module, in_list = {}, None, False
    for line in API_PAGE.read_text().splitlines():
        if current := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = current.group(1)
        elif line.startswith(".. autosummary::"):
            in_list = True
        elif in_list and (name := re.fullmatch(r"   (\w+)", line)):
            listed[f"{module}.{name.group(1)}"] = getattr(
                importlib.import_module(module), name.group(1)
            )
        elif line.strip() and not line.startswith(" "):
            in_list = False
    return listed


@pytest.mark.parametrize("public", EVERY)
def test_a_public_name_is_on_the_api_page(public):
    assert public in on_the_page().values(), f"add it to {API_PAGE.name}"


@pytest.mark.parametrize("public", [public for public in OBJECTS if hasattr(public, "fit")])
def test_the_diagram_of_an_estimator_links_to_its_page(public, tmp_path, monkeypatch):
    about = tmp_path / "sklearn_wedge-9.dist-info" / "METADATA"
    about.parent.mkdir()
    monkeypatch.syspath_prepend(tmp_path)  # found before what is installed
    about.write_text("Metadata-Version: 2.1\nName: sklearn-wedge\nVersion: 9\n")
    assert "Documentation for" not in public()._repr_html_()
    addresses = "Project-URL: Paper, https://b.org\nProject-URL: Documentation, https://a.org/en/\n"
    about.write_text(about.read_text() + addresses)
    # The API page has pages made in "generated/", under the name by which it lists them.
    (listed,) = (name for name, each in on_the_page().items() if each is public)
    link = f'href="https://a.org/en/generated/{listed}.html"'
    assert link in public()._repr_html_()
    assert link in make_pipeline(public())._repr_html_()
    own = type("Own", (public,), {"__module__": "elsewhere"})
    assert "Documentation for Own" not in own()._repr_html_()


# Characters of a heading that fit on a page 420 pixels wide.
ON_A_PHONE = 17


@pytest.mark.parametrize("public", EVERY)
def test_a_heading_breaks_between_words_on_a_phone(public):
    words_of = runpy.run_path(str(API_PAGE.parent / "headings.py"))["words_of"]
    name = public.__name__
    assert "".join(words_of(name)) == name
    assert max(map(len, words_of(name))) <= ON_A_PHONE
    assert all(re.fullmatch("_*[A-Z]*[a-z]*[A-Z]*_*", word) for word in words_of(name))


def test_the_api_page_lists_what_is_public_once():
    listed = list(on_the_page().values())
    assert set(listed) <= set(OBJECTS)
    assert len(set(listed)) == len(listed)
