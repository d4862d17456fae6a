"""The contract of the enterprise example as pages of A4: Markdown, set by Typst."""

from datetime import UTC, datetime

import pypdfium2
import typst
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

STYLE = """
#set document(title: "Master agreement and order form", date: none)
#set page(paper: "a4", margin: (x: 2.5cm, y: 2.6cm), numbering: "1 / 1")
#set text(font: "Libertinus Serif", size: 11.5pt, lang: "en", region: "GB")
#set par(justify: true, leading: 0.66em, spacing: 1em)
#set table(stroke: 0.4pt + luma(150), inset: (x: 5pt, y: 3.6pt))
#show table: set text(size: 9.5pt)
#show table: set par(justify: false)
#show table.cell.where(y: 0): strong
#show heading: set block(above: 1.3em, below: 0.8em)
#show heading.where(level: 1): set text(size: 20pt)
#show heading.where(level: 2): set text(size: 14pt)
#show heading.where(level: 3): set text(size: 12.5pt)
"""
MARKS = {"strong": ("#strong[", "]"), "em": ("#emph[", "]")}


def set_in_type(markdown):
    """The bytes of the PDF."""
    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(markdown))
    body = "\n\n".join(_block(node) for node in tree.children)
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    return typst.compile(
        (STYLE + body).encode(),
        font_paths=fonts,
        ignore_system_fonts=True,
        timestamp=datetime(2022, 12, 14, tzinfo=UTC),
    )


def pages(pdf):
    """The text of each page, without line ends."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def _block(node):
    if node.type == "heading":
        text = _inline(node)
        # The signatures end the agreement; its schedules begin on a page of their own.
        start = "#pagebreak()\n" if text.startswith("Schedule 1") else ""
        return f"{start}{'=' * int(node.tag[1])} {text}"
    if node.type == "bullet_list":
        return "\n".join(f"- {_inline(item)}" for item in node.children)
    if node.type == "table":
        return _table(node)
    assert node.type == "paragraph", f"{node.type} is not set in type"
    return _inline(node)


def _table(node):
    rows = [row.children for part in node.children for row in part.children]
    aligned = ["right" if "right" in str(cell.attrs.get("style")) else "left" for cell in rows[0]]
    # The widest words of a column, so that long texts get the room that is left.
    widths = ["auto" if _longest(rows, at) < 36 else "1fr" for at in range(len(aligned))]
    cells = [", ".join(f"[{_inline(cell)}]" for cell in row) for row in rows]
    head, *body = cells
    return (
        f"#table(columns: ({', '.join(widths)}), align: ({', '.join(aligned)}), "
        f"table.header({head}), {', '.join(body)})"
    )


def _longest(rows, at):
    return max(len(_inline(row[at])) for row in rows)


def _inline(node):
    if node.type == "text":
        return "".join(f"\\{one}" if one in "\\#$*_`<>@[]~-=+/" else one for one in node.content)
    if node.type == "softbreak":
        return " "
    if node.type == "code_inline":
        return "#raw(" + '"' + node.content + '"' + ")"
    before, after = MARKS.get(node.type, ("", ""))
    return before + "".join(_inline(child) for child in node.children) + after
