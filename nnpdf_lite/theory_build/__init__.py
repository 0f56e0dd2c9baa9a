"""Theory tables from first principles: a theory card in, PineAPPL FK tables out.

Owns: which observable each table holds, DIS coefficient functions (from ``yadism``) convolved with an interpolation
basis, the flavour-number schemes, target-mass corrections, cross sections, the parts on disk and the tables with their
manifest. Needs the extra ``nnpdf_lite[theory]``. May import: ``errors``, ``paths``, ``flavours``, ``runcard``, ``data``,
``theory``, ``evolution``.
"""
