"""Published chips against what pimsim makes of their descriptions.

Which question this package answers: *how far are the numbers of a chip described in YAML from the
numbers that its authors published?*
"""

from pimsim.validation.published import Published, PublishedRow, load_published, published_chips
from pimsim.validation.validate import ValidationRow, validate

__all__ = [
    "Published",
    "PublishedRow",
    "ValidationRow",
    "load_published",
    "published_chips",
    "validate",
]
