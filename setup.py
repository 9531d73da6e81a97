"""The README as a package index shows it; all the rest is in pyproject.toml."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent
# Pictures, and links to files of the repository: "![text](path)" and "[text](path)".
RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def for_index(text: str, repository: str | None) -> str:
    """The README with links that lead somewhere when the repository is not around it.

    Parameters
    ----------
    text : str
        The README.
    repository : str or None
        Its address, on GitHub. None: links become their text, and pictures go.
    """

    def replaced(link: re.Match) -> str:
        picture, words, path = link.groups()
        if repository is None:
            return "" if picture else words
        kind = "raw" if picture else "blob"
        return f"{picture}[{words}]({repository}/{kind}/HEAD/{path})"

    return re.sub(r"\n{3,}", "\n\n", RELATIVE.sub(replaced, text))


def main() -> None:
    """Build with that README."""
    from setuptools import setup

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    setup(
        long_description=for_index(readme, project["urls"].get("Repository")),
        long_description_content_type="text/markdown",
    )


if __name__ == "__main__":
    main()
