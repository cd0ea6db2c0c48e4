"""The daemon's configuration: every setting, where its value may stand, and which one wins."""

from askrd.config.layers import (
    SYSTEM_FILE as SYSTEM_FILE,
    ConfigError as ConfigError,
    Loaded as Loaded,
    duration_s as duration_s,
    load as load,
)
from askrd.config.settings import (
    KEYS as KEYS,
    Config as Config,
    Key as Key,
    default_toml as default_toml,
    tables_toml as tables_toml,
    toml_value as toml_value,
)
from askrd.wire.addresses import ListenAddress as ListenAddress
