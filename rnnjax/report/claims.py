"""All claims, family by family. To add one, add an entry to the file of its family."""

from rnnjax.report import (
    autocomplete_claims,
    capacity_claims,
    memory_claims,
    optimization_claims,
    stability_claims,
)
from rnnjax.report.claim import Claim

CLAIMS: tuple[Claim, ...] = (
    *stability_claims.CLAIMS,
    *capacity_claims.CLAIMS,
    *autocomplete_claims.CLAIMS,
    *optimization_claims.CLAIMS,
    *memory_claims.CLAIMS,
)
