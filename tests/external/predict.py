"""Run by NNPDF's Python: predictions of validphys as JSON. Arguments: theory, PDF set, JSON of [dataset, variant, cfactors]."""

import json
import sys

from validphys.api import API

theory, pdf, sets = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
predictions = {}
for name, variant, cfactors in sets:
    entry = {"dataset": name, "cfac": cfactors} | ({"variant": variant} if variant else {})
    common = {"dataset_input": entry, "theoryid": theory, "use_cuts": "internal", "pdf": pdf}
    dataset = API.dataset(**common)
    theirs = API.results(**common)[1]
    predictions[name] = {"points": dataset.cuts.load().tolist(), "values": theirs.central_value.tolist()}
print("JSON" + json.dumps(predictions))
