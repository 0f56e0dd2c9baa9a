"""What scatters off the proton."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """What scatters off the proton.

    Attributes
    ----------
    current : str
        ``"NC"`` (photon and Z), ``"EM"`` (photon) or ``"CC"`` (W).
    projectile : str
        ``"electron"``, ``"positron"``, ``"neutrino"`` or ``"antineutrino"``.
    charge : str or None
        In positivity observables, the one quark that couples, or ``"all"``; None in measurements.
    """

    current: str
    projectile: str
    charge: str | None = None
