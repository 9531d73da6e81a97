"""What a package index shows of the package."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import sklearn_wedge

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)]*)\)")


def for_index(repository):
    return runpy.run_path(str(ROOT / "setup.py"))["for_index"](README, repository)


@pytest.mark.parametrize("repository", [None, "https://example.org/some/where"])
def test_links_of_the_readme_lead_somewhere_on_a_package_index(repository):
    given, shown = LINK.findall(README), LINK.findall(for_index(repository))
    assert all(target.startswith("https://") for target in shown)
    elsewhere = [target for target in given if target.startswith("https://")]
    files = [target for target in given if target not in elsewhere]
    assert "doc/images/two_spirals.png" in files and "doc/theory.md" in files
    if repository is None:
        assert shown == elsewhere
    else:
        for target, wanted in zip(shown, given, strict=True):
            kind = "raw" if wanted.endswith(".png") else "blob"
            assert target in (wanted, f"{repository}/{kind}/HEAD/{wanted}")


def test_the_readme_of_a_package_index_has_lost_links_only():
    words = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", README)
    words = re.sub(r"\[([^\]]*)\]\((?!https)[^)]*\)", r"\1", words)
    assert for_index(None).split() == words.split()


def test_the_package_index_is_given_an_address_and_the_readme_of_setup():
    assert PROJECT["urls"] and all(url.startswith("https://") for url in PROJECT["urls"].values())
    assert "readme" in PROJECT["dynamic"]  # setup.py makes it


def test_the_version_is_in_one_place():
    places = [ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / "CITATION.cff"]
    places += [*ROOT.glob("doc/*.py"), *ROOT.glob("sklearn_wedge/**/*.py")]
    version = sklearn_wedge.__version__
    assert [path.name for path in places if version in path.read_text()] == ["_version.py"]
    assert "version" in PROJECT["dynamic"]


def test_hints_on_extras_are_commands_for_a_clone():
    texts = [*ROOT.glob("*.md"), *ROOT.glob("doc/*.md"), *ROOT.glob("examples/*.py")]
    texts += ROOT.glob("sklearn_wedge/**/*.py")
    commands = re.findall(r"pip install[^`\n]*", "\n".join(map(Path.read_text, texts)))
    hints = re.findall(r'"([^"\[]*)\[(\w+)\]"', "\n".join(commands))
    assert {extra for _, extra in hints} >= {"plot", "dask", "onnx", "torch", "test"}
    for where, extra in hints:
        assert where == "." and extra in PROJECT["optional-dependencies"], (where, extra)
