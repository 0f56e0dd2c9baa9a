"""Runcards of fits that take seconds, shared by the tests."""

#: Structure functions and a ratio of two of them (not linear in the PDFs), positivity, integrability; seconds to fit.
SMALL_CARD = {
    "description": "three small datasets",
    "dataset_inputs": [
        {"dataset": "SLAC_NC_NOTFIXED_P_EM-F2", "variant": "legacy_dw"},
        {"dataset": "NMC_NC_NOTFIXED_EM-F2", "variant": "legacy_dw"},
        {"dataset": "HERA_NC_318GEV_EAVG_CHARM-SIGMARED", "variant": "legacy"},
    ],
    "datacuts": {"t0pdfset": "NNPDFLITE_dis_nnlo", "q2min": 3.49, "w2min": 12.5},
    "theory": {"theoryid": "nnlo"},
    "trvlseed": 1,
    "nnseed": 2,
    "mcseed": 3,
    "replicas": 3,
    "parameters": {
        "nodes_per_layer": [6, 5, 8],
        "activation_per_layer": ["tanh", "tanh", "linear"],
        "optimizer": {"optimizer_name": "Nadam", "learning_rate": 0.01, "clipnorm": 1.0},
        "epochs": 300,
        "stopping_patience": 1.0,
        "threshold_chi2": 100.0,
        "positivity": {"initial": 1.0, "threshold": 10.0},
        "integrability": {"initial": 1.0},
    },
    "positivity": {
        "posdatasets": [
            {"dataset": "NNPDF_POS_2P24GEV_F2U", "maxlambda": 1e4},
            {"dataset": "NNPDF_POS_2P24GEV_XGL", "maxlambda": 1e3},
        ]
    },
    "integrability": {"integdatasets": [{"dataset": "NNPDF_INTEG_3GEV_XT3", "maxlambda": 1e2}]},
    "added_filter_rules": [{"dataset": "NNPDF_POS_2P24GEV_XGL", "rule": "x > 0.1"}],
    "fitting": {"savepseudodata": True},
    "maxcores": 1,
}

#: What makes a closure test of ``SMALL_CARD``; the truth is also what t0 comes from.
CLOSURE = {"fakedata": True, "fakepdf": "NNPDFLITE_dis_nnlo", "fakenoise": True, "filterseed": 10}
