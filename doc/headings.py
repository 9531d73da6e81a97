"""Headings that are names of functions and classes break between the words of these."""

import re

# After an underscore; before a capital that begins a word, or ends the name with others.
WORD_ENDS = re.compile(r"(?<=_)(?=.)|(?<=[a-zA-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z]+$)")


def words_of(name: str) -> list[str]:
    """``WedgeReLURegressorCV`` as ``Wedge``, ``ReLU``, ``Regressor``, ``CV``."""
    return WORD_ENDS.sub(" ", name).split(" ")


def break_between_words(app, doctree, docname: str) -> None:
    """On the pages of the API, browsers are told where a heading may break."""
    from docutils import nodes

    if not docname.startswith("generated/"):
        return
    for title in doctree.findall(nodes.title):
        (name, *others) = title.children
        if others or " " in name.astext():
            continue
        first, *rest = words_of(name.astext())
        title.children = [nodes.Text(first)]
        for word in rest:
            title += [nodes.raw("", "<wbr>", format="html"), nodes.Text(word)]
