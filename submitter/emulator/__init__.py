"""The Azure that runs on a laptop, for trying a job and for proving this product.

The real SDKs and drivers talk to it unmodified; its README says what it plays and what it refuses.
"""

from submitter.emulator.config import Config
from submitter.emulator.config_file import load_config
from submitter.emulator.emulator import Emulator
from submitter.emulator.errors import ConfigError, EmulatorError
from submitter.emulator.service import TokenFault

__all__ = ["Config", "ConfigError", "Emulator", "EmulatorError", "TokenFault", "load_config"]
