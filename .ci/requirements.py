"""Prints what the package and its tests require, a line each."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
print(*project["dependencies"], *project["optional-dependencies"]["test"], sep="\n")
