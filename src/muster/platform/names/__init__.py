"""Names: what clients get when they resolve the public name, and how soon that follows the
steering.
"""

from muster.platform.names.model import Names
from muster.platform.names.registry import names_of

__all__ = ["Names", "names_of"]
