"""Redis process: halts, kills and starts the server of a region's Redis."""

from muster.platform.redis_process.model import RedisProcess, RedisState
from muster.platform.redis_process.registry import redis_process_of

__all__ = ["RedisProcess", "RedisState", "redis_process_of"]
