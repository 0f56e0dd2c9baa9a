"""What new data would do to a fit: by reweighting its replicas, and by fitting again with the data added.

Owns the runcard with the data added (`cards`), the estimate by either way (`estimate`) and its tables (`tables`). May import
everything up to ``closure``.
"""

from .cards import with_data_added
from .estimate import Impact, estimate_impact, refit

__all__ = ["Impact", "estimate_impact", "refit", "with_data_added"]
