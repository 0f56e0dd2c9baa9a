"""The verbs of the command line, one thin function each: their options, and what they print.

Beside them what they share: ``usage`` (mistakes in arguments), ``tables`` (printing), ``completion`` (shells). May import
everything but ``cli``, which puts the verbs together. What is slow to import is imported by the functions that need it.
"""
