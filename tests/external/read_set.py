"""Run by NNPDF's Python: x f(x, Q) of pdfflow as JSON. Arguments: set/member, folder of sets, JSON of [pids, x, q]."""

import json
import sys

import numpy as np
import pdfflow

name, folder, (pids, x, q) = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
pdf = pdfflow.mkPDF(name, f"{folder}/")
values = [np.array(pdf.py_xfxQ2(pids, [one] * len(q), [scale**2 for scale in q])).reshape(len(q), len(pids)).T for one in x]
print("JSON" + json.dumps(np.array(values).transpose(1, 0, 2).tolist()))
