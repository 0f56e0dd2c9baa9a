"""The report of a fit: figures, tables, and one static page that holds them.

Owns: the look of figures (``style``), figures as functions ``(data, ax) -> ax`` (``figures``), pages made of sections,
figures and tables (``page``) and the site they become (``site``), the sections of a fit's report (``sections``) and the
table of figures by name (``registry``). May import everything before it; nothing but the command line imports it.
"""
