"""A page as one HTML file that asks nobody for anything: no request, no file beside it, no script but its own."""

from windbg_ext.render.html.writer import MARK, write_html

__all__ = ["MARK", "write_html"]
