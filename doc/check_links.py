"""Links of the built pages that lead nowhere: ``python doc/check_links.py doc/_build/html``."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Targets and anchors of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        self.targets.extend(given[name] for name in ("href", "src") if name in given)


def broken_links(root: Path) -> list[str]:
    """Each as "page: target"; links to other sites are not followed."""
    pages = {
        path.resolve(): Page(path)
        for path in sorted(root.rglob("*.html"))
        if "_static" not in path.parts
    }
    broken = []
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            missing = not place.exists()
            if not missing and anchor and place in pages:
                missing = anchor not in pages[place].anchors
            if missing:
                broken.append(f"{path.relative_to(root.resolve())}: {target}")
    return broken


if __name__ == "__main__":
    (folder,) = sys.argv[1:]
    found = broken_links(Path(folder))
    print("\n".join(found) or "no broken links")
    sys.exit(bool(found))
