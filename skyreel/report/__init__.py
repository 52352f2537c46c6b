"""Reports as HTML pages: colours (theme), figures, tables, and the page that holds them.

A report supplies data, as the dataclasses of these modules; the templates turn them into HTML and
escape all text. A page needs no other file: styles, figures and the data behind the figures lie
inside it.
"""
